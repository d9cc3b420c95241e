"""What the demo's phone says: a tune that no part of the tune resembles, so that an echo can be found to the sample."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from softphone.testing.audio import Sound

RATE_HZ = 16_000
NOTE_S = 0.26
LEVEL = 0.4

# Semitones above A4; each note glides up or down a little, as a voice does
_TUNE = (0, 4, 7, 12, 9, 5, 2, -1, 3, 8)
_GLIDES = (1.5, -1.0, 2.0, -2.5, 1.0, -1.5, 2.5, -0.5, 3.0, -3.0)


def prompt() -> Sound:
    """About three seconds. All of it lies below 3.4 kHz: every codec of a phone carries it."""
    notes = [_note(semitone, glide) for semitone, glide in zip(_TUNE, _GLIDES, strict=True)]
    samples = np.concatenate(notes)
    return Sound(LEVEL * samples / np.abs(samples).max(), RATE_HZ)


def _note(semitone: float, glide: float) -> NDArray[np.float64]:
    count = round(NOTE_S * RATE_HZ)
    pitch_hz = 440 * 2 ** ((semitone + np.linspace(0, glide, count)) / 12)
    phase = 2 * math.pi * np.cumsum(pitch_hz) / RATE_HZ
    voice = np.sin(phase) + 0.5 * np.sin(2 * phase) + 0.25 * np.sin(3 * phase)
    return np.asarray(voice * np.sin(math.pi * np.arange(count) / count) ** 0.5)
