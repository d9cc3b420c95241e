"""What a timeline shows of itself: frozen snapshots, made of JSON-able values only; times are ISO 8601 in UTC."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class DifferenceView:
    """Where two sides do not agree."""

    kind: str
    """One word, for programs: see docs/timeline.md."""
    text: str
    """The same in plain English, with the figures."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryView:
    """One thing that one side told."""

    at: str
    """When the phone learned it."""
    at_s: float
    """Seconds since the timeline's beginning."""
    source: str
    """phone, live (the PBX's live events), webhook, cdr, or click (a call that a program ordered)."""
    what: str
    """One word: dialing, incoming, progress, answered, ended, ringing, active, finished, cdr and so on."""
    text: str
    """The same in plain English."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PhoneSide:
    """What this phone saw."""

    state: Literal["ringing", "active", "ended"]
    duration_s: float | None = None
    """From the answer to the end, as the phone counted it."""
    answered_by: str = ""
    """local, remote, or empty where nobody answered."""
    end_reason: str = ""
    end_by: str = ""
    code: int = 0
    """The SIP status that ended it, 0 where none did."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PbxSide:
    """What the PBX said while the call went on."""

    state: str
    """ringing, active, held or finished."""
    direction: str
    """in or out, seen from the extension; empty where it told none."""
    number: str
    created: str | None = None
    """By the PBX's clock."""
    answered: str | None = None
    """By the PBX's clock."""
    duration_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CdrSide:
    """What the call detail record says."""

    direction: str
    number: str
    state: str
    duration_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ClickSide:
    """The order that the call came from."""

    destination: str
    recorded: bool
    """Whether the PBX records the call: those who talk must know."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TimelineView:
    """One call: what this phone saw, what the PBX said, and the CDR."""

    id: str
    state: Literal["open", "closed"]
    """closed: the call is over, and what was waited for has come, or is late."""
    account: str
    """Ours; empty where the PBX named no extension of ours."""
    extension: str
    direction: str
    """in or out, seen from the extension."""
    number: str
    """The far end."""
    call: str
    """The phone's call id; empty where the call never came here. Unique in one run of the process only."""
    sip_call_ids: list[str] = field(default_factory=list)
    call_uuid: str = ""
    """The PBX's name for the call."""
    joined_by: str = ""
    """How the PBX's part was found: uuid (sure), number (extension, number and time), or empty."""
    started: str
    answered: str | None = None
    ended: str | None = None
    duration_s: float = 0.0
    """As the phone counted it; where the call never came here, as the PBX did."""
    complete: bool = False
    """It is over, and all sides that this phone listens to have told their part."""
    missing: list[str] = field(default_factory=list)
    """The sides that have not told their part (yet): phone, pbx, cdr."""
    phone: PhoneSide | None = None
    pbx: PbxSide | None = None
    cdr: CdrSide | None = None
    click: ClickSide | None = None
    differences: list[DifferenceView] = field(default_factory=list)
    entries: list[EntryView] = field(default_factory=list)
    """What was told, in order. Left out in lists."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TimelinePage:
    """Timelines, the newest first."""

    timelines: list[TimelineView]
    next: str | None = None
    """`before` for the page after this one; null at the end."""


def from_dict(data: dict[str, Any], *, entries: bool = True) -> TimelineView:
    """What `dataclasses.asdict` made of a timeline. Raises ValueError for anything else."""
    try:
        sides = {
            name: cls(**data[name])
            for name, cls in (("phone", PhoneSide), ("pbx", PbxSide), ("cdr", CdrSide), ("click", ClickSide))
            if data[name] is not None
        }
        lists = {
            "differences": [DifferenceView(**each) for each in data["differences"]],
            "entries": [EntryView(**each) for each in data["entries"]] if entries else [],
        }
        return TimelineView(**(data | sides | lists))
    except (TypeError, KeyError, AttributeError) as error:
        raise ValueError(f"no timeline: {error}") from None
