"""A fact: one thing that one side told of one call. Facts are all that a timeline is made of.

Two facts with the same `id` are the same news told twice, and the earlier one counts. So late, doubled and reordered
news end in the same timeline.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields
from hashlib import blake2b
from typing import Any, Literal

from softphone import events
from softphone.addresses import NameAddr
from softphone.bus import Record

Source = Literal["phone", "live", "webhook", "cdr", "click"]

NAMELESS = "?"
"""Begins the name that a call has here where the PBX gave it none."""

LONGEST_TEXT = 200

BEGINNINGS = frozenset({"dialing", "incoming"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """`at_s`: when we learned it (Unix time). `leg`: the call of this phone, `<boot>/<call id>`, if it speaks of one.

    `uuid`: the PBX's call, if it speaks of one. `expect`: the announcement (`<boot>/<id>`) that ties the two together.
    `direction`: out or in, seen from the extension. `number`: the far end.
    """

    id: str
    source: Source
    kind: str
    at_s: float
    leg: str = ""
    uuid: str = ""
    expect: str = ""
    account: str = ""
    extension: str = ""
    direction: str = ""
    number: str = ""
    created_s: float | None = None
    answered_s: float | None = None
    duration_s: float | None = None
    detail: Mapping[str, Any] = field(default_factory=dict, hash=False)

    @property
    def order(self) -> tuple[float, str]:
        """By which facts are sorted: whatever order they came in, this one is the same."""
        return (self.at_s, self.id)


def to_json(facts: tuple[Fact, ...]) -> str:
    """For the store."""
    return json.dumps([asdict(fact) for fact in facts], separators=(",", ":"))


def from_json(text: str) -> tuple[Fact, ...]:
    """Raises ValueError for what was not made by `to_json`."""
    found = json.loads(text)
    if not isinstance(found, list) or not all(isinstance(item, dict) and item.keys() <= _NAMES for item in found):
        raise ValueError("not a list of facts")
    try:
        return tuple(Fact(**item) for item in found)
    except TypeError as error:
        raise ValueError(str(error)) from None


_NAMES = {each.name for each in fields(Fact)}


@dataclass(frozen=True, slots=True)
class Reader:
    """Makes facts of the bus's records; None for what says nothing of a call.

    uuid_headers: headers by which a PBX may name its call (small letters). covered(account): whether live events of
    this account come now, so that the PBX's silence about a call means something.
    """

    uuid_headers: frozenset[str] = frozenset()
    covered: Callable[[str], bool] = lambda _: False

    def read(self, record: Record) -> Fact | None:
        """The fact in an event."""
        event = record.event
        if isinstance(event, events.PbxCallEvent):
            return _of_pbx(event, record.time_s)
        if isinstance(event, events.PbxClickToCall):
            return _of_click(event, record)
        if isinstance(event, events.ExpectEnded):
            return _of_expected(event, record) if event.call else None
        if isinstance(event, events.CallEvent):
            return self._of_call(event, record)
        return None

    def _of_call(self, event: events.CallEvent, record: Record) -> Fact | None:
        match event:
            case events.CallDialing():
                detail = {"sip_call_id": event.sip_call_id, "covered": self.covered(event.account)}
                return _phone(event, record, "dialing", detail, direction="out", number=_user(event.target))
            case events.CallIncoming():
                detail = {"sip_call_id": event.sip_call_id, "covered": self.covered(event.account)}
                uuid = self._uuid(event.headers)
                number = _user(event.caller)
                return _phone(event, record, "incoming", detail, direction="in", number=number, uuid=uuid)
            case events.CallProgress():
                detail = {"code": event.code, "reason": event.reason, "early_media": event.early_media}
                return _phone(event, record, "progress", detail, uuid=self._uuid(event.headers))
            case events.CallAnswered():
                return _phone(event, record, "answered", {"by": event.by}, uuid=self._uuid(event.headers))
        return _of_middle(event, record)

    def _uuid(self, headers: Mapping[str, list[str]]) -> str:
        for name, values in headers.items():
            if name.lower() in self.uuid_headers and values:
                return _line(values[0]).strip()
        return ""


def _of_middle(event: events.CallEvent, record: Record) -> Fact | None:
    match event:
        case events.CallAutoAnswer():
            return _phone(event, record, "auto_answer", {"why": event.why})
        case events.CallMedia():
            detail = {"active": event.active, "codec": event.codec, "direction": event.direction}
            return _phone(event, record, "media", detail)
        case events.CallMediaSilent():
            return _phone(event, record, "silent" if event.silent else "heard", {"silent_s": event.silent_s})
        case events.CallHold():
            return _phone(event, record, "held" if event.held else "resumed", {"by": event.by})
        case events.CallReplaced():
            return _phone(event, record, "replaced", {"sip_call_id": event.sip_call_id, "remote": event.remote})
        case events.CallTransfer():
            return _phone(event, record, "transfer", {"state": event.state, "target": event.target})
        case events.CallEnded():
            detail = {"reason": event.reason, "by": event.by, "code": event.code, "cause": event.cause}
            return _phone(event, record, "ended", detail, duration_s=event.duration_s)
    return None


def leg_key(boot: str, call: str) -> str:
    """A call's name over restarts."""
    return f"{boot}/{call}"


