"""A mixer that moves only when told to, and sound files made on the spot."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Coroutine
from concurrent.futures import Executor, Future
from pathlib import Path
from typing import Any, TypeVar

import av
import numpy as np

from softphone.media.ports import PcmPort, Port

RATE_HZ = 16_000
FRAME = RATE_HZ // 50 * 2  # bytes in 20 ms

T = TypeVar("T")


class FakePort:
    """A place on the mixer without sound of its own."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return self.name


class FakePcmPort:
    """As the real one: bounded queues, low mark and drain told once per crossing, zeros while nothing is connected."""

    def __init__(self, name: str, rate_hz: int, capacity: int, low_water: int) -> None:
        self.name = name
        self.rate_hz = rate_hz
        self.capacity = capacity
        self.low_water = low_water
        self.queue = bytearray()
        self.closed = False
        self.gaps = 0  # frames that the mixer wanted while the program was still playing
        self.low: Callable[[], None] | None = None
        self.drained: Callable[[], None] | None = None
        self.pcm: Callable[[bytes], None] | None = None
        self.held: list[bytes] = []  # sound not yet delivered, see `hold`
        self.hold = False

    def write(self, pcm: bytes) -> int:
        taken = min(len(pcm), self.writable())
        self.queue += pcm[:taken]
        return taken

    def writable(self) -> int:
        return self.capacity - len(self.queue)

    def flush(self) -> None:
        self.queue.clear()

    def on_low(self, callback: Callable[[], None] | None) -> None:
        self.low = callback

    def on_drained(self, callback: Callable[[], None] | None) -> None:
        self.drained = callback

    def on_pcm(self, callback: Callable[[bytes], None] | None) -> None:
        self.pcm = callback

    def close(self) -> None:
        self.closed = True
        self.low = self.drained = self.pcm = None

    def take_frame(self) -> tuple[bytes, list[Callable[[], None]]]:
        """One frame for the mixer, and what has to be told about it."""
        frame = bytes(self.queue[:FRAME])
        before = len(self.queue)
        del self.queue[:FRAME]
        told: list[Callable[[], None]] = []
        if len(self.queue) < self.low_water <= before and self.low:
            told.append(self.low)
        if before and not self.queue and self.drained:
            told.append(self.drained)
            self.drained = None
        if self.low and len(frame) < FRAME:
            self.gaps += 1
        return frame.ljust(FRAME, b"\0"), told

    def deliver(self, pcm: bytes) -> None:
        if self.pcm is None:
            return
        self.held.append(pcm)
        if self.hold:
            return
        data, self.held = b"".join(self.held), []
        self.pcm(data)


