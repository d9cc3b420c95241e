"""Two voices on a mixer, and a recorder for them."""

from __future__ import annotations

import wave
from pathlib import Path

import numpy as np

from softphone.media.recorder import RecordEnd, Recorder
from tests.media.fakes import FRAME, RATE_HZ, FakeMixer, InlineExecutor, tone, turns


class Studio:
    """Two voices on a mixer, and a recorder for them."""

    def __init__(self, folder: Path) -> None:
        self.mixer = FakeMixer()
        self.file = folder / "call.wav"
        self.far, self.near = self.mixer.pcm("far"), self.mixer.pcm("near")
        self.them, self.us = self.mixer.pcm("them"), self.mixer.pcm("us")
        self.mixer.connect(self.far, self.them)
        self.mixer.connect(self.near, self.us)
        self.ends: list[RecordEnd] = []

    def mono(self, **options: object) -> Recorder:
        self.mixer.connect(self.near, self.them)
        return self._recorder([self.them], options)

    def stereo(self, **options: object) -> Recorder:
        return self._recorder([self.them, self.us], options)

    def _recorder(self, ports: list[object], options: dict[str, object]) -> Recorder:
        options = {"executor": InlineExecutor(), "on_end": self.ends.append, **options}
        return Recorder(ports, self.file, **options)  # type: ignore[arg-type]

    async def talk(self, seconds: float) -> None:
        """The far end says 440 Hz, we say 1000 Hz."""
        far, near = tone(seconds, level=0.25).tobytes(), tone(seconds, frequency_hz=1000, level=0.25).tobytes()
        for start in range(0, len(far), FRAME):
            self.far.write(far[start : start + FRAME])
            self.near.write(near[start : start + FRAME])
            self.mixer.tick()
            await turns(2)


def channels(path: Path) -> np.ndarray:
    with wave.open(str(path)) as reader:
        assert (reader.getframerate(), reader.getsampwidth()) == (RATE_HZ, 2)
        return np.frombuffer(reader.readframes(10**9), "<i2").reshape(-1, reader.getnchannels())
