"""Threads that PJSIP knows, for work that may block: a sound system that hangs must not hang the event loop."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from queue import SimpleQueue
from typing import Any, TypeVar

T = TypeVar("T")

_Job = tuple[Callable[[], Any], "Future[Any]"]


class Helpers:
    """Runs work on idle threads, and on one thread more where none is idle.

    `enrol()` runs first on each thread. A thread that hangs costs that thread: it is left behind at `close`, and does
    not keep the process alive.
    """

    def __init__(self, name: str, enrol: Callable[[], None]) -> None:
        self._name, self._enrol = name, enrol
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._lock = threading.Lock()
        self._idle = self._threads = 0

    def run(self, work: Callable[[], T]) -> Future[T]:
        """Starts work at once. Its outcome, or its error, is the future's."""
        future: Future[T] = Future()
        with self._lock:
            if self._idle:
                self._idle -= 1
            else:
                self._threads += 1
                threading.Thread(target=self._serve, name=f"{self._name} {self._threads}", daemon=True).start()
        self._jobs.put((work, future))
        return future

    def _serve(self) -> None:
        self._enrol()
        while (job := self._jobs.get()) is not None:
            self._do(*job)
            del job  # while it waits, a thread keeps nothing alive

    def _do(self, work: Callable[[], Any], future: Future[Any]) -> None:
        if not future.set_running_or_notify_cancel():
            self._rest()
            return
        try:
            result = work()
        except Exception as error:  # it belongs to whoever asked
            self._rest()
            future.set_exception(error)
        else:
            self._rest()
            future.set_result(result)

    def _rest(self) -> None:
        """Before the outcome is told, so that whoever waited for it finds this thread idle."""
        with self._lock:
            self._idle += 1

    def close(self) -> None:
        """Ends the threads, each as soon as it is idle. Does not wait."""
        for _ in range(self._threads):
            self._jobs.put(None)
