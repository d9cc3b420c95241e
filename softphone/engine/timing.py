"""Timers as the pure state machines see them: asked for by actions, heard of by an input."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class StartTimer:
    """Action: `TimerFired(name)` is due in `delay_s` seconds. A timer of that name that runs is replaced."""

    name: str
    delay_s: float


@dataclass(frozen=True, slots=True)
class StopTimer:
    """Action: the timer of that name, if it runs, will not fire."""

    name: str


@dataclass(frozen=True, slots=True)
class TimerFired:
    """Input: the timer of that name has run out."""

    name: str
