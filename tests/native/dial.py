"""Dialled digits by arithmetic, in every way that ITU-T Q.24 speaks of, and the detector in one call."""

from __future__ import annotations

import numpy as np
import pjsua2 as pj
from numpy.typing import NDArray

from softphone.media.dtmf import DIGITS, FREQUENCIES_HZ

Sound = NDArray[np.float64]

FULL = 22827.0
"""The amplitude of a tone of 0 dBm0: full scale is 3.14 dBm0 (ITU-T G.711)."""


def tone(
    digit: str,
    ms: float,
    *,
    rate_hz: int = 8000,
    low_dbm0: float = -10,
    high_dbm0: float = -10,
    low_off: float = 0,
    high_off: float = 0,
    phase: float = 0,
) -> Sound:
    """One digit; `*_off`: how far a frequency is off, as a fraction."""
    times_s = np.arange(round(ms * rate_hz / 1000)) / rate_hz
    low_hz, high_hz = FREQUENCIES_HZ[digit]
    low = np.sin(2 * np.pi * low_hz * (1 + low_off) * times_s + phase)
    high = np.sin(2 * np.pi * high_hz * (1 + high_off) * times_s + 2 * phase)
    return FULL * (10 ** (low_dbm0 / 20) * low + 10 ** (high_dbm0 / 20) * high)


def silence(ms: float, rate_hz: int = 8000) -> Sound:
    return np.zeros(round(ms * rate_hz / 1000))


def pcm(sound: Sound) -> bytes:
    """16 bit; what is too loud is clipped, as a codec does."""
    return np.rint(np.clip(sound, -32768, 32767)).astype(np.int16).tobytes()


def detect(sound: Sound, rate_hz: int = 8000) -> list[tuple[str, int, int]]:
    """(digit, start ms, duration ms) of all that the detector hears."""
    detector = pj.DigitDetector(rate_hz)
    heard: list[tuple[str, int, int]] = []
    data = pcm(sound)
    for place in range(0, len(data), rate_hz * 2):  # a second at a time: its queue is for that much
        detector.feedPcm(data[place : place + rate_hz * 2])
        heard += detector.digits()
    return heard


def dialled(
    ms: float = 40, gap_ms: float = 60, *, noise_db: float | None = None, rate_hz: int = 8000, **how: float
) -> Sound:
    """All sixteen digits five times over, each with another phase and another place between the detector's blocks."""
    random = np.random.default_rng(24)
    parts = [silence(60, rate_hz)]
    for turn in range(5):
        for digit in DIGITS:
            parts += [tone(digit, ms, rate_hz=rate_hz, phase=turn + 1.7, **how)]
            parts += [silence(gap_ms + 5 * random.random(), rate_hz)]
    sound = np.concatenate([*parts, silence(100, rate_hz)])
    if noise_db is not None:
        power = (FULL * 10 ** (how.get("low_dbm0", -10) / 20)) ** 2
        sound = sound + random.normal(0, np.sqrt(power / 10 ** (noise_db / 10)), len(sound))
    return sound


ALL = DIGITS * 5
"""The digits of `dialled`."""
