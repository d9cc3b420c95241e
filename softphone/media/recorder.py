"""Records what ports hear into a WAV file: one port makes mono, two make stereo (them left, us right).

Sound is collected on the loop and written in a worker thread half a second at a time, the header with it; a crash costs
no more than that. A disk that fails or stands still ends the recording, never the call.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from softphone.errors import Conflict, MediaError, UsageError
from softphone.media.align import Aligner
from softphone.media.lane import Lane
from softphone.media.levels import Level, LevelMeter
from softphone.media.ports import PcmPort
from softphone.media.wav import HEADER_BYTES, MAX_DATA_BYTES, WavFile

BLOCK_S = 0.5  # written at a time
BACKLOG_S = 30.0  # how long a disk may stand still
MAX_SKEW_S = 0.5  # see align.py

Reason = Literal["stopped", "max_duration", "max_size", "failed"]


@dataclass(frozen=True, slots=True)
class RecordEnd:
    """What became of a recording. It is playable whatever the reason; `error` is a text for a person, or empty.

    `levels` is one per channel, them first.
    """

    file: Path
    reason: Reason
    duration_s: float
    bytes: int
    levels: tuple[Level, ...]
    error: str = ""

    @property
    def peak_dbfs(self) -> float | None:
        """Of all channels; None when nothing but digital silence came."""
        return max((level.peak_dbfs for level in self.levels if level.peak_dbfs is not None), default=None)


class Recorder:
    """One recording. The ports stay the caller's: connect what is to be heard, stop the recorder before closing them.

    `on_end(RecordEnd)` runs exactly once after a successful `start`. Belongs to the event loop's thread.
    """

    def __init__(
        self,
        ports: Sequence[PcmPort],
        file: Path,
        *,
        on_end: Callable[[RecordEnd], None] | None = None,
        overwrite: bool = False,
        max_duration_s: float | None = None,
        max_bytes: int | None = None,
        executor: Executor | None = None,
    ) -> None:
        """`ports`: one (mono) or two (them, us) of the same rate. `max_bytes` is of the file, at most 4 GiB."""
        if len(ports) not in (1, 2) or len({port.rate_hz for port in ports}) != 1:
            raise UsageError("a recording takes one port, or two of the same rate")
        if max_duration_s is not None and max_duration_s <= 0:
            raise UsageError(f"max_duration_s is {max_duration_s}; a recording needs more than 0 s")
        self._ports = tuple(ports)
        self._file = file
        self._rate_hz = ports[0].rate_hz
        self._on_end = on_end
        self._lane = Lane(executor)
        self._disk = _Disk(file, self._rate_hz, len(ports), overwrite)
        self._aligner = Aligner(len(ports), int(MAX_SKEW_S * self._rate_hz))
        self._limit_samples, self._limit_reason = self._limit(max_duration_s, max_bytes)
        self._ordered_samples = 0  # given to the lane
        self._written_samples = 0  # known to be on disk
        self._state: Literal["new", "recording", "paused", "ending"] = "new"
        self._checking = False
        self._reason: Reason = "stopped"
        self._error = ""
        self._end: asyncio.Future[RecordEnd] = asyncio.get_running_loop().create_future()

    def _limit(self, max_duration_s: float | None, max_bytes: int | None) -> tuple[int, Reason]:
        """How many samples per channel may be written, and what ends it then."""
        data_bytes = MAX_DATA_BYTES if max_bytes is None else min(max_bytes - HEADER_BYTES, MAX_DATA_BYTES)
        by_size = max(0, data_bytes // (2 * len(self._ports)))
        by_time = by_size + 1 if max_duration_s is None else round(max_duration_s * self._rate_hz)
        return (by_time, "max_duration") if by_time <= by_size else (by_size, "max_size")

    # ---- commands

    async def start(self) -> None:
        """Creates the file and records from this moment on. MediaError when that cannot be (then no `on_end`)."""
        if self._state != "new":
            raise Conflict("this recorder has been started or stopped before; make a new one")
        self._state = "recording"
        self._listen()
        try:
            await self._lane.run(self._disk.open)
        except BaseException as error:  # cancelled too: nothing may stay open, and no empty file
            self._on_end = None
            self._disk.unwanted = True
            self._fail(str(error))
            raise

    def pause(self) -> None:
        """What comes from now on is left out, until `resume`. Idempotent."""
        if self._state == "recording":
            self._deafen()
            self._aligner.even_out()
            self._write_ready()
            if self._state == "recording":  # the limit may just have been reached
                self._state = "paused"

    def resume(self) -> None:
        """Goes on behind what was recorded before. Idempotent."""
        if self._state == "paused":
            self._state = "recording"
            self._listen()

    def stop(self) -> asyncio.Future[RecordEnd]:
        """Ends the recording with what has arrived. Idempotent.

        The future is the same as `wait()`'s outcome; there is no need to await it.
        """
        if self._state == "new":
            raise Conflict("this recorder has not been started")
        self._finish("stopped")
        return asyncio.shield(self._end)

    async def wait(self) -> RecordEnd:
        """Waits until the file is complete and closed. Giving up the wait does not stop the recording."""
        return await asyncio.shield(self._end)

    @property
    def duration_s(self) -> float:
        """Recorded so far."""
        return (self._ordered_samples + self._aligner.ready_samples) / self._rate_hz

    # ---- from the ports to the disk

    def _listen(self) -> None:
        for channel, port in enumerate(self._ports):
            port.on_pcm(partial(self._hear, channel))

    def _deafen(self) -> None:
        for port in self._ports:
            port.on_pcm(None)

    def _hear(self, channel: int, pcm: bytes) -> None:
        if self._state != "recording":
            return
        self._aligner.feed(channel, pcm)
        if self._aligner.skewed and not self._checking:
            self._checking = True  # once the other ports have had their turn too
            asyncio.get_running_loop().call_soon(self._correct)
        ready = self._aligner.ready_samples
        if ready >= BLOCK_S * self._rate_hz or ready >= self._limit_samples - self._ordered_samples:
            self._write_ready()

    def _correct(self) -> None:
        self._checking = False
        if self._state == "recording":
            self._aligner.correct()

    def _write_ready(self) -> None:
        """Orders all complete frames to be written, as far as the limit allows."""
        frames = self._aligner.take(self._limit_samples - self._ordered_samples)
        if len(frames):
            self._ordered_samples += len(frames)
            job = self._lane.run(partial(self._disk.write, frames))
            job.add_done_callback(partial(self._wrote, len(frames)))
        if self._ordered_samples >= self._limit_samples:
            self._finish(self._limit_reason)
        elif self._ordered_samples - self._written_samples > BACKLOG_S * self._rate_hz:
            self._fail(f"{self._file}: the disk has not taken anything for {BACKLOG_S:.0f} s")
            self._report(_Written(self._written_samples))  # the disk may never come back

    def _wrote(self, samples: int, job: asyncio.Future[None]) -> None:
        self._written_samples += samples
        if error := job.exception():
            self._fail(_text(error))

    # ---- the end

    def _fail(self, error: str) -> None:
        self._error = self._error or error
        self._disk.give_up = True
        self._finish("failed")

    def _finish(self, reason: Reason) -> None:
        if self._state == "ending":
            return
        was_recording, self._state = self._state == "recording", "ending"
        self._reason = reason
        self._deafen()
        if was_recording and reason == "stopped":
            self._aligner.even_out()
            self._write_ready()
        self._lane.run(self._disk.close).add_done_callback(self._ended)

    def _ended(self, job: asyncio.Future[_Written]) -> None:
        error = job.exception()
        self._report(_Written(self._written_samples, error=_text(error)) if error else job.result())

    def _report(self, written: _Written) -> None:
        if self._end.done():
            return
        text = self._error or written.error
        size = HEADER_BYTES + written.samples * 2 * len(self._ports)
        reason: Reason = "failed" if text else self._reason
        end = RecordEnd(self._file, reason, written.samples / self._rate_hz, size, written.levels, text)
        self._end.set_result(end)
        if self._on_end is not None:
            asyncio.get_running_loop().call_soon(self._on_end, end)


def _text(error: BaseException) -> str:
    return str(error) if isinstance(error, MediaError) else f"{type(error).__name__}: {error}"


@dataclass(frozen=True, slots=True)
class _Written:
    """What is on disk: samples per channel, their levels where known, and what went wrong at the close."""

    samples: int
    levels: tuple[Level, ...] = ()
    error: str = ""


class _Disk:
    """The worker thread's side. The loop touches `give_up` (write no more) and `unwanted` (leave no file)."""

    def __init__(self, path: Path, rate_hz: int, channels: int, overwrite: bool) -> None:
        self._path = path
        self._rate_hz = rate_hz
        self._channels = channels
        self._overwrite = overwrite
        self._meter = LevelMeter(rate_hz, channels)
        self._wav: WavFile | None = None
        self.give_up = False
        self.unwanted = False

    def open(self) -> None:
        if not self.give_up:
            self._wav = WavFile(self._path, self._rate_hz, self._channels, overwrite=self._overwrite)

    def write(self, frames: NDArray[np.int16]) -> None:
        """`frames`: shape (n, channels)."""
        if self._wav is None or self.give_up:
            return
        self._wav.append(frames.astype("<i2").tobytes())
        self._meter.add(frames)

    def close(self) -> _Written:
        if self._wav is None:
            return _Written(0)
        if self.unwanted:
            self._wav.discard()
            return _Written(0)
        error = ""
        try:
            self._wav.close()
        except MediaError as failure:
            error = str(failure)
        return _Written(self._wav.frames, self._meter.levels(), error)
