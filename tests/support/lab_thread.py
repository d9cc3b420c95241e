"""The lab on a thread of its own, for clients that block."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import TypeVar

from softphone.lab import Lab, LabOptions

LIMIT_S = 20.0
T = TypeVar("T")


class LabThread:
    """What a test may do to it from outside."""

    def __init__(self, lab: Lab, loop: asyncio.AbstractEventLoop) -> None:
        self.lab = lab
        self._loop = loop

    def ask(self, question: Callable[[Lab], T]) -> T:
        """Runs `question` where the lab runs."""

        async def now() -> T:
            return question(self.lab)

        return asyncio.run_coroutine_threadsafe(now(), self._loop).result(LIMIT_S)


@contextmanager
def lab_thread(options: LabOptions | None = None) -> Iterator[LabThread]:
    """A running lab."""
    up: Future[LabThread] = Future()
    over = threading.Event()

    async def live() -> None:
        try:
            async with Lab(options) as lab:
                up.set_result(LabThread(lab, asyncio.get_running_loop()))
                await asyncio.to_thread(over.wait)
        except Exception as error:
            if up.done():
                raise
            up.set_exception(error)

    thread = threading.Thread(target=lambda: asyncio.run(live()), name="lab", daemon=True)
    thread.start()
    try:
        yield up.result(LIMIT_S)
    finally:
        over.set()
        thread.join(LIMIT_S)