def _phone(event: events.CallEvent, record: Record, kind: str, detail: dict[str, Any], **fields: Any) -> Fact:
    return Fact(
        id=_of_bus(record),
        source="phone",
        kind=kind,
        at_s=record.time_s,
        leg=leg_key(record.boot, event.call),
        account=event.account,
        extension=_extension(event.account),
        detail=detail,
        **fields,
    )


def _of_bus(record: Record) -> str:
    return f"{record.boot}-{record.seq:012d}"


def _of_expected(event: events.ExpectEnded, record: Record) -> Fact:
    return Fact(
        id=_of_bus(record),
        source="phone",
        kind="expected",
        at_s=record.time_s,
        leg=leg_key(record.boot, event.call),
        expect=leg_key(record.boot, event.expect),
        account=event.account,
        extension=_extension(event.account),
    )


def _of_click(event: events.PbxClickToCall, record: Record) -> Fact:
    return Fact(
        id=f"click:{event.call_uuid}",
        source="click",
        kind="ordered",
        at_s=record.time_s,
        uuid=event.call_uuid,
        expect=leg_key(record.boot, event.expect) if event.expect else "",
        account=event.account,
        extension=_extension(event.account),
        number=event.destination,
        detail={"destination": event.destination, "recorded": event.recorded, "recording": event.recording},
    )


_SIDES: Mapping[str, Literal["live", "webhook", "cdr"]] = {
    events.PbxCall.type: "live",
    events.PbxWebhookCall.type: "webhook",
    events.PbxCdr.type: "cdr",
}
_DIRECTIONS = {"inbound": "in", "in": "in", "incoming": "in", "outbound": "out", "out": "out", "outgoing": "out"}


def _of_pbx(event: events.PbxCallEvent, time_s: float) -> Fact:
    source = _SIDES[event.type]
    uuid, state, number, extension = map(_line, (event.call_uuid, event.state, event.number, event.extension))
    told = (uuid, state, event.direction, number, extension)
    times = (event.created_s, event.answered_s, event.duration_s)
    digest = blake2b(repr((told, times)).encode(), digest_size=9).hexdigest()
    received_s = event.received_s if isinstance(event, events.PbxWebhookCall | events.PbxCdr) else time_s
    return Fact(
        id=f"{source}:{digest}",
        source=source,
        kind="cdr" if source == "cdr" else state,
        at_s=received_s,
        uuid=uuid or f"{NAMELESS}{digest}",
        account=event.account,
        extension=extension,
        direction=_DIRECTIONS.get(event.direction.lower(), ""),
        number=number,
        created_s=event.created_s,
        answered_s=event.answered_s,
        duration_s=event.duration_s,
        detail={"state": state} if source == "cdr" else {},
    )


def _extension(account: str) -> str:
    return account.partition("@")[0]


def _user(uri: str) -> str:
    return _line(NameAddr.parse(uri).user or uri)


def _line(text: str) -> str:
    """Remote text, fit for a terminal and a database: one line, not endless."""
    return "".join(each for each in text[:LONGEST_TEXT] if each.isprintable())
