"""The journal of calls: what a crash lost is told once, whatever the file looks like."""

import logging
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from softphone.telemetry import journal as module
from softphone.telemetry.journal import CallJournal, Entry

CALL = ("901@pbx.example", "out", "sip:9196@pbx.example", 1000.5)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "calls.journal"


def lost(path: Path) -> list[str]:
    with CallJournal(path) as journal:
        return [entry.call_id for entry in journal.lost()]


def test_calls_that_were_up_are_told_once_after_a_crash(path: Path) -> None:
    crashed = CallJournal(path)
    for call_id in ("c1", "c2", "c3"):
        crashed.open(call_id, *CALL)
    crashed.close("c2")
    crashed.shut()
    with CallJournal(path) as journal:
        assert journal.lost() == [Entry("c1", *CALL), Entry("c3", *CALL)]
        assert journal.lost() == []
    assert lost(path) == []


def test_a_process_that_is_killed_leaves_its_calls(path: Path) -> None:
    script = f"""
import os, signal
from pathlib import Path
from softphone.telemetry.journal import CallJournal
journal = CallJournal(Path({str(path)!r}))
journal.open("c1", "901@pbx.example", "in", "sip:902@pbx.example")
os.kill(os.getpid(), signal.SIGKILL)
"""
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == -signal.SIGKILL
    assert lost(path) == ["c1"]


def test_after_an_orderly_end_nothing_was_lost(path: Path) -> None:
    with CallJournal(path) as journal:
        journal.open("c1", *CALL)
        journal.close("c1")
        journal.close("c1")
        journal.close("never heard of")
    assert lost(path) == []


def test_a_file_cut_anywhere_still_gives_the_whole_lines_before_the_cut(path: Path) -> None:
    with CallJournal(path) as journal:
        for n in range(3):
            journal.open(f"c{n}", *CALL)
    content = path.read_bytes()
    ends = [i + 1 for i, byte in enumerate(content) if byte == ord("\n")]
    for cut in range(len(content)):
        path.write_bytes(content[:cut])
        whole = sum(end <= cut + 1 for end in ends)  # a line that lacks its newline alone is whole
        assert lost(path) == [f"c{n}" for n in range(whole)]


@given(st.binary(max_size=200))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_rubbish_is_passed_over(path: Path, rubbish: bytes) -> None:
    with CallJournal(path) as journal:
        journal.open("c1", *CALL)
    path.write_bytes(rubbish + b"\n" + path.read_bytes() + rubbish)
    assert lost(path) == ["c1"]


@pytest.mark.parametrize("line", [b'{"up": 1}', b'{"up": {"call_id": "x"}}', b"[" * 100_000, b'{"ended": {}}', b"7"])
def test_lines_of_the_wrong_shape_too(path: Path, line: bytes) -> None:
    path.parent.mkdir()
    path.write_bytes(line + b"\n")
    assert lost(path) == []


def test_the_file_stays_small_over_many_calls(path: Path) -> None:
    with CallJournal(path) as journal:
        journal.open("long", *CALL)
        for n in range(5 * module.COMPACT_LINES):
            journal.open(f"c{n}", *CALL)
            journal.close(f"c{n}")
        assert len(path.read_bytes().splitlines()) <= module.COMPACT_LINES
    assert lost(path) == ["long"]


def test_it_stays_open_for_many_calls_at_once(path: Path) -> None:
    with CallJournal(path) as journal:
        for n in range(module.COMPACT_LINES + 10):
            journal.open(f"c{n}", *CALL)
    assert len(lost(path)) == module.COMPACT_LINES + 10


def test_a_second_daemon_takes_nothing_from_the_first(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with CallJournal(path) as first:
        first.open("c1", *CALL)
        with caplog.at_level(logging.WARNING), CallJournal(path) as second:
            assert second.lost() == []
            second.open("c2", *CALL)
        assert "belongs to another running daemon" in caplog.text
    assert lost(path) == ["c1"]


def test_a_folder_that_cannot_be_made_costs_a_warning_and_no_call(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").touch()
    with caplog.at_level(logging.WARNING), CallJournal(tmp_path / "file" / "calls.journal") as journal:
        journal.open("c1", *CALL)
        journal.close("c1")
        assert journal.lost() == []
    assert "calls are not noted in" in caplog.text


def test_a_full_disk_costs_a_warning_and_no_call(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with CallJournal(path) as journal, caplog.at_level(logging.WARNING):
        full = os.open("/dev/full", os.O_WRONLY)
        assert journal._file is not None
        os.dup2(full, journal._file.fileno())
        os.close(full)
        journal.open("c1", *CALL)
        journal.open("c2", *CALL)
    assert caplog.text.count("No space left on device") == 1


def test_only_its_owner_may_read_who_was_called(path: Path) -> None:
    with CallJournal(path) as journal:
        journal.open("c1", *CALL)
    assert path.stat().st_mode & 0o077 == 0
