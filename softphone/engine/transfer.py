"""Transfer of one call: the far end is asked to call somebody else, and tells how it fares (RFC 3515, RFC 5589).

After success the call ends with reason `transferred`. A failed transfer leaves it as it was.
"""

from __future__ import annotations

from collections.abc import Callable

from softphone import events
from softphone.aio import Timers
from softphone.engine.world import World
from softphone.errors import Conflict
from softphone.stacks.base import TransferProgress

PATIENCE_S = 180.0
"""How long the far end may keep us waiting for an outcome."""


def verdict(code: int, final: bool) -> str:
    """What a report means: progress, done or failed. A subscription that ends without an outcome has failed."""
    if 200 <= code < 300:
        return "done"
    return "failed" if final or code >= 300 else "progress"


class Transfer:
    """At most one at a time. `over(done)` is called with the outcome, after the event."""

    def __init__(self, call_id: str, account_id: str, world: World, over: Callable[[bool], None]) -> None:
        self._call, self._account = call_id, account_id
        self._world = world
        self._over = over
        self._timers = Timers()
        self._target: str | None = None
        self._consulted = ""

    def begin(self, target: str, consulted: str = "") -> None:
        """`consulted`: the call whose far end becomes the other party, '' for a blind transfer. Raises Conflict."""
        if self._target is not None:
            raise Conflict(f"call {self._call} is being transferred to {self._target} already")
        self._target, self._consulted = target, consulted
        self._timers.set(
            "outcome", PATIENCE_S, lambda: self.report(TransferProgress(0, "no word on the outcome", True))
        )
        self._tell("requested", 0, "")

    def report(self, report: TransferProgress) -> None:
        """What the far end said of it."""
        if self._target is None:
            return
        state = verdict(report.code, report.final)
        self._tell(state, report.code, report.reason)
        if state != "progress":
            self._finish(state == "done")

    def call_over(self, bye: bool) -> None:
        """The call ended meanwhile; a far end that hangs up has gone where we sent it."""
        if self._target is not None:
            self._tell("done" if bye else "failed", 0, "")
            self._target = None
        self._timers.close()

    def _finish(self, done: bool) -> None:
        self._target = None
        self._timers.cancel("outcome")
        self._over(done)

    def _tell(self, state: str, code: int, reason: str) -> None:
        self._world.bus.publish(
            events.CallTransfer(
                call=self._call,
                account=self._account,
                state=state,
                target=self._target or "",
                consulted=self._consulted,
                code=code,
                reason=reason,
            )
        )
