"""The one bus: every event passes here once, gets its id and time, and goes to whoever subscribed.

Publishing never waits and never fails. A subscriber that falls behind loses its own subscription and nothing else; the
history lets it come back and read on from where it was.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from softphone.errors import SoftphoneError
from softphone.events import Event, encode

log = logging.getLogger(__name__)


class SubscriberTooSlow(SoftphoneError):
    """The subscriber did not read in time; its subscription is closed."""


@dataclass(frozen=True, slots=True)
class Record:
    """An event with its place in history. `seq` counts from 1; `time_s` is Unix time."""

    boot: str
    seq: int
    time_s: float
    event: Event

    @property
    def id(self) -> str:
        """Unique over restarts: `<boot>-<seq>`."""
        return f"{self.boot}-{self.seq}"

    def as_dict(self) -> dict[str, Any]:
        """What every outlet sends: id, time (ISO 8601, UTC, milliseconds), type and the event's own fields."""
        when = datetime.fromtimestamp(self.time_s, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        return {"id": self.id, "time": when} | encode(self.event)


class Subscription:
    """A bounded queue of records for one reader. Iterate over it; close it when done (or use `with`)."""

    def __init__(self, bus: Bus, wanted: Callable[[Event], bool], limit: int) -> None:
        self._bus, self._wanted, self._limit = bus, wanted, limit
        self._queue: deque[Record] = deque()
        self._ready = asyncio.Event()
        self._too_slow = False
        self._closed = False

    def offer(self, record: Record) -> None:
        """The bus calls this. Never blocks."""
        if self._closed or not self._wanted(record.event):
            return
        if len(self._queue) >= self._limit:
            self._too_slow = True
            self.close()
            return
        self._queue.append(record)
        self._ready.set()

    @property
    def waiting(self) -> int:
        """How many records are queued."""
        return len(self._queue)

    async def get(self) -> Record:
        """The next record. Raises SubscriberTooSlow, or StopAsyncIteration after `close`."""
        while not self._queue:
            if self._too_slow:
                raise SubscriberTooSlow(f"more than {self._limit} events were waiting to be read")
            if self._closed:
                raise StopAsyncIteration
            self._ready.clear()
            await self._ready.wait()
        return self._queue.popleft()

    def __aiter__(self) -> AsyncIterator[Record]:
        return self

    async def __anext__(self) -> Record:
        return await self.get()

    def close(self) -> None:
        """What is queued may still be read, then the iteration ends."""
        self._closed = True
        self._bus.forget(self)
        self._ready.set()

    def __enter__(self) -> Subscription:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Bus:
    """Belongs to the event loop's thread."""

    def __init__(self, *, history: int = 10_000) -> None:
        self.boot = f"{int(time.time() * 1000):x}"
        self._seq = 0
        self._history: deque[Record] = deque(maxlen=history)
        self._subscriptions: list[Subscription] = []
        self._listeners: list[Callable[[Record], None]] = []

    @property
    def last_id(self) -> str:
        """The id of the last event; `<boot>-0` before the first. Whoever subscribes after it misses nothing."""
        return f"{self.boot}-{self._seq}"

    def publish(self, event: Event) -> Record:
        """Gives the event its id and hands it on, in order, to all that subscribed."""
        self._seq += 1
        record = Record(self.boot, self._seq, time.time(), event)
        if event.kept:
            self._history.append(record)
        for subscription in list(self._subscriptions):
            subscription.offer(record)
        for listener in list(self._listeners):
            try:
                listener(record)
            except Exception:  # a listener's fault must not reach the phone
                log.exception("a listener failed on %s", event.type)
        return record

    def listen(self, listener: Callable[[Record], None]) -> Callable[[], None]:
        """`listener(record)` runs at each event, in the loop; it must be quick. Returns what ends it."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener) if listener in self._listeners else None

    def subscribe(
        self,
        types: Iterable[str] = (),
        *,
        after: str | None = None,
        limit: int = 1000,
        call: str | None = None,
    ) -> Subscription:
        """A queue of events from now on.

        types: wire names or prefixes (`call`, `call.ended`); none means all.
        after: an event id: what came after it is delivered first, as far as the history reaches. An id of an
            earlier run delivers the whole history (compare `Record.boot` to see the gap).
        limit: how many may wait before the subscription is closed as too slow (the replay does not count).
        call: only events of this call.
        """
        prefixes = tuple(types)

        def wanted(event: Event) -> bool:
            if call is not None and getattr(event, "call", None) != call:
                return False
            return not prefixes or any(event.type == p or event.type.startswith(p + ".") for p in prefixes)

        replay = [r for r in self._replay(after) if wanted(r.event)] if after is not None else []
        subscription = Subscription(self, wanted, limit + len(replay))
        for record in replay:
            subscription.offer(record)
        self._subscriptions.append(subscription)
        return subscription

    def _replay(self, after: str) -> list[Record]:
        boot, _, seq = after.rpartition("-")
        if boot != self.boot or not seq.isdigit():
            return list(self._history)
        return [r for r in self._history if r.seq > int(seq)]

    def gap(self, after: str) -> bool:
        """Whether events after id `after` are lost: it is of an earlier run, or the history no longer reaches it."""
        boot, _, seq = after.rpartition("-")
        oldest = self._history[0].seq if self._history else self._seq + 1
        return boot != self.boot or not seq.isdigit() or int(seq) + 1 < oldest

    def forget(self, subscription: Subscription) -> None:
        if subscription in self._subscriptions:
            self._subscriptions.remove(subscription)
