"""Webhooks that were received and not dealt with yet, on disk, so that a restart loses none.

A folder of segments, one JSON line for each delivery, numbered without end; a line is synced to the disk before the
sender hears that we have it (many that come together share one sync). `done` says how far all was dealt with; segments
before that are deleted, but for the last one: it tells what was already received, so that what is sent twice is known.
Beyond `max_bytes` the oldest segment goes, and what was not dealt with in it is counted as dropped.

All methods block; the receiver calls them from one worker thread.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

SEGMENT_BYTES = 1024 * 1024
_CURSOR = "done"
_LOCK = "lock"


@dataclass(frozen=True, slots=True)
class Delivery:
    """One webhook. `seq` counts from 1 and is never used twice; `received_s` is Unix time; `body` is its JSON."""

    seq: int
    received_s: float
    body: str


@dataclass(slots=True)
class _Segment:
    path: Path
    first: int
    last: int
    size: int


class Journal:
    """Raises OSError where the folder cannot be read or written; after a failed `append` it may be tried again."""

    def __init__(self, folder: Path, *, max_bytes: int, segment_bytes: int = SEGMENT_BYTES) -> None:
        self.folder = folder
        self.dropped = 0
        self.last = 0
        self._max_bytes, self._segment_bytes = max_bytes, min(segment_bytes, max(4096, max_bytes // 4))
        self._done = 0
        self._segments: list[_Segment] = []
        self._file: BinaryIO | None = None
        self._lock: BinaryIO | None = None

    @property
    def size(self) -> int:
        """Bytes on disk."""
        return sum(segment.size for segment in self._segments)

    @property
    def waiting(self) -> int:
        """Deliveries that were not dealt with."""
        first = self._segments[0].first if self._segments else self.last + 1
        return self.last - max(self._done, first - 1)

    def open(self) -> tuple[list[Delivery], list[Delivery]]:
        """What was received and dealt with, as far as it is kept, and what was not."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._take_lock()
        self._done = self._read_cursor()
        kept: list[Delivery] = []
        for path in sorted(self.folder.glob("*.jsonl")):
            found = list(_deliveries(path.read_bytes()))
            if not found:
                path.unlink()
                continue
            self._segments.append(_Segment(path, found[0].seq, found[-1].seq, path.stat().st_size))
            kept += found
        self.last = max(self._done, *(delivery.seq for delivery in kept)) if kept else self._done
        old = [delivery for delivery in kept if delivery.seq <= self._done]
        return old, [delivery for delivery in kept if delivery.seq > self._done]

    def _take_lock(self) -> None:
        descriptor = os.open(self.folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._lock = os.fdopen(descriptor, "r+b", buffering=0)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._lock.close()
            self._lock = None
            raise OSError(errno.EBUSY, "another running phone uses this folder") from None

    def append(self, received: Sequence[tuple[float, str]]) -> list[Delivery]:
        """Writes and syncs; when it returns, they survive a power cut. Times are Unix time, bodies JSON."""
        numbered = [Delivery(self.last + i, at_s, body) for i, (at_s, body) in enumerate(received, 1)]
        content = b"".join(_line(delivery) for delivery in numbered)
        try:
            self._write(content, numbered)
        except OSError:
            self._shut()  # what was half written is passed over when it is read; the next try begins a new segment
            raise
        self.last = numbered[-1].seq if numbered else self.last
        self._make_room()
        return numbered

    def _write(self, content: bytes, numbered: Sequence[Delivery]) -> None:
        if self._file is None or self._segments[-1].size >= self._segment_bytes:
            self._begin(numbered[0].seq)
        if self._file is None:
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))
        if self._file.write(content) != len(content):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        os.fsync(self._file.fileno())
        self._segments[-1].size += len(content)
        self._segments[-1].last = numbered[-1].seq

    def _begin(self, seq: int) -> None:
        self._shut()
        path = self.folder / f"{seq:016d}.jsonl"
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self._file = os.fdopen(descriptor, "wb", buffering=0)
        _sync_folder(self.folder)
        self._segments.append(_Segment(path, seq, seq - 1, 0))

    def _make_room(self) -> None:
        while self.size > self._max_bytes and len(self._segments) > 1:
            oldest = self._segments.pop(0)
            self.dropped += max(0, oldest.last - max(self._done, oldest.first - 1))
            self._done = max(self._done, oldest.last)
            oldest.path.unlink(missing_ok=True)

    def done(self, seq: int) -> None:
        """All up to `seq` was dealt with. Not synced: what is forgotten of it by a power cut is told once more."""
        if seq <= self._done:
            return
        self._done = seq
        scratch = self.folder / f"{_CURSOR}.new"
        scratch.write_text(f"{seq}\n")
        scratch.rename(self.folder / _CURSOR)
        while len(self._segments) > 2 and self._segments[1].last <= seq:
            self._segments.pop(0).path.unlink(missing_ok=True)

    def _read_cursor(self) -> int:
        try:
            text = (self.folder / _CURSOR).read_text().strip()
        except (FileNotFoundError, UnicodeDecodeError):
            return 0
        return int(text) if text.isascii() and text.isdecimal() and len(text) < 17 else 0

    def close(self) -> None:
        """Safe to call twice."""
        self._shut()
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def _shut(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _line(delivery: Delivery) -> bytes:
    return json.dumps([delivery.seq, delivery.received_s, delivery.body]).encode() + b"\n"


def _deliveries(content: bytes) -> Iterator[Delivery]:
    """Lines that a crash left half written were never acknowledged, and are passed over."""
    for line in content.split(b"\n"):
        try:
            found = json.loads(line)
        except (ValueError, RecursionError):
            continue
        match found:
            case [int() as seq, int() | float() as received_s, str() as body] if seq > 0:
                yield Delivery(seq, float(received_s), body)
