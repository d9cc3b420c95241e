"""How often somebody may come: token buckets, one for each address, for a bounded number of addresses."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable

MOST_ADDRESSES = 10_000


class Buckets:
    """per_s: how many are let in each second, on average. burst: how many at once.

    Beyond MOST_ADDRESSES the one that was away longest is forgotten, which lets it in anew.
    """

    def __init__(self, per_s: float, burst: float, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_s, self._burst, self._clock = per_s, burst, clock
        self._levels: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, address: str) -> float:
        """0: let in. Else in how many seconds it is worth another try."""
        now_s = self._clock()
        level, since_s = self._levels.get(address, (self._burst, now_s))
        level = min(self._burst, level + (now_s - since_s) * self._per_s)
        let_in = level >= 1
        self._levels[address] = (level - 1 if let_in else level, now_s)
        self._levels.move_to_end(address)
        if len(self._levels) > MOST_ADDRESSES:
            self._levels.popitem(last=False)
        return 0.0 if let_in else (1 - level) / self._per_s

    def empty(self, address: str) -> bool:
        """Whether `take` would refuse now."""
        level, since_s = self._levels.get(address, (self._burst, 0.0))
        return level + (self._clock() - since_s) * self._per_s < 1
