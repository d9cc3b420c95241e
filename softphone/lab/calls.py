"""What every call of the PBX has: a number of its own, two names, a beginning and an end."""

from __future__ import annotations

import time
import uuid
from dataclasses import dataclass, field

from softphone.lab.directory import Extension
from softphone.lab.events import EventLog

HOLDING = ("sendonly", "inactive")


@dataclass
class CallRecord:
    """One call as the PBX's books have it. Times are seconds since the epoch, None for what never happened.

    `domain` is the tenant whose call it is; `caller_extension` and `callee_extension` are set where that side is one of
    its extensions, and these are whom live events and webhooks tell of the call.
    """

    caller: str
    callee: str
    events: EventLog = field(repr=False)
    uuid: str = field(default_factory=lambda: str(uuid.uuid4()))
    state: str = "ringing"  # ringing, active, held, finished
    started_at: float = field(default_factory=time.time)
    answered_at: float | None = None
    ended_at: float | None = None
    domain: str = ""
    caller_extension: Extension | None = None
    callee_extension: Extension | None = None
    held_by: set[str] = field(default_factory=set)

    def start(self) -> None:
        """The call has begun."""
        self.events.emit("call_started", call=self.uuid, caller=self.caller, callee=self.callee, domain=self.domain)

    def ringing(self, *, early: bool = False) -> None:
        """It rings; `early` with sound."""
        self.events.emit("call_ringing", call=self.uuid, callee=self.callee, early=early)

    def answered(self, *, srtp: bool) -> None:
        """Somebody picked up."""
        if self.answered_at is None:
            self.answered_at, self.state = time.time(), "active"
            self.events.emit("call_answered", call=self.uuid, caller=self.caller, callee=self.callee, srtp=srtp)

    def media_offered(self, by: str, direction: str) -> None:
        """One side asked for another direction of sound (sendrecv ...), seen from where it stands: hold or retrieve."""
        if self.state not in ("active", "held") or (direction in HOLDING) == (by in self.held_by):
            return
        if direction in HOLDING:
            self.held_by.add(by)
        else:
            self.held_by.discard(by)
        self.state = "held" if self.held_by else "active"
        name = "call_held" if direction in HOLDING else "call_retrieved"
        self.events.emit(name, call=self.uuid, by=by)

    def finished(self, *, cause: str, code: int, by: str, rtp_received: int) -> None:
        """The call is over."""
        self.ended_at, self.state = time.time(), "finished"
        self.events.emit(
            "call_ended",
            call=self.uuid,
            caller=self.caller,
            callee=self.callee,
            cause=cause,
            code=code,
            by=by,
            rtp_received=rtp_received,
        )
