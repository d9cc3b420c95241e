"""What one run of the benchmark measures: the whole, or a quick look."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.latency import Amounts
from benchmarks.phones import DEFAULT_OPUS, DEFAULT_PCMU, MANY, PLAYING, SAME, UNTOLD_PCMU, Settings


@dataclass(frozen=True, slots=True)
class Comparison:
    """One table: settings, numbers of calls, and the ratio of processor time aimed at (None: for information).

    `apart`: the phones run one after the other.
    """

    settings: Settings
    counts: Sequence[int]
    aim: float | None = None
    apart: bool = False


@dataclass(frozen=True, slots=True)
class Crowds:
    """How many accounts register, and how many calls are set up in one go; each phone so many times.

    `fleet`: how many extensions are pulled from the PBX's API and registered.
    """

    accounts: int
    calls: int
    repeats: int
    fleet: int


@dataclass(frozen=True, slots=True)
class Plan:
    """`rounds` of each comparison, with windows of `window_s` seconds."""

    comparisons: Sequence[Comparison]
    rounds: int
    window_s: float
    amounts: Amounts
    crowds: Crowds


FULL = Plan(
    comparisons=(
        Comparison(SAME, (1, 10, 50, 100), aim=1.05),
        Comparison(DEFAULT_PCMU, (50,), aim=0.6),
        Comparison(DEFAULT_OPUS, (25,), aim=0.4),
        Comparison(UNTOLD_PCMU, (50,)),
        Comparison(PLAYING, (50,)),
        Comparison(MANY, (200, 500), apart=True),
    ),
    rounds=3,
    window_s=4.0,
    amounts=Amounts(requests=500, calls=60, churned=400, idle_s=10.0, starts=5),
    crowds=Crowds(accounts=1000, calls=200, repeats=3, fleet=1000),
)

QUICK = Plan(
    comparisons=(
        Comparison(SAME, (1, 50), aim=1.05),
        Comparison(DEFAULT_PCMU, (30,), aim=0.6),
        Comparison(DEFAULT_OPUS, (15,), aim=0.4),
    ),
    rounds=1,
    window_s=2.0,
    amounts=Amounts(requests=100, calls=15, churned=100, idle_s=3.0, starts=2),
    crowds=Crowds(accounts=100, calls=50, repeats=1, fleet=200),
)

IDLE_AIM_PERCENT = 1.0
HELP_AIM_MS = 300.0
