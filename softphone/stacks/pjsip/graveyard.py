"""The objects of calls that are over, kept for some seconds more.

PJSIP's thread looks a call's object up and then waits for Python's lock to tell it something. If the loop drops the
object meanwhile, because the call has just ended, PJSIP is left with memory that is no longer its own, and the process
ends: a message that arrives while a call ends is enough. The wait takes milliseconds.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any

KEPT_S = 5.0


class Graveyard:
    """Belongs to the event loop's thread."""

    def __init__(self) -> None:
        self._calls: deque[tuple[asyncio.TimerHandle, Any]] = deque()

    def bury(self, call: Any) -> None:
        """Keeps `call` for KEPT_S."""
        timer = asyncio.get_running_loop().call_later(KEPT_S, self._drop_first)
        self._calls.append((timer, call))

    def _drop_first(self) -> None:
        self._calls.popleft()  # all stay equally long, so the first to come is the first to go

    def clear(self) -> None:
        """Drops all; PJSIP's threads must have stopped."""
        for timer, _ in self._calls:
            timer.cancel()
        self._calls.clear()
