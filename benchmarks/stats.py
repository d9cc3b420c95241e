"""Figures from many measurements."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True, slots=True)
class Spread:
    """The middle of repeats, and how far they lie apart."""

    middle: float
    least: float
    most: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        return cls(median(values), min(values), max(values))


@dataclass(frozen=True, slots=True)
class Times:
    """Durations in milliseconds. With fewer than 100 of them p99 is the longest."""

    count: int
    p50_ms: float
    p99_ms: float
    least_ms: float

    @classmethod
    def of(cls, seconds: Sequence[float]) -> Times:
        ordered = sorted(seconds)
        rank = min(len(ordered) - 1, int(len(ordered) * 0.99))
        return cls(len(ordered), median(ordered) * 1000, ordered[rank] * 1000, ordered[0] * 1000)
