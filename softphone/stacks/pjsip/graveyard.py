"""The objects of calls that are over, kept for some seconds more.

PJSIP's thread looks a call's object up and then waits for Python's lock to tell it something. If the loop drops the
object meanwhile, because the call has just ended, PJSIP is left with memory that is no longer its own, and the process
ends: a message that arrives while a call ends is enough. The wait takes milliseconds.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from typing import Any

KEPT_S = 5.0


class Graveyard:
    """`clock` tells seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._calls: deque[tuple[float, Any]] = deque()

    def bury(self, call: Any) -> None:
        """Keeps `call`, and drops those that have been here for KEPT_S."""
        now = self._clock()
        self._calls.append((now, call))
        while self._calls[0][0] <= now - KEPT_S:
            self._calls.popleft()

    def clear(self) -> None:
        """Drops all; PJSIP's threads must have stopped."""
        self._calls.clear()
