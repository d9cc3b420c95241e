"""The journal of webhooks: what is on the disk after whatever happened."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from softphone.webhook.journal import Journal

MANY = 1 << 20


def journal(folder: Path, max_bytes: int = MANY, segment_bytes: int = 4096) -> Journal:
    return Journal(folder, max_bytes=max_bytes, segment_bytes=segment_bytes)


def bodies(count: int, size: int = 100, first: int = 0) -> list[tuple[float, str]]:
    return [(float(i), f"{i:05d}".ljust(size, ".")) for i in range(first, first + count)]


def test_what_was_not_dealt_with_is_there_after_a_restart(tmp_path: Path) -> None:
    one = journal(tmp_path)
    assert one.open() == ([], [])
    written = one.append(bodies(5))
    assert [delivery.seq for delivery in written] == [1, 2, 3, 4, 5]
    one.done(3)
    assert one.waiting == 2
    one.close()
    other = journal(tmp_path)
    assert other.open() == (written[:3], written[3:])
    assert other.append(bodies(1))[0].seq == 6
    other.close()


def test_a_crash_in_mid_line_loses_that_line_only(tmp_path: Path) -> None:
    one = journal(tmp_path)
    one.open()
    written = one.append(bodies(3))
    one.close()
    (file,) = tmp_path.glob("*.jsonl")
    content = file.read_bytes()
    for cut in (1, 50):
        file.write_bytes(content[:-cut])
        other = journal(tmp_path)
        assert other.open()[1] == written[:2] if cut > 1 else written
        other.append(bodies(1))
        other.close()
        for extra in sorted(tmp_path.glob("*.jsonl"))[1:]:
            extra.unlink()


def test_what_was_dealt_with_leaves_the_disk(tmp_path: Path) -> None:
    one = journal(tmp_path)
    one.open()
    for i in range(40):
        one.append(bodies(10, first=i * 10))
        one.done((i + 1) * 10)
    assert one.waiting == one.dropped == 0
    assert one.size < 3 * 8192
    one.close()


def test_what_does_not_fit_is_counted(tmp_path: Path) -> None:
    one = journal(tmp_path, max_bytes=20_000)
    one.open()
    for i in range(40):
        one.append(bodies(10, first=i * 10))
    assert one.size <= 20_000
    assert one.dropped > 0
    assert one.waiting + one.dropped == 400
    one.close()
    other = journal(tmp_path, max_bytes=20_000)
    assert len(other.open()[1]) == 400 - one.dropped
    other.close()


def test_a_folder_has_one_owner(tmp_path: Path) -> None:
    one, other = journal(tmp_path), journal(tmp_path)
    one.open()
    with pytest.raises(OSError, match="another running phone"):
        other.open()
    one.close()
    other.open()
    other.close()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=300), st.binary(max_size=30))
def test_no_content_breaks_it(tmp_path_factory: pytest.TempPathFactory, lines: bytes, cursor: bytes) -> None:
    folder = tmp_path_factory.mktemp("journal")
    (folder / "0000000000000001.jsonl").write_bytes(lines + b'\n[7, 1.5, "body"]\n')
    (folder / "done").write_bytes(cursor)
    one = journal(folder)
    old, waiting = one.open()
    assert [delivery.body for delivery in old + waiting][-1] == "body"
    first = one.append(bodies(1))[0].seq
    assert first > 7
    one.close()
