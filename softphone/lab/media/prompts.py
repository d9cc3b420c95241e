"""What the services say: short phrases of notes, made in code. Each has notes of its own, for tests to tell them by."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from types import MappingProxyType

from softphone.lab.media.tone import RATE_HZ, tone

NOTE_MS = 160
PAUSE_MS = 60
BEEP_HZ = 1400
BEEP_MS = 400

# name -> the notes in Hz; the first one names the phrase
PHRASES: Mapping[str, tuple[int, ...]] = MappingProxyType(
    {
        "main menu": (440, 550, 660, 880),
        "departments": (880, 660, 550),
        "enter extension": (600, 750, 600),
        "invalid": (300, 250),
        "no input": (360, 360),
        "unavailable": (480, 400, 320),
        "goodbye": (700, 525, 350),
        "greeting": (520, 620, 780),
        "no messages": (410, 310),
        "message": (930, 930),
        "saved": (650, 980),
    }
)


@functools.cache
def phrase(name: str) -> tuple[int, ...]:
    """The samples of a phrase. Raises KeyError."""
    pause = (0,) * (RATE_HZ * PAUSE_MS // 1000)
    return tuple(sample for hz in PHRASES[name] for sample in (*tone(hz, NOTE_MS), *pause))


@functools.cache
def beep() -> tuple[int, ...]:
    """Speak after it."""
    return tone(BEEP_HZ, BEEP_MS)
