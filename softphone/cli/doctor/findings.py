"""What a check says, and how checks run side by side without one holding up the others."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Literal, TypeVar

State = Literal["ok", "warn", "fail", "info"]
T = TypeVar("T")

NETWORK_LIMIT_S = 5.0


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report. `cure` says what to do; empty where there is nothing to do."""

    area: str
    title: str
    state: State
    text: str
    cure: str = ""


@dataclass(frozen=True, slots=True)
class Area:
    """Makes the findings of one area."""

    name: str

    def ok(self, title: str, text: str) -> Finding:
        return Finding(self.name, title, "ok", text)

    def info(self, title: str, text: str) -> Finding:
        """Neither good nor bad."""
        return Finding(self.name, title, "info", text)

    def warn(self, title: str, text: str, cure: str) -> Finding:
        """It works, but not for long, or not for all."""
        return Finding(self.name, title, "warn", text, cure)

    def fail(self, title: str, text: str, cure: str) -> Finding:
        """The phone does not work because of it."""
        return Finding(self.name, title, "fail", text, cure)


def side_by_side(jobs: Sequence[Callable[[], T]], *, limit_s: float, late: Callable[[int], T]) -> Iterable[T]:
    """The results in the order of the jobs; `late(index)` stands for one that takes longer than `limit_s` seconds.

    Each job has a thread of its own that dies with the process: a name server that never answers holds nothing up.
    """
    queues: list[SimpleQueue[T]] = []
    for index, job in enumerate(jobs):
        queue: SimpleQueue[T] = SimpleQueue()
        queues.append(queue)
        threading.Thread(
            target=lambda job=job, queue=queue: queue.put(job()), name=f"check {index}", daemon=True
        ).start()
    for index, queue in enumerate(queues):
        try:
            yield queue.get(timeout=limit_s)
        except Empty:
            yield late(index)
