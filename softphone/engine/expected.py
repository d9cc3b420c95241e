"""Calls that were announced: a program asked the PBX to ring this phone, and the phone answers when it does.

Click-to-call works this way: the PBX first calls whoever clicked, then the number. Each announcement is good for one
call, of one account, for a limited time.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from softphone import events
from softphone.aio import Timers
from softphone.bus import Bus
from softphone.engine.policy import fits
from softphone.engine.views import ExpectedView
from softphone.engine.world import iso
from softphone.errors import NotFound, UsageError

LONGEST_S = 3600.0
MOST = 1000
"""How many announcements may wait at once."""


@dataclass(frozen=True, slots=True)
class Expected:
    """One announcement. `caller`: a pattern; `asked_only`: the call must ask to be answered by a header."""

    id: str
    account: str
    caller: str
    after_s: float
    asked_only: bool
    until_s: float  # Unix time

    def view(self) -> ExpectedView:
        return ExpectedView(
            id=self.id,
            account=self.account,
            caller=self.caller,
            after_s=self.after_s,
            asked_only=self.asked_only,
            expires=iso(self.until_s),
        )


class ExpectedCalls:
    """All announcements. Belongs to the event loop's thread."""

    def __init__(self, bus: Bus, new_id: Callable[[str], str]) -> None:
        self._bus = bus
        self._new_id = new_id
        self._waiting: dict[str, Expected] = {}
        self._timers = Timers()

    def add(self, account: str, caller: str, within_s: float, after_s: float, asked_only: bool) -> ExpectedView:
        """Announces a call. Raises UsageError."""
        if not 0 < within_s <= LONGEST_S:
            raise UsageError(f"a call can be expected for at most {LONGEST_S:g} s, not {within_s:g} s")
        if not 0 <= after_s <= LONGEST_S:
            raise UsageError(f"a call is answered after 0 to {LONGEST_S:g} s, not {after_s:g} s")
        if not caller:
            raise UsageError("the caller's pattern is empty; * fits everybody")
        if len(self._waiting) >= MOST:
            raise UsageError(f"{MOST} calls are expected already")
        expected = Expected(self._new_id("x"), account, caller, after_s, asked_only, time.time() + within_s)
        self._waiting[expected.id] = expected
        self._timers.set(expected.id, within_s, lambda: self._end(expected.id, "expired"))
        self._bus.publish(
            events.ExpectStarted(account=account, expect=expected.id, caller=caller, within_s=within_s, after_s=after_s)
        )
        return expected.view()

    def find(self, account: str, caller: str, *, asked: bool) -> Expected | None:
        """The oldest announcement that this call is; it stays until `met`."""
        for expected in self._waiting.values():
            if expected.account == account and fits(caller, expected.caller) and (asked or not expected.asked_only):
                return expected
        return None

    def met(self, expected: Expected, call: str) -> None:
        """The call has come: the announcement is used up."""
        self._end(expected.id, "met", call)

    def cancel(self, id: str) -> None:
        """Takes an announcement back. Raises NotFound."""
        if id not in self._waiting:
            raise NotFound(f"no call {id} is expected (any more)")
        self._end(id, "cancelled")

    def views(self) -> list[ExpectedView]:
        return [expected.view() for expected in self._waiting.values()]

    def close(self) -> None:
        for id in list(self._waiting):
            self._end(id, "cancelled")

    def _end(self, id: str, reason: str, call: str = "") -> None:
        self._timers.cancel(id)
        expected = self._waiting.pop(id)
        self._bus.publish(events.ExpectEnded(account=expected.account, expect=id, reason=reason, call=call))
