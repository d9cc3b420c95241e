"""Plays a source into a PCM port.

Three levels keep the sound whole: the port's own queue (filled when it runs low), a second of decoded sound in memory,
and the source, read in a worker thread half a second at a time. The mixer takes from the first, never from a disk.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Literal

from softphone.errors import Conflict, MediaError
from softphone.media.lane import Lane
from softphone.media.ports import PcmPort
from softphone.media.sources import BYTES_PER_SAMPLE, Chunks, Source

AHEAD_S = 1.0  # decoded sound kept ready beyond the port's own queue
BLOCK_S = 0.5  # read at a time


@dataclass(frozen=True, slots=True)
class PlayEnd:
    """How playing ended. `played_s` counts what went into the mixer; `error` is a text for a person, or empty."""

    reason: Literal["finished", "stopped", "failed"]
    played_s: float
    error: str = ""


class Player:
    """One source, played once into one port. The port stays the caller's; stop the player before closing it.

    `on_end(PlayEnd)` runs exactly once after a successful `start`: when the last sample is in the mixer ("finished"),
    at `stop` ("stopped"), or when the source broke and what it gave has been played ("failed"). Belongs to the event
    loop's thread.
    """

    def __init__(
        self,
        port: PcmPort,
        source: Source,
        *,
        on_end: Callable[[PlayEnd], None] | None = None,
        executor: Executor | None = None,
    ) -> None:
        self._port = port
        self._on_end = on_end
        self._lane = Lane(executor)
        self._reader = _Reader(source, port.rate_hz)
        self._started = False
        self._playing = False  # `start` has succeeded: the end will be told
        self._reading = False
        self._complete = False  # the source has nothing more
        self._armed = False  # on_drained is set and has not fired
        self._error = ""
        self._ahead = bytearray()
        self._written_bytes = 0
        self._empty_writable = 0
        self._end: asyncio.Future[PlayEnd] = asyncio.get_running_loop().create_future()
        self._closed: asyncio.Future[None] | None = None

    async def start(self) -> None:
        """Opens the source and begins. No `on_end` follows an error.

        MediaError: not even its first sound can be had. Conflict: started before, or stopped before it could begin.
        """
        if self._started or self._end.done():
            raise Conflict("this player has been started or stopped before; make a new one")
        self._started = True
        try:
            first = await self._lane.run(self._read_block)
        except BaseException as error:  # cancelled too: the file must not stay open
            self._finish(PlayEnd("failed", 0, str(error)))
            raise
        if self._end.done():
            raise Conflict("the player was stopped before it could begin")
        if first.error and not first.pcm:
            self._finish(PlayEnd("failed", 0, first.error))
            raise MediaError(first.error)
        self._playing = True
        self._empty_writable = self._port.writable()
        self._port.on_low(self._fill)
        self._take(first)

    def stop(self) -> asyncio.Future[PlayEnd]:
        """Silence at once: nothing more is heard of this source. Idempotent.

        The future is the same as `wait()`'s outcome; there is no need to await it.
        """
        if not self._end.done():
            played_bytes = self._written_bytes - self._queued_bytes()
            if self._written_bytes:
                self._port.flush()
            self._finish(PlayEnd("stopped", self._seconds(played_bytes)))
        return self._settled()

    async def wait(self) -> PlayEnd:
        """Waits for the end, and until the source is closed. Giving up the wait does not stop the sound."""
        await asyncio.shield(self._end)
        return await self._settled()

    # ---- from the source to the port

    def _read_block(self) -> _Block:
        return self._reader.read(int(BLOCK_S * self._port.rate_hz) * BYTES_PER_SAMPLE)

    def _order(self) -> None:
        wanted = int(AHEAD_S * self._port.rate_hz) * BYTES_PER_SAMPLE
        if self._reading or self._complete or len(self._ahead) >= wanted:
            return
        self._reading = True
        self._lane.run(self._read_block).add_done_callback(self._arrived)

    def _arrived(self, job: asyncio.Future[_Block]) -> None:
        self._reading = False
        if self._end.done():
            return
        error = job.exception()
        self._take(_Block(b"", True, f"{type(error).__name__}: {error}") if error else job.result())

    def _take(self, block: _Block) -> None:
        self._ahead += block.pcm
        self._complete = block.last
        self._error = block.error
        self._fill()

    def _fill(self) -> None:
        """Moves decoded sound into the port and orders more. Right at any time, whoever calls."""
        if self._end.done():
            return
        room = self._port.writable() // BYTES_PER_SAMPLE * BYTES_PER_SAMPLE
        if self._complete and len(self._ahead) <= room:
            self._arm()  # before the last write, so that the end cannot be missed
        if self._ahead and room:
            taken = self._port.write(bytes(self._ahead[:room]))
            del self._ahead[:taken]
            self._written_bytes += taken
        if self._complete and not self._ahead:
            self._check_end()
        self._order()

    # ---- the end

    def _arm(self) -> None:
        if not self._armed:
            self._armed = True
            self._port.on_drained(self._drained)

    def _drained(self) -> None:
        self._armed = False
        if not self._end.done() and self._complete and not self._ahead:
            self._check_end()

    def _check_end(self) -> None:
        """All is written: either the mixer has taken it too, or it will say so."""
        if self._queued_bytes():
            self._arm()
            return
        reason: Literal["failed", "finished"] = "failed" if self._error else "finished"
        self._finish(PlayEnd(reason, self._seconds(self._written_bytes), self._error))

    def _queued_bytes(self) -> int:
        """What waits in the port, judged by the room that it had when empty."""
        return max(0, self._empty_writable - self._port.writable()) if self._written_bytes else 0

    def _seconds(self, size: int) -> float:
        return max(0, size) / BYTES_PER_SAMPLE / self._port.rate_hz

    def _finish(self, end: PlayEnd) -> None:
        if self._end.done():
            return
        self._end.set_result(end)
        self._port.on_low(None)
        self._port.on_drained(None)
        self._ahead.clear()
        self._reader.give_up = True
        self._closed = self._lane.run(self._reader.close)
        if self._playing and self._on_end is not None:
            asyncio.get_running_loop().call_soon(self._on_end, end)

    def _settled(self) -> asyncio.Future[PlayEnd]:
        """A future of its own for each asker, done when the end is known and the source is closed."""
        answer: asyncio.Future[PlayEnd] = asyncio.get_running_loop().create_future()

        def closed(_: asyncio.Future[None]) -> None:
            if not answer.done():
                answer.set_result(self._end.result())

        if self._closed is not None:
            self._closed.add_done_callback(closed)
        return answer


@dataclass(frozen=True, slots=True)
class _Block:
    """What one read gave; `last` comes together with the last samples, never after them."""

    pcm: bytes
    last: bool
    error: str = ""


class _Reader:
    """The worker thread's side: holds the open source. `give_up` is the only thing that the loop touches."""

    def __init__(self, source: Source, rate_hz: int) -> None:
        self._source = source
        self._rate_hz = rate_hz
        self._chunks: Chunks | None = None
        self._held = bytearray()
        self.give_up = False

    def read(self, size: int) -> _Block:
        """At least one byte more than `size` is read before `size` is handed out, so the end is known in time."""
        error = ""
        last = self.give_up
        try:
            while len(self._held) <= size and not last:
                chunk = self._next()
                last = chunk is None or self.give_up
                self._held += chunk or b""
        except MediaError as failure:
            last, error = True, str(failure)
        pcm = bytes(self._held if last else self._held[:size])
        del self._held[: len(pcm)]
        return _Block(pcm, last, error)

    def _next(self) -> bytes | None:
        if self._chunks is None:
            self._chunks = self._source.chunks(self._rate_hz)
        return next(self._chunks, None)

    def close(self) -> None:
        self._held.clear()
        if self._chunks is not None:
            self._chunks.close()