class FakeMixer:
    """`tick(n)` moves n frames of 20 ms along the connections and runs the callbacks, all in the caller's thread."""

    def __init__(self, rate_hz: int = RATE_HZ) -> None:
        self.rate_hz = rate_hz
        self.edges: set[tuple[Port, Port]] = set()
        self.calls: list[str] = []
        self.gains: dict[tuple[Port, Port], float] = {}
        self.pcm_ports: list[FakePcmPort] = []
        self.refuse: set[Port] = set()

    def open_pcm(self, name: str, *, queue_ms: int = 1000, low_water_ms: int = 300) -> PcmPort:
        per_ms = self.rate_hz * 2 // 1000
        port = FakePcmPort(name, self.rate_hz, queue_ms * per_ms, low_water_ms * per_ms)
        self.pcm_ports.append(port)
        return port

    def pcm(self, name: str = "pcm") -> FakePcmPort:
        port = self.open_pcm(name)
        assert isinstance(port, FakePcmPort)
        return port

    def connect(self, source: Port, sink: Port) -> None:
        if source in self.refuse or sink in self.refuse:
            raise RuntimeError("no such slot")
        self.calls.append(f"+{source.name}>{sink.name}")
        self.edges.add((source, sink))

    def disconnect(self, source: Port, sink: Port) -> None:
        self.calls.append(f"-{source.name}>{sink.name}")
        self.edges.discard((source, sink))
        self.gains.pop((source, sink), None)

    def set_gain(self, source: Port, sink: Port, gain_db: float) -> None:
        assert (source, sink) in self.edges
        self.gains[source, sink] = gain_db

    def tick(self, frames: int = 1) -> None:
        for _ in range(frames):
            self._one_frame()

    def _one_frame(self) -> None:
        ports = [port for port in self.pcm_ports if not port.closed]
        told: list[Callable[[], None]] = []
        sound: dict[Port, np.ndarray] = {}
        for port in ports:
            frame, callbacks = port.take_frame()
            sound[port] = np.frombuffer(frame, np.int16).astype(np.int32)
            told += callbacks
        for port in ports:
            total = sum((sound[a] for a, b in self.edges if b is port and a in sound), np.zeros(FRAME // 2, np.int32))
            port.deliver(np.clip(total, -32768, 32767).astype(np.int16).tobytes())
        for callback in told:
            callback()


class InlineExecutor(Executor):
    """Runs what it is given at once, in the caller's thread: no waiting in tests that are not about threads."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except BaseException as error:
            future.set_exception(error)
        return future


async def turns(count: int = 12) -> None:
    """Lets the loop go round, so that finished jobs arrive."""
    for _ in range(count):
        await asyncio.sleep(0)


async def until(condition: Callable[[], bool], deadline_s: float = 10) -> None:
    """Waits for something that a real thread brings about."""
    async with asyncio.timeout(deadline_s):
        while not condition():  # noqa: ASYNC110 - a worker thread cannot set an asyncio event
            await asyncio.sleep(0.001)


async def play_out(mixer: FakeMixer, over: Callable[[], bool], limit_frames: int = 50_000) -> int:
    """Ticks, with the loop going round after every frame, until `over()`; returns how many frames that took."""
    for frames in range(limit_frames):
        if over():
            return frames
        mixer.tick()
        await turns(4)
    raise AssertionError(f"not over after {limit_frames} frames")


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(asyncio.wait_for(coroutine, 60))


def open_files(folder: Path) -> list[str]:
    """Which files of `folder` this process holds open."""
    found = []
    for entry in os.listdir("/proc/self/fd"):
        try:
            target = os.readlink(f"/proc/self/fd/{entry}")
        except FileNotFoundError:
            continue
        if target.startswith(str(folder)):
            found.append(target)
    return found


def tone(duration_s: float, rate_hz: int = RATE_HZ, frequency_hz: float = 440.0, level: float = 0.5) -> np.ndarray:
    places = np.arange(round(duration_s * rate_hz))
    return np.asarray(np.sin(2 * np.pi * frequency_hz * places / rate_hz) * level * 32767, np.int16)


def loudest_hz(pcm: bytes, rate_hz: int = RATE_HZ) -> float:
    """The frequency that a listener would name."""
    samples = np.frombuffer(pcm, np.int16).astype(np.float64)
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return float(np.argmax(spectrum) * rate_hz / len(samples))


def write_sound(
    path: Path,
    samples: np.ndarray,
    *,
    codec: str = "pcm_s16le",
    rate_hz: int = 44_100,
    layout: str = "mono",
    container_format: str | None = None,
) -> Path:
    """Encodes mono int16 `samples` (copied to every channel) by FFmpeg into whatever `path` and `codec` say."""
    with av.open(str(path), "w", format=container_format) as container:
        stream = container.add_stream(codec, rate=rate_hz, layout=layout, options={"strict": "experimental"})
        channels = len(av.AudioLayout(layout).channels)
        frame = av.AudioFrame.from_ndarray(
            np.repeat(samples, channels).reshape(1, -1).astype(np.int16), format="s16", layout=layout
        )
        frame.sample_rate = rate_hz
        fifo = av.AudioFifo()
        resampler = av.AudioResampler(format=stream.format, layout=layout, rate=rate_hz)
        for out in (*resampler.resample(frame), *resampler.resample(None)):
            out.pts = None
            fifo.write(out)
        size = stream.codec_context.frame_size or 1024
        while piece := fifo.read(size, partial=True):
            container.mux(stream.encode(piece))
        container.mux(stream.encode(None))
    return path
