"""The journal of calls that are up: what lets the next start tell which calls a crash lost.

One JSON line when a call begins and one when it ends, in a file of the state folder. Nothing is synced to the disk: the
file has to survive a crash of this process, not of the machine, whose calls nobody waits for any more. A journal that
cannot be written costs a warning and never a call.
"""

from __future__ import annotations

import errno
import fcntl
import json
import logging
import os
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO, Self

log = logging.getLogger(__name__)

COMPACT_LINES = 2000  # the file is written anew when it has so many lines and most speak of calls that ended


@dataclass(frozen=True, slots=True)
class Entry:
    """A call that was up. `direction` is out or in, `remote` the far end's URI, `started` Unix time."""

    call_id: str
    account: str
    direction: str
    remote: str
    started: float


class CallJournal:
    """One daemon's journal in the file `path`; its folder is made. Belongs to the event loop's thread.

    Reads what the last run left, then starts anew. A file that another running daemon holds is left alone: then
    nothing was lost, and nothing is noted.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._up: dict[str, Entry] = {}
        self._lost: list[Entry] = []
        self._lines = 0
        self._file: BinaryIO | None = None
        try:
            self._start()
        except OSError as error:
            self._give_up(error)

    def _start(self) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o750)
        held = self._open(self._path)
        if held is None:
            log.warning("%s belongs to another running daemon: calls are not noted there", self._path)
            return
        with held:
            self._lost = list(_still_up(held.read() or b"").values())
            self._write_anew()

    @staticmethod
    def _open(path: Path) -> BinaryIO | None:
        """The file, ours alone until it is closed; None if it is somebody else's."""
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NONBLOCK, 0o600)
        file = os.fdopen(descriptor, "r+b", buffering=0)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            return None
        return file

    def lost(self) -> list[Entry]:
        """The calls that were up when the last run died, oldest first. They are told once."""
        lost, self._lost = self._lost, []
        return lost

    def open(self, call_id: str, account: str, direction: str, remote: str, started: float | None = None) -> None:
        """A call begins; `started` is Unix time, now by default."""
        entry = Entry(call_id, account, direction, remote, time.time() if started is None else started)
        self._up[call_id] = entry
        self._append(_line({"up": asdict(entry)}))

    def close(self, call_id: str) -> None:
        """The call has ended."""
        if self._up.pop(call_id, None) is not None:
            self._append(_line({"ended": call_id}))

    def shut(self) -> None:
        """Ends the journal: after an orderly stop nothing is up."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _append(self, line: bytes) -> None:
        if self._file is None:
            return
        try:
            _write_all(self._file, line)
            self._lines += 1
            if self._lines >= COMPACT_LINES and self._lines > 4 * len(self._up):
                self._write_anew()
        except OSError as error:
            self._give_up(error)

    def _write_anew(self) -> None:
        """Only the calls that are up, in a new file that takes the old one's place when it is complete."""
        scratch = self._path.with_name(self._path.name + ".new")
        scratch.unlink(missing_ok=True)
        file = self._open(scratch)
        if file is None:
            raise BlockingIOError(f"{scratch} is in use")
        _write_all(file, b"".join(_line({"up": asdict(entry)}) for entry in self._up.values()))
        scratch.rename(self._path)
        self.shut()
        self._file, self._lines = file, len(self._up)

    def _give_up(self, error: OSError) -> None:
        log.warning("calls are not noted in %s, so a crash could not tell which were up: %s", self._path, error)
        self.shut()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.shut()


def _write_all(file: BinaryIO, content: bytes) -> None:
    if content and file.write(content) != len(content):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _line(data: dict[str, Any]) -> bytes:
    return json.dumps(data).encode() + b"\n"


def _still_up(content: bytes) -> dict[str, Entry]:
    """The calls that began and did not end. Lines that a crash or a stranger left unreadable are passed over."""
    up: dict[str, Entry] = {}
    for data in _objects(content):
        if entry := _entry(data.get("up")):
            up[entry.call_id] = entry
        elif isinstance(ended := data.get("ended"), str):
            up.pop(ended, None)
    return up


def _objects(content: bytes) -> Iterator[dict[str, Any]]:
    for line in content.splitlines():
        try:
            data = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(data, dict):
            yield data


def _entry(data: object) -> Entry | None:
    match data:
        case {
            "call_id": str(call_id),
            "account": str(account),
            "direction": str(direction),
            "remote": str(remote),
            "started": int() | float() as started,
        }:
            return Entry(call_id, account, direction, remote, started)
    return None
