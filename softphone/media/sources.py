"""What can be played: anything that yields PCM, read in a worker thread.

A source is a recipe, not an open file: each call of `chunks` starts from the beginning. That is what lets a player
loop, and what makes "never leave a file open" the business of one `close()`.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Protocol

from softphone.errors import MediaError

BYTES_PER_SAMPLE = 2

Chunks = Generator[bytes, None, None]


class Source(Protocol):
    """Sound to be played. Stateless, so that one source can feed many players at once."""

    def chunks(self, rate_hz: int) -> Chunks:
        """Signed 16 bit mono PCM at `rate_hz`, in pieces of at most a few seconds.

        Blocks (files, decoding): belongs in a worker thread. Raises MediaError. Closing the generator releases
        everything that it holds.
        """


@dataclass(frozen=True, slots=True)
class Silence:
    """Nothing to hear for `duration_s`: the gap between two prompts."""

    duration_s: float

    def chunks(self, rate_hz: int) -> Chunks:
        left = round(self.duration_s * rate_hz)
        while left > 0:
            count = min(left, rate_hz)
            yield bytes(count * BYTES_PER_SAMPLE)
            left -= count


@dataclass(frozen=True, slots=True)
class Pcm:
    """PCM that is already in memory, signed 16 bit mono at `rate_hz` (not resampled: rates must agree)."""

    pcm: bytes
    rate_hz: int

    def chunks(self, rate_hz: int) -> Chunks:
        if rate_hz != self.rate_hz:
            raise MediaError(f"this sound is PCM at {self.rate_hz} Hz, the mixer runs at {rate_hz} Hz")
        step = rate_hz * BYTES_PER_SAMPLE
        size = len(self.pcm) // BYTES_PER_SAMPLE * BYTES_PER_SAMPLE
        for start in range(0, size, step):
            yield self.pcm[start : min(start + step, size)]


@dataclass(frozen=True, slots=True)
class Playlist:
    """Sources one after the other, without a gap; the whole list `times` times (None: until stopped)."""

    sources: Sequence[Source]
    times: int | None = 1

    def chunks(self, rate_hz: int) -> Chunks:
        turn = 0
        while self.times is None or turn < self.times:
            sounded = False
            for source in self.sources:
                with closing(source.chunks(rate_hz)) as pieces:
                    for piece in pieces:
                        sounded = sounded or bool(piece)
                        yield piece
            if not sounded:
                return  # nothing in the list makes a sound: repeating it would never end
            turn += 1
