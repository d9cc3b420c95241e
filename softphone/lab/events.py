"""What happened in the lab, in order, to be looked at or waited for."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from softphone.errors import UsageError

MAX_KEPT = 50_000

NAMES = {
    "registered": "extension, domain, contact, transport, expires_s, source, refresh",
    "unregistered": "extension, domain, contact, cause (request, expired, connection, removed)",
    "registration_failed": "extension, domain, code, cause",
    "call_started": "call, domain, caller, callee, origin (phone, pbx, click_to_call)",
    "call_ringing": "call, domain, callee, early (whether sound came with it)",
    "leg_answered": "call, domain, number: an end has picked up that the PBX calls, the first of two or one more",
    "call_answered": "call, domain, caller, callee, srtp",
    "call_held": "call, domain, by (caller, callee)",
    "call_resumed": "call, domain, by (caller, callee)",
    "call_transferred": "call, domain, to, by (caller, callee), how (blind, attended)",
    "call_ended": "call, domain, caller, callee, cause, code, by (caller, callee, pbx), rtp_received",
    "media_failed": "call, domain, why: DTLS brought no keys",
    "menu": "call, domain, menu, digits, result (what the voice menu made of them)",
    "voicemail_recording": "call, domain, extension: the beep is over",
    "voicemail_left": "call, domain, extension, caller, duration_s, ended_by (#, silence, limit, hang up)",
    "digit": "call, digit, duration_ms, how (rfc4733, info)",
    "digits": "call, digits (what the read-back service collected)",
    "request": "call, method, by: a request inside a call (INVITE, UPDATE, INFO ...)",
    "connection_opened": "transport, source",
    "connection_closed": "transport, source",
    "garbage": "transport, source, why",
    "api_request": "method, path, query, status, part",
    "line_ordered": "domain, order, options",
    "extension_added": "domain, extension, order",
    "did_ordered": "domain, order, country, location",
    "did_accepted": "domain, order, number, extension",
    "live_opened": "domain, extensions",
    "live_refused": "code, cause",
    "live_closed": "domain, extensions, cause",
    "live_strange_frame": "domain, text",
    "webhook_sent": "domain, event, call, attempt, status",
    "webhook_failed": "domain, event, call, attempt, cause, again (whether it is tried once more)",
}


@dataclass(frozen=True)
class LabEvent:
    """One thing that happened: `sequence` counts from 1, `at` is seconds since the epoch, `data` see NAMES."""

    sequence: int
    name: str
    at: float = field(compare=False)
    data: dict[str, Any]

    def __getitem__(self, key: str) -> Any:
        return self.data[key]

    def matches(self, name: str, wanted: dict[str, Any]) -> bool:
        """Whether this is an event of that name that has all the wanted data."""
        return self.name == name and all(self.data.get(key) == value for key, value in wanted.items())


class EventLog:
    """The list of events. Bounded: the oldest of 50,000 goes first."""

    def __init__(self) -> None:
        self._events: deque[LabEvent] = deque(maxlen=MAX_KEPT)
        self._listeners: set[Callable[[LabEvent], None]] = set()
        self._sequence = 0

    def __iter__(self) -> Iterator[LabEvent]:
        return iter(tuple(self._events))

    def __len__(self) -> int:
        return len(self._events)

    @property
    def position(self) -> int:
        """The sequence number of the last event: pass it as `since` to wait for what comes after now."""
        return self._sequence

    def emit(self, name: str, **data: Any) -> None:
        """Note that something happened."""
        self._sequence += 1
        event = LabEvent(self._sequence, name, time.time(), data)
        self._events.append(event)
        for listener in tuple(self._listeners):
            listener(event)

    def find(self, name: str, *, since: int = 0, **wanted: Any) -> list[LabEvent]:
        """All events of that name and data after `since`."""
        return [event for event in self._events if event.sequence > since and event.matches(name, wanted)]

    async def wait_for(
        self, name: str, *, timeout_s: float = 5.0, count: int = 1, since: int = 0, **wanted: Any
    ) -> LabEvent:
        """Wait until `count` matching events have happened (past ones count too) and return the last of them.

        Raises TimeoutError that tells what happened instead, UsageError for a name that no event has.
        """
        if name not in NAMES:
            raise UsageError(f"the lab has no event {name!r}; it has {', '.join(NAMES)}")
        found = self.find(name, since=since, **wanted)
        arrived = asyncio.Event()

        def look(event: LabEvent) -> None:
            if event.matches(name, wanted):
                found.append(event)
                arrived.set()

        with self._listening(look):
            try:
                async with asyncio.timeout(timeout_s):
                    while len(found) < count:
                        arrived.clear()
                        await arrived.wait()
            except TimeoutError:
                raise TimeoutError(self._not_seen(name, count, since, wanted)) from None
        return found[count - 1]

    def listen(self, listener: Callable[[LabEvent], None]) -> Callable[[], None]:
        """Call `listener` with every event from now on; returns what ends that. It must not raise, nor wait."""
        self._listeners.add(listener)

        def stop() -> None:
            self._listeners.discard(listener)

        return stop

    async def follow(self) -> AsyncIterator[LabEvent]:
        """Every event from now on."""
        queue: asyncio.Queue[LabEvent] = asyncio.Queue()
        with self._listening(queue.put_nowait):
            while True:
                yield await queue.get()

    def _listening(self, listener: Callable[[LabEvent], None]) -> _Listening:
        return _Listening(self._listeners, listener)

    def _not_seen(self, name: str, count: int, since: int, wanted: dict[str, Any]) -> str:
        last = [f"{event.name} {event.data}" for event in self._events if event.sequence > since][-8:]
        return f"{count} x {name} {wanted} not seen; the last events were: " + ("; ".join(last) or "none")


class _Listening:
    def __init__(self, listeners: set[Callable[[LabEvent], None]], listener: Callable[[LabEvent], None]) -> None:
        self._listeners = listeners
        self._listener = listener

    def __enter__(self) -> None:
        self._listeners.add(self._listener)

    def __exit__(self, *_: object) -> None:
        self._listeners.discard(self._listener)
