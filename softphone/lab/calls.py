"""What every call of the PBX has: a number of its own, two names, a beginning and an end."""

from __future__ import annotations

import time
import uuid
from dataclasses import dataclass, field

from softphone.lab.events import EventLog


@dataclass
class CallRecord:
    """One call as the PBX's books have it. Times are seconds since the epoch, None for what never happened."""

    caller: str
    callee: str
    events: EventLog = field(repr=False)
    uuid: str = field(default_factory=lambda: str(uuid.uuid4()))
    state: str = "ringing"  # ringing, active, finished
    started_at: float = field(default_factory=time.time)
    answered_at: float | None = None
    ended_at: float | None = None

    def start(self) -> None:
        """The call has begun."""
        self.events.emit("call_started", call=self.uuid, caller=self.caller, callee=self.callee)

    def ringing(self, *, early: bool = False) -> None:
        """It rings; `early` with sound."""
        self.events.emit("call_ringing", call=self.uuid, callee=self.callee, early=early)

    def answered(self, *, srtp: bool) -> None:
        """Somebody picked up."""
        if self.answered_at is None:
            self.answered_at, self.state = time.time(), "active"
            self.events.emit("call_answered", call=self.uuid, caller=self.caller, callee=self.callee, srtp=srtp)

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
