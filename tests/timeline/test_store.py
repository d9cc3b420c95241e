"""Timelines on disk."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest

from softphone.errors import UsageError
from softphone.timeline.differences import Policy
from softphone.timeline.joining import join
from softphone.timeline.query import Query, StoreFailed
from softphone.timeline.record import tell
from softphone.timeline.store import Row, Store
from tests.timeline.story import T0, Story, good_call

DAY_S = 86_400.0


def rows(story: Story, now_s: float = T0 + 1000) -> list[Row]:
    return [Row(tell(j, Policy(), now_s), j.facts, j.facts[0].at_s) for j in join(story.facts)]


def many(count: int) -> list[Row]:
    story = Story()
    for i in range(count):
        story.out(i * 100.0, f"55500{i}", call=f"c{i}")
        story.ended(i * 100.0 + 5, 5.0, call=f"c{i}")
        story.live(i * 100.0 + 1, "ringing", uuid=f"u{i}", number=f"55500{i}")
    return rows(story)


def run(
    path: Path, scene: Callable[[Store], Awaitable[None]], *, keep_s: float = DAY_S, keep_count: int = 1000
) -> None:
    async def play() -> None:
        store = Store(path, keep_s=keep_s, keep_count=keep_count)
        try:
            await store.open()
            await scene(store)
        finally:
            await store.close()

    asyncio.run(play())


def test_what_is_put_is_found_by_all_its_names(tmp_path: Path) -> None:
    async def scene(store: Store) -> None:
        (row,) = rows(good_call())
        assert await store.put([row], [], T0) == 1
        for name in (row.view.id, "c1", "u1", "sip-c1"):
            (found,) = await store.get(name)
            assert found == row.view
        assert await store.get("c2") == []
        assert set(await store.facts(["u1", "nobody"])) == set(row.facts)

    run(tmp_path / "new" / "t.sqlite", scene)
    assert (tmp_path / "new" / "t.sqlite").stat().st_mode & 0o077 == 0


def test_it_survives_a_restart_and_knows_what_was_open(tmp_path: Path) -> None:
    story = good_call()
    story.out(200, "12", call="c2")
    path = tmp_path / "t.sqlite"

    async def before(store: Store) -> None:
        await store.put(rows(story), [], T0)

    async def after(store: Store) -> None:
        assert [fact.leg for fact in await store.unfinished()] == ["b1/c2"]
        await store.put([], [], T0)

    run(path, before)
    run(path, after)


def test_queries(tmp_path: Path) -> None:
    async def scene(store: Store) -> None:
        await store.put(many(5), [], T0)

        async def found(query: Query) -> list[str]:
            return [each.number for each in (await store.find(query))[0]]

        assert await found(Query()) == ["555004", "555003", "555002", "555001", "555000"]
        assert await found(Query(number="003")) == ["555003"]
        assert await found(Query(number="%3")) == []
        assert await found(Query(since_s=T0 + 100, until_s=T0 + 300)) == ["555002", "555001"]
        assert await found(Query(extension="902")) == []
        assert len(await found(Query(difference="goes_on_at_pbx", state="closed", direction="out"))) == 5
        assert len(await found(Query(difference="any", complete=False))) == 5
        assert await found(Query(difference="goes_on")) == []
        (page, following) = await store.find(Query(limit=3))
        assert following is not None
        assert page[0].entries == []
        assert await found(Query(limit=3, before=following)) == ["555001", "555000"]
        with pytest.raises(UsageError, match="next"):
            await store.find(Query(before="yesterday"))

    run(tmp_path / "t.sqlite", scene)


def test_a_timeline_that_became_part_of_another_is_gone(tmp_path: Path) -> None:
    async def scene(store: Store) -> None:
        (row,) = rows(good_call())
        other = replace(row, view=replace(row.view, id="told", call="c9"))
        await store.put([other], [], T0)
        assert await store.put([row], ["told"], T0) == 1
        assert await store.get("c9") == []

    run(tmp_path / "t.sqlite", scene)


def test_retention_by_number_and_by_age(tmp_path: Path) -> None:
    async def by_number(store: Store) -> None:
        assert await store.put(many(9), [], T0) == 4
        assert [each.call for each in (await store.find(Query()))[0]] == ["c8", "c7", "c6", "c5"]
        assert await store.get("u0") == []

    async def by_age(store: Store) -> None:
        assert await store.put([], [], T0 + DAY_S + 650) == 2

    run(tmp_path / "t.sqlite", by_number, keep_count=4)
    run(tmp_path / "t.sqlite", by_age)


def failing(store: Store) -> str:
    async def play() -> str:
        try:
            with pytest.raises(StoreFailed) as error:
                await store.open()
            return str(error.value)
        finally:
            await store.close()

    return asyncio.run(play())


def test_a_damaged_file_is_said_to_be_one_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "t.sqlite"
    path.write_bytes(b"this is no database, " * 100)
    assert "damaged; move it away" in failing(Store(path, keep_s=1, keep_count=1))
    assert path.read_bytes().startswith(b"this is no")


def test_a_file_of_a_later_version(tmp_path: Path) -> None:
    path = tmp_path / "t.sqlite"
    base = sqlite3.connect(path)
    base.execute("PRAGMA user_version = 99")
    base.close()
    assert "version 99" in failing(Store(path, keep_s=1, keep_count=1))


def test_a_folder_that_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert "cannot be kept in" in failing(Store(tmp_path / "file" / "t.sqlite", keep_s=1, keep_count=1))


def test_a_locked_file_fails_that_write_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("softphone.timeline.store.LOCK_PATIENCE_S", 0.05)

    async def scene(store: Store) -> None:
        other = sqlite3.connect(store.path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreFailed, match="another program holds it"):
            await store.put(many(1), [], T0)
        other.execute("ROLLBACK")
        other.close()
        assert await store.put(many(1), [], T0) == 1

    run(tmp_path / "t.sqlite", scene)


def test_facts_that_nobody_can_read_are_an_error_with_a_name(tmp_path: Path) -> None:
    async def scene(store: Store) -> None:
        await store.put(many(1), [], T0)
        other = sqlite3.connect(store.path, isolation_level=None)
        other.execute("UPDATE timelines SET facts = '[{'")
        other.close()
        with pytest.raises(StoreFailed, match="damaged"):
            await store.facts(["c0"])

    run(tmp_path / "t.sqlite", scene)


def test_a_record_that_is_no_timeline(tmp_path: Path) -> None:
    async def scene(store: Store) -> None:
        await store.put(many(1), [], T0)
        other = sqlite3.connect(store.path, isolation_level=None)
        for nonsense in ("{}", "[1]", '{"id": 1}'):
            other.execute("UPDATE timelines SET record = ?", (nonsense,))
            with pytest.raises(StoreFailed, match="damaged"):
                await store.find(Query())
        other.close()

    run(tmp_path / "t.sqlite", scene)
