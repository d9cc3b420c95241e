"""One timeline per call: what this phone saw, what the PBX said, and the CDR, joined."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from softphone.events.base import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class TimelineEvent(Event):
    """Base. `call` is ours, empty where the call never came here; `call_uuid` the PBX's, empty where it told none."""

    timeline: str
    account: str
    call: str
    call_uuid: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TimelineDifference(TimelineEvent):
    """What this phone saw and what the PBX says do not agree. `kind` is one word, `text` plain English."""

    type: ClassVar[str] = "timeline.difference"
    kind: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TimelineClosed(TimelineEvent):
    """The call is over, and all that was waited for has come, or is late. `differences` are the kinds found.

    `complete`: phone, PBX and CDR have all told their part.
    """

    type: ClassVar[str] = "timeline.closed"
    complete: bool
    differences: list[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class TimelineChanged(TimelineEvent):
    """Something came late and changed a timeline that was closed."""

    type: ClassVar[str] = "timeline.changed"
    complete: bool
    differences: list[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class TimelineStoreFailed(Event):
    """A warning: timelines cannot be kept on disk. Calls go on, and the last timelines can be read while we run."""

    type: ClassVar[str] = "timeline.store_failed"
    cause: str
