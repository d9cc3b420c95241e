"""Calls that hear each other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from softphone.events.base import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class ConferenceEvent(Event):
    """Base of what happens to a conference. `calls` are its members, `local` tells whether our side takes part."""

    conference: str
    calls: list[str]
    local: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ConferenceStarted(ConferenceEvent):
    """These calls hear each other now."""

    type: ClassVar[str] = "conference.started"


@dataclass(frozen=True, slots=True, kw_only=True)
class ConferenceChanged(ConferenceEvent):
    """A call came or went, or our side did."""

    type: ClassVar[str] = "conference.changed"


@dataclass(frozen=True, slots=True, kw_only=True)
class ConferenceEnded(ConferenceEvent):
    """It was split, or fewer than two calls were left. `calls` are those that go on by themselves."""

    type: ClassVar[str] = "conference.ended"
