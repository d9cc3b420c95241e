"""What every event has, the list of all of them, and their one encoder."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, ClassVar


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Base of all events. `type` is the wire name; its first part is the resource it speaks of.

    `kept`: it is of use to somebody who comes back later, and stays in the bus's history.
    """

    type: ClassVar[str] = ""
    kept = True


@dataclass(frozen=True, slots=True, kw_only=True)
class CallEvent(Event):
    """Base of all that happens to a call."""

    call: str
    account: str


def event_types() -> dict[str, type[Event]]:
    """All events by wire name."""
    found: dict[str, type[Event]] = {}
    waiting: list[type[Event]] = [Event]
    while waiting:
        cls = waiting.pop()
        waiting += cls.__subclasses__()
        if cls.type:
            found[cls.type] = cls
    return dict(sorted(found.items()))


def encode(event: Event) -> dict[str, Any]:
    """The event as plain JSON-able data: `{"type": "call.digit", "call": "c3", …}`."""
    return {"type": event.type} | {f.name: getattr(event, f.name) for f in dataclasses.fields(event)}
