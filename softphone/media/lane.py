"""One owner's blocking calls, in a thread, one after the other.

Decoding and disk writes must not hold the event loop, must stay in order, and must never run twice at the same time
for one owner. A thread per player would do, but hundreds of calls should share a few threads: so each call is short and
goes to an executor, and this class keeps the order.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor
from typing import Any, TypeVar

T = TypeVar("T")


class Lane:
    """Runs functions in `executor` (None: the loop's own) strictly in the order of `run`."""

    def __init__(self, executor: Executor | None = None) -> None:
        self._executor = executor
        self._waiting: deque[tuple[Callable[[], Any], asyncio.Future[Any]]] = deque()
        self._busy = False

    def run(self, call: Callable[[], T]) -> asyncio.Future[T]:
        """Queues `call`; its outcome arrives in the future, on the loop.

        Giving up the future (cancel) gives up the outcome only: the call still runs, so a queued close always
        happens. Nobody needs to await the future.
        """
        answer: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._waiting.append((call, answer))
        if not self._busy:
            self._next()
        return answer

    def _next(self) -> None:
        self._busy = bool(self._waiting)
        if not self._busy:
            return
        call, answer = self._waiting.popleft()
        try:
            job = asyncio.get_running_loop().run_in_executor(self._executor, call)
        except RuntimeError as stopped:  # the executor has been shut down
            self._settle(answer, stopped, None)
            self._next()
            return
        job.add_done_callback(lambda done: self._finished(done, answer))

    def _finished(self, job: asyncio.Future[Any], answer: asyncio.Future[Any]) -> None:
        if job.cancelled():  # only when the executor was shut down before the call ran
            self._settle(answer, RuntimeError("the worker threads have been stopped"), None)
        else:
            error = job.exception()
            self._settle(answer, error, None if error else job.result())
        self._next()

    @staticmethod
    def _settle(answer: asyncio.Future[Any], error: BaseException | None, result: Any) -> None:
        if answer.done():
            return
        if error is None:
            answer.set_result(result)
        else:
            answer.set_exception(error)
            answer.exception()  # read once, so that an outcome nobody awaits is not reported as forgotten
