"""What the phone shows of its ears at the PBX: live events, webhooks, and the timelines made of them."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveStatus:
    """How the PBX's live events fare."""

    state: str
    """starting, connected, or lost (what the PBX thinks of running calls is unknown)."""
    cause: str = ""
    """Why it is not connected, in plain English."""
    extensions: int = 0
    """How many extensions are followed."""
    since: str | None = None
    """Since when it is connected, or lost."""
    retry_in_s: float | None = None
    calls: int = 0
    """Call events since the start."""
    gaps: int = 0
    """How often the events were interrupted."""
    unreadable: int = 0
    """Messages that made no sense."""
    problems: list[str] = field(default_factory=list)
    """Accounts that cannot be followed, and why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookStatus:
    """How the webhook receiver fares; counts since the start."""

    state: str
    """ok, or failed: the journal cannot be written, so a restart might lose what was received."""
    cause: str = ""
    port: int = 0
    """Where it listens."""
    received: int = 0
    """Webhooks that were taken, each counted once."""
    duplicates: int = 0
    """Sent twice by the PBX; told once."""
    refused: int = 0
    """Wrong secret, wrong path, or too many."""
    unreadable: int = 0
    """With the right secret, and without sense."""
    other: int = 0
    """About something else than calls, such as the PBX's test button."""
    waiting: int = 0
    """In the journal, and not known to be dealt with."""
    dropped: int = 0
    """Lost, for the journal was full."""
    last: str | None = None
    """When the last one came."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TimelineStatus:
    """How the keeping of timelines fares."""

    state: str
    """ok, or failed: timelines are kept in memory only."""
    cause: str = ""
    open: int = 0
    """Timelines that may still change."""
    closed: int = 0
    """Closed since the start."""
    complete: int = 0
    """Of these, those that all sides told their part of."""
    with_differences: int = 0
    """Of these, those with differences."""
    late: int = 0
    """How often something came after a timeline was closed."""
    stored: int = 0
    """Timelines on disk."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClickView:
    """A call that the PBX was ordered to make: it rings `account`, then calls `destination`."""

    call_uuid: str
    """The PBX's name for the call."""
    account: str
    destination: str
    expect: str
    """The announcement by which the phone answers; empty where somebody answers by hand."""
    recorded: bool
    """Whether the PBX says that it records the call: those who talk must know."""
    recording: str
    """The PBX's own word about it."""
