"""Sounds that need no file: tones and a little melody, as 16-bit samples at 8000 Hz."""

from __future__ import annotations

import functools
import math

RATE_HZ = 8000
LEVEL = 8000  # peak of 32767: about -12 dBFS, loud and far from clipping

# 1004 Hz is the telephone engineers' test tone: 1000 Hz would hit the same few samples for ever.
TONE_HZ = 1004
MELODY_HZ = (523, 659, 784, 1047)  # C E G C
NOTE_MS = 200
RINGBACK_HZ = 425


@functools.cache
def tone(frequency_hz: int, duration_ms: int) -> tuple[int, ...]:
    """A sine. One whole second of a whole number of Hz can be repeated without a click."""
    step = 2 * math.pi * frequency_hz / RATE_HZ
    return tuple(round(LEVEL * math.sin(step * n)) for n in range(RATE_HZ * duration_ms // 1000))


@functools.cache
def ringback() -> tuple[int, ...]:
    """What a caller hears while it rings: 425 Hz for one second, four seconds of silence (ITU-T E.180)."""
    return (*tone(RINGBACK_HZ, 1000), *([0] * 4 * RATE_HZ))


@functools.cache
def melody() -> tuple[int, ...]:
    """The announcement: four rising notes, 0.8 s."""
    return tuple(sample for frequency_hz in MELODY_HZ for sample in tone(frequency_hz, NOTE_MS))
