"""Sound files that are played again and again: decoded once, kept in memory, played from there to any number of calls.

What is kept has the file's identity in its key, so that a file that was replaced is read anew.
"""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path

from softphone.media.files import AudioFile
from softphone.media.sources import BYTES_PER_SAMPLE, Chunks, Pcm, Source

_Key = tuple[Path, int, int, int, int, int]


class Prompts:
    """At most `limit_bytes` of decoded sound; what was played longest ago goes first. For any thread.

    A file that takes more than a quarter of the limit is played from the disk each time.
    """

    def __init__(self, limit_bytes: int) -> None:
        self._limit = limit_bytes
        self._kept: OrderedDict[_Key, bytes] = OrderedDict()
        self._size = 0
        self._lock = threading.Lock()

    @property
    def size(self) -> int:
        """Bytes of sound that are kept."""
        return self._size

    @property
    def longest(self) -> int:
        """Bytes of the longest sound that is kept."""
        return self._limit // 4

    def source(self, path: Path) -> Source:
        """The sound of a file, as AudioFile gives it."""
        return _Prompt(path, self)

    def get(self, key: _Key) -> bytes | None:
        """The sound, if it is kept; it was used last now."""
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
            return self._kept.get(key)

    def put(self, key: _Key, pcm: bytes) -> None:
        """Keeps a whole sound."""
        with self._lock:
            self._size += len(pcm) - len(self._kept.pop(key, b""))
            self._kept[key] = pcm
            while self._size > self._limit:
                _, gone = self._kept.popitem(last=False)
                self._size -= len(gone)


@dataclass(frozen=True, slots=True)
class _Prompt:
    path: Path
    prompts: Prompts

    def chunks(self, rate_hz: int) -> Chunks:
        key = _key(self.path, rate_hz)
        kept = self.prompts.get(key) if key else None
        if kept is not None:
            yield from Pcm(kept, rate_hz).chunks(rate_hz)
            return
        heard: bytearray | None = bytearray() if key else None
        for piece in AudioFile(self.path).chunks(rate_hz):
            if heard is not None:
                heard += piece
                if len(heard) > self.prompts.longest:
                    heard = None
            yield piece
        if key and heard is not None:
            self.prompts.put(key, bytes(heard[: len(heard) // BYTES_PER_SAMPLE * BYTES_PER_SAMPLE]))


def _key(path: Path, rate_hz: int) -> _Key | None:
    """Which bytes these are; None where there is no such file, which AudioFile tells better."""
    try:
        found = os.stat(path)
    except (OSError, ValueError):
        return None
    return path, found.st_dev, found.st_ino, found.st_mtime_ns, found.st_size, rate_hz
