"""Tasks, timers and back-off. The only place that creates tasks: each has an owner, a name and an end."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable, Coroutine
from typing import Any

log = logging.getLogger(__name__)


class Tasks:
    """Owns background tasks. An owner closes its `Tasks` when it ends; nothing outlives it.

    A task that fails is logged once with its name and takes nothing else with it.
    """

    def __init__(self, owner: str) -> None:
        self._owner = owner
        self._tasks: set[asyncio.Task[Any]] = set()
        self._closed = False

    def spawn(self, work: Coroutine[Any, Any, Any], name: str) -> asyncio.Task[Any]:
        """Starts `work`. After `close` nothing starts any more: the coroutine is closed unrun."""
        if self._closed:
            work.close()
            raise RuntimeError(f"{self._owner} is closed: {name} cannot start")
        task = asyncio.get_running_loop().create_task(work, name=f"{self._owner}: {name}")
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            log.error("%s failed: %s", task.get_name(), error, exc_info=error)

    async def close(self) -> None:
        """Cancels what still runs and waits until all of it has ended."""
        self._closed = True
        current = asyncio.current_task()
        while tasks := [t for t in self._tasks if t is not current]:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
            await asyncio.sleep(0)  # lets the done callbacks run

    @property
    def closed(self) -> bool:
        return self._closed

    def __len__(self) -> int:
        return len(self._tasks)


class Timers:
    """Named one-shot timers of one owner. Setting a name again replaces its timer."""

    def __init__(self) -> None:
        self._handles: dict[str, asyncio.TimerHandle] = {}

    def set(self, name: str, delay_s: float, callback: Callable[[], None]) -> None:
        """`callback()` runs on the loop after `delay_s` seconds unless cancelled or set anew before."""
        self.cancel(name)
        loop = asyncio.get_running_loop()
        self._handles[name] = loop.call_later(delay_s, self._fire, name, callback)

    def _fire(self, name: str, callback: Callable[[], None]) -> None:
        del self._handles[name]
        callback()

    def cancel(self, name: str) -> None:
        if handle := self._handles.pop(name, None):
            handle.cancel()

    def close(self) -> None:
        for name in list(self._handles):
            self.cancel(name)

    def __contains__(self, name: str) -> bool:
        return name in self._handles


class Backoff:
    """Delays that double from `min_s` to `max_s`, each spread by ±`jitter` so that a fleet does not come in step."""

    def __init__(self, min_s: float, max_s: float, *, jitter: float = 0.25) -> None:
        self._min_s, self._max_s, self._jitter = min_s, max_s, jitter
        self._failures = 0

    def next_s(self) -> float:
        """The delay before the next try, in seconds."""
        base = min(self._max_s, self._min_s * 2.0 ** min(self._failures, 30))
        self._failures += 1
        return base * random.uniform(1 - self._jitter, 1 + self._jitter)

    def reset(self) -> None:
        self._failures = 0
