"""Which callbacks hold the event loop, and for how long: by the clock, less what others took of the processor."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

ASKED_FROM_S = 0.005


@dataclass
class Held:
    """`longest_s` of all callbacks, and every one that held the loop for more than the limit."""

    limit_s: float
    longest_s: float = 0.0
    count: int = 0
    late: list[str] = field(default_factory=list)


@contextmanager
def watched(limit_s: float = 0.05) -> Iterator[Held]:
    """Measures every callback of the loop in this thread until the end of the block."""
    held = Held(limit_s)
    original = asyncio.events.Handle._run
    queue = os.open("/proc/thread-self/schedstat", os.O_RDONLY)

    def waited_s() -> float:
        """For how long this thread has been ready without a processor (proc(5))."""
        return int(os.pread(queue, 200, 0).split()[1]) / 1e9

    def timed(handle: asyncio.Handle) -> None:
        before_s, began_s = waited_s(), time.perf_counter()
        original(handle)
        took_s = time.perf_counter() - began_s
        if took_s > ASKED_FROM_S:
            took_s -= waited_s() - before_s
        held.count += 1
        held.longest_s = max(held.longest_s, took_s)
        if took_s > limit_s:
            held.late.append(f"{took_s * 1000:.0f} ms: {handle!r}")

    asyncio.events.Handle._run = timed  # type: ignore[method-assign]
    try:
        yield held
    finally:
        asyncio.events.Handle._run = original  # type: ignore[method-assign]
        os.close(queue)
