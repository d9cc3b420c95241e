"""What every call of the PBX has: a number of its own, two names, parties, a beginning and an end."""

from __future__ import annotations

import asyncio
import time
import uuid
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from softphone.lab.directory import Extension
from softphone.lab.events import EventLog

Origin = Literal["phone", "pbx", "click_to_call"]


class LiveLeg(Protocol):
    """What a record must know of a leg: whose it is, whether it was picked up, and how to end it."""

    extension: Extension | None
    confirmed: bool

    @property
    def call_id(self) -> str:
        """The leg's SIP Call-ID."""

    async def end(self, cause: str) -> None:
        """Refuse, cancel or hang up, whatever fits."""


@dataclass(frozen=True)
class Party:
    """An extension that takes part. `direction` and `number` (the other end) are as that extension sees them."""

    extension: str
    domain: str
    direction: Literal["inbound", "outbound"]
    number: str


@dataclass
class CallRecord:
    """One call as the PBX's books have it. Times are seconds since the epoch, None for what never happened.

    `caller` and `callee` are numbers; `domain` is the tenant's; `parties` are the extensions among the two (a transfer
    adds one). `sip_call_ids` lists the Call-IDs of all legs. `cause`, `code` and `ended_by` are empty until the end.
    """

    caller: str
    callee: str
    events: EventLog = field(repr=False)
    domain: str = ""
    origin: Origin = "phone"
    uuid: str = field(default_factory=lambda: str(uuid.uuid4()))
    state: str = "ringing"  # ringing, active, held, finished
    started_at: float = field(default_factory=time.time)
    answered_at: float | None = None
    ended_at: float | None = None
    parties: list[Party] = field(default_factory=list)
    sip_call_ids: list[str] = field(default_factory=list)
    held_by: set[str] = field(default_factory=set)  # caller, callee
    cause: str = ""
    code: int = 0
    ended_by: str = ""  # caller, callee, pbx
    killed: bool = False
    transfer: asyncio.Task[Any] | None = field(default=None, repr=False)  # under way, or done: who goes on
    legs: list[LiveLeg] = field(default_factory=list, repr=False)

    @property
    def talk_s(self) -> float:
        """How long it has been, or was, connected; 0 for a call that nobody answered."""
        if self.answered_at is None:
            return 0.0
        return (self.ended_at if self.ended_at is not None else time.time()) - self.answered_at

    def add_leg(self, leg: LiveLeg) -> None:
        """One more dialog belongs to this call."""
        self.legs.append(leg)
        self.sip_call_ids.append(leg.call_id)

    def adopt(self, leg: LiveLeg) -> None:
        """A dialog that was part of another call, perhaps, is part of this one."""
        if leg not in self.legs:
            self.add_leg(leg)

    def add_party(self, party: Party) -> None:
        """One more extension takes part."""
        if party not in self.parties:
            self.parties.append(party)

    def picked_up(self, party: Party) -> bool:
        """Whether a phone of that extension is in the call."""
        whose = (leg.extension for leg in self.legs if leg.confirmed and leg.extension is not None)
        return any((each.number, each.domain) == (party.extension, party.domain) for each in whose)

    def start(self) -> None:
        """The call has begun."""
        self._emit("call_started", caller=self.caller, callee=self.callee, origin=self.origin)

    def ringing(self, *, early: bool = False) -> None:
        """It rings; `early` with sound."""
        self._emit("call_ringing", callee=self.callee, early=early)

    def leg_answered(self, number: str) -> None:
        """One end of a call that the PBX makes has picked up; the other is still to come."""
        self._emit("leg_answered", number=number)

    def answered(self, *, srtp: bool) -> None:
        """Somebody picked up."""
        if self.answered_at is None:
            self.answered_at, self.state = time.time(), "active"
            self._emit("call_answered", caller=self.caller, callee=self.callee, srtp=srtp)

    def hold(self, by: str, held: bool) -> None:
        """One side (`caller`, `callee`) put the other on hold, or took it back."""
        if held == (by in self.held_by) or self.state not in ("active", "held"):
            return
        (self.held_by.add if held else self.held_by.discard)(by)
        self.state = "held" if self.held_by else "active"
        self._emit("call_held" if held else "call_resumed", by=by)

    def media_failed(self, why: str) -> None:
        """A phone and the PBX could not agree on keys."""
        self._emit("media_failed", why=why)

    def transferred(self, to: str, *, by: str, how: str) -> None:
        """One side was replaced by another number."""
        self._emit("call_transferred", to=to, by=by, how=how)

    def finished(self, *, cause: str, code: int, by: str, rtp_received: int) -> None:
        """The call is over."""
        self.ended_at, self.state = time.time(), "finished"
        if self.killed:
            cause, code, by = "killed", 0, "pbx"
        self.cause, self.code, self.ended_by = cause, code, by
        self.legs.clear()
        self._emit(
            "call_ended",
            caller=self.caller,
            callee=self.callee,
            cause=cause,
            code=code,
            by=by,
            rtp_received=rtp_received,
        )

    def _emit(self, name: str, **data: object) -> None:
        self.events.emit(name, call=self.uuid, domain=self.domain, **data)
