"""The keeper: from events on the bus to timelines that are kept and told of."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from softphone import events
from softphone.bus import Bus, Record
from softphone.errors import NotFound
from softphone.timeline import keeper as module
from softphone.timeline.differences import Policy
from softphone.timeline.facts import Reader
from softphone.timeline.keeper import Keeper
from softphone.timeline.query import Query, StoreFailed
from softphone.timeline.store import Store
from softphone.timeline.views import TimelineView
from tests.timeline.story import ACCOUNT

END: dict[str, Any] = {"reason": "hangup", "by": "local", "code": 0, "sip_reason": "", "phase": "active", "cause": ""}
LIVE: dict[str, Any] = {"direction": "outbound", "number": "9196", "extension": "901", "account": ACCOUNT}


class Desk:
    """A bus, a keeper with a clock that the test turns, and what was told."""

    def __init__(self, path: Path | None, policy: Policy) -> None:
        self.bus = Bus()
        self.ahead_s = 0.0
        self.told: list[Record] = []
        self.bus.listen(lambda record: self.told.append(record))
        store = Store(path, keep_s=1e9, keep_count=1000) if path else None
        self.keeper = Keeper(self.bus, store, policy, Reader(), clock=self.now_s)

    def now_s(self) -> float:
        import time

        return time.time() + self.ahead_s

    def types(self, prefix: str = "timeline.") -> list[str]:
        return [record.event.type for record in self.told if record.event.type.startswith(prefix)]

    def dial(self, call: str = "c1", number: str = "9196") -> None:
        target = f"sip:{number}@pbx.example"
        self.bus.publish(events.CallDialing(call=call, account=ACCOUNT, target=target, sip_call_id=f"sip-{call}"))

    def end(self, call: str = "c1", duration_s: float = 3.0) -> None:
        self.bus.publish(events.CallEnded(call=call, account=ACCOUNT, duration_s=duration_s, quality=None, **END))

    def live(self, state: str, uuid: str = "u1", **more: Any) -> None:
        self.bus.publish(events.PbxCall(**(LIVE | {"call_uuid": uuid, "state": state} | more)))

    def cdr(self, uuid: str = "u1", **more: Any) -> None:
        fields = {"call_uuid": uuid, "state": "finished", "delivery": 1, "received_s": self.now_s(), "extension": ""}
        self.bus.publish(events.PbxCdr(**(LIVE | fields | more)))


def play(
    scene: Callable[[Desk], Awaitable[None]], path: Path | None = None, expects: tuple[str, ...] = ("pbx", "cdr")
) -> None:
    async def run() -> None:
        desk = Desk(path, Policy(expects=frozenset(expects)))
        desk.keeper.start()
        try:
            await scene(desk)
        finally:
            await desk.keeper.stop()

    asyncio.run(run())


def a_call(desk: Desk) -> None:
    desk.dial()
    desk.bus.publish(events.CallAnswered(call="c1", account=ACCOUNT, by="remote"))
    desk.live("ringing")
    desk.live("active")
    desk.end()
    desk.live("finished", duration_s=3.0)


def test_a_call_is_closed_when_the_last_side_has_told(tmp_path: Path) -> None:
    async def scene(desk: Desk) -> None:
        a_call(desk)
        assert await desk.keeper.flush()
        assert desk.types() == []
        desk.cdr(duration_s=3.0)
        assert await desk.keeper.flush()
        assert desk.types() == ["timeline.closed"]
        view = await desk.keeper.get("u1")
        assert isinstance(view, TimelineView)
        assert (view.complete, view.state) == (True, "closed")
        (page, _) = await desk.keeper.find(Query())
        assert [each.id for each in page] == [view.id]
        status = desk.keeper.status()
        assert (status.state, status.closed, status.complete, status.stored) == ("ok", 1, 1, 1)

    play(scene, tmp_path / "t.sqlite")


def test_it_works_by_itself_in_time(tmp_path: Path) -> None:
    async def scene(desk: Desk) -> None:
        with desk.bus.subscribe(("timeline.closed",)) as closed:
            a_call(desk)
            desk.cdr(duration_s=3.0)
            async with asyncio.timeout(10):
                record = await closed.get()
        assert record.as_dict()["call"] == "c1"

    play(scene, tmp_path / "t.sqlite")


def test_differences_are_told_once(tmp_path: Path) -> None:
    async def scene(desk: Desk) -> None:
        desk.live("ringing")
        await desk.keeper.flush()
        for _ in range(3):
            desk.ahead_s += 6
            await desk.keeper.flush()
        assert desk.types() == ["timeline.difference"]
        assert desk.told[-1].as_dict()["kind"] == "never_here"
        desk.live("finished")
        await desk.keeper.flush()
        desk.ahead_s += 31
        await desk.keeper.flush()
        closed = desk.told[-1].as_dict()
        assert (closed["type"], closed["complete"]) == ("timeline.closed", False)
        assert closed["differences"] == ["never_here", "no_cdr"]

    play(scene, tmp_path / "t.sqlite")


def test_a_cdr_that_comes_long_after_finds_its_call(tmp_path: Path) -> None:
    async def scene(desk: Desk) -> None:
        a_call(desk)
        await desk.keeper.flush()
        desk.ahead_s += 3600
        await desk.keeper.flush()
        desk.ahead_s += 3600
        await desk.keeper.flush()
        assert len(desk.keeper._book) == 0
        assert desk.types() == ["timeline.difference", "timeline.closed"]
        desk.cdr(duration_s=3.0)
        await desk.keeper.flush()
        assert desk.types()[-1] == "timeline.changed"
        found = desk.told[-1].as_dict()
        assert (found["call"], found["complete"], found["differences"]) == ("c1", True, [])
        assert len((await desk.keeper.find(Query()))[0]) == 1

    play(scene, tmp_path / "t.sqlite")


def test_news_told_twice_changes_nothing(tmp_path: Path) -> None:
    async def scene(desk: Desk) -> None:
        a_call(desk)
        desk.cdr(duration_s=3.0)
        await desk.keeper.flush()
        for _ in range(3):
            desk.live("finished", duration_s=3.0)
            desk.cdr(duration_s=3.0, received_s=desk.now_s() + 5)
        await desk.keeper.flush()
        assert desk.types() == ["timeline.closed"]

    play(scene, tmp_path / "t.sqlite")


def test_a_process_that_died_leaves_calls_that_are_lost(tmp_path: Path) -> None:
    path = tmp_path / "t.sqlite"

    async def before(desk: Desk) -> None:
        desk.dial()
        await desk.keeper.flush()

    async def after(desk: Desk) -> None:
        with desk.bus.subscribe(("timeline.closed",)) as closed:
            async with asyncio.timeout(10):
                assert (await closed.get()).as_dict()["call"] == "c1"
        view = await desk.keeper.get("c1")
        assert isinstance(view, TimelineView)
        assert view.phone
        assert view.phone.end_reason == "lost"

    play(before, path)
    play(after, path, expects=())


def test_a_gap_in_live_events_stands_in_the_calls_that_are_up(tmp_path: Path) -> None:
    async def scene(desk: Desk) -> None:
        desk.dial()
        await desk.keeper.flush()
        desk.bus.publish(events.PbxLiveConnected(extensions=["901"], gap_s=0))
        desk.bus.publish(events.PbxLiveLost(extensions=["901"], cause="the connection broke", retry_in_s=1))
        desk.bus.publish(events.PbxLiveConnected(extensions=["901"], gap_s=3))
        await desk.keeper.flush()
        view = await desk.keeper.get("c1")
        assert isinstance(view, TimelineView)
        assert [entry.what for entry in view.entries] == ["dialing", "live_lost", "live_back"]

    play(scene, tmp_path / "t.sqlite")


def test_without_a_file_the_last_ones_are_in_memory(tmp_path: Path) -> None:
    async def scene(desk: Desk) -> None:
        a_call(desk)
        assert await desk.keeper.flush()
        assert isinstance(await desk.keeper.get("c1"), TimelineView)
        with pytest.raises(NotFound):
            await desk.keeper.get("c2")
        with pytest.raises(StoreFailed):
            await desk.keeper.find(Query())

    play(scene)


def test_a_store_that_fails_is_told_once_and_tried_again(tmp_path: Path) -> None:
    path = tmp_path / "t.sqlite"
    path.write_bytes(b"this is no database, " * 100)

    async def scene(desk: Desk) -> None:
        a_call(desk)
        assert not await desk.keeper.flush()
        desk.ahead_s += module.RETRY_S + 1
        assert not await desk.keeper.flush()
        assert desk.types().count("timeline.store_failed") == 1
        assert desk.keeper.status().state == "failed"
        assert isinstance(await desk.keeper.get("c1"), TimelineView)
        path.unlink()
        desk.ahead_s += module.RETRY_S + 1
        assert await desk.keeper.flush()
        (page, _) = await desk.keeper.find(Query())
        assert len(page) == 1
        assert desk.keeper.status().state == "ok"

    play(scene, path)


def test_a_flood_does_not_fill_the_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_IN_MEMORY", 50)

    async def scene(desk: Desk) -> None:
        for i in range(120):
            desk.live("ringing", uuid=f"u{i}", number=str(i))
            await desk.keeper.flush()
        assert len(desk.keeper._book) <= 50
        assert len(desk.keeper._told) <= 50

    play(scene, tmp_path / "t.sqlite")
