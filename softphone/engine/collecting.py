"""Digits that a caller types, put together: up to a number of them, a terminator, or a pause that is too long.

    begins ──first digit──> goes on ──digit──> …  ends: max_digits, terminator, timeout_inter, timeout_total,
       └── timeout_first                                stopped, call_ended

Digits that came before anybody asked wait in a buffer, so that who knows the menu need not wait for it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from softphone import events
from softphone.aio import Timers
from softphone.engine.views import CollectView
from softphone.errors import Conflict, NotFound, UsageError
from softphone.media.dtmf import DIGITS

AHEAD = 128
"""How many digits wait for somebody to ask; older ones are forgotten."""

LONGEST_S = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class CollectPlan:
    """What to wait for.

    terminators: digits that end it and are not part of the result; '' for none. first_timeout_s: until the first digit,
    counted from the end of what is being played. inter_digit_s: between two. total_s: for all of it, from the start.
    stop_plays: the first digit silences what is being played. typed_ahead: digits that came before count; without it
    they are forgotten.
    """

    max_digits: int = 1
    terminators: str = "#"
    first_timeout_s: float = 10.0
    inter_digit_s: float = 3.0
    total_s: float = 60.0
    stop_plays: bool = False
    typed_ahead: bool = True

    def checked(self) -> CollectPlan:
        """Raises UsageError."""
        if not 1 <= self.max_digits <= AHEAD:
            raise UsageError(f"{self.max_digits} digits: 1 to {AHEAD} can be collected")
        if wrong := "".join(sorted(set(self.terminators) - set(DIGITS))):
            raise UsageError(f"terminators {wrong!r}: expected some of {DIGITS}")
        for name in ("first_timeout_s", "inter_digit_s", "total_s"):
            if not 0 < getattr(self, name) <= LONGEST_S:
                raise UsageError(f"{name}: expected more than 0 and at most {LONGEST_S:g} s")
        return self


@dataclass(slots=True)
class _Running:
    id: str
    plan: CollectPlan
    done: asyncio.Future[CollectView]
    digits: list[str] = field(default_factory=list)


class Collector:
    """The digits of one call. Belongs to the event loop's thread.

    tell: publishes an event. hush: stops what is being played. playing: whether something is.
    """

    def __init__(
        self,
        call: str,
        account: str,
        tell: Callable[[events.Event], None],
        hush: Callable[[], None],
        playing: Callable[[], bool],
    ) -> None:
        self._call, self._account = call, account
        self._tell = tell
        self._hush = hush
        self._playing = playing
        self._ahead: deque[str] = deque(maxlen=AHEAD)
        self._running: _Running | None = None
        self._last: CollectView | None = None
        self._timers = Timers()

    # ---- what others tell

    def begun(self) -> None:
        """A key goes down: a prompt is silent from here on, not only when it is let go."""
        if self._running is not None and self._running.plan.stop_plays:
            self._hush()

    def digit(self, digit: str) -> None:
        """A key was pressed."""
        if self._running is None:
            self._ahead.append(digit)
            return
        self.begun()
        self._take(self._running, digit)

    def played(self) -> None:
        """Nothing is being played any more: the time for the first digit begins."""
        if (running := self._running) is not None and not running.digits and "first" not in self._timers:
            self._timers.set("first", running.plan.first_timeout_s, lambda: self._end("timeout_first"))

    def call_over(self) -> None:
        self._end("call_ended")
        self._ahead.clear()

    # ---- what a program asks

    def start(self, id: str, plan: CollectPlan) -> CollectView:
        """Begins. Raises Conflict where one is running."""
        if self._running is not None:
            raise Conflict(f"call {self._call}: digits are being collected already ({self._running.id})")
        running = _Running(id, plan, asyncio.get_running_loop().create_future())
        self._running = running
        self._tell(events.DigitsCollecting(call=self._call, account=self._account, collect=id))
        if not plan.typed_ahead:
            self._ahead.clear()
        if self._ahead and plan.stop_plays:
            self._hush()
        self._timers.set("total", plan.total_s, lambda: self._end("timeout_total"))
        while self._ahead and self._running is running:
            self._take(running, self._ahead.popleft())
        if not self._playing():
            self.played()
        return self.view(id)

    async def wait(self, id: str) -> CollectView:
        """Its result. Raises NotFound."""
        if (running := self._running) is not None and running.id == id:
            return await asyncio.shield(running.done)
        return self.view(id)

    def stop(self, id: str | None = None) -> CollectView:
        """Ends it; what was typed so far is in the result. Without `id` the running one. Raises NotFound."""
        if (running := self._running) is None or id not in (None, running.id):
            raise NotFound(f"call {self._call}: no digits are being collected" + (f" as {id}" if id else ""))
        self._end("stopped")
        return self.view(running.id)

    def forget(self) -> None:
        """Digits that came before anybody asked are dropped."""
        self._ahead.clear()

    def view(self, id: str) -> CollectView:
        """The running one, or the last. Raises NotFound."""
        if (running := self._running) is not None and running.id == id:
            return CollectView(id=id, call=self._call, running=True, digits="".join(running.digits))
        if self._last is not None and self._last.id == id:
            return self._last
        raise NotFound(f"call {self._call}: there is no collection {id}")

    # ---- the machine

    def _take(self, running: _Running, digit: str) -> None:
        self._timers.cancel("first")
        if digit in running.plan.terminators:
            self._end("terminator", digit)
            return
        running.digits.append(digit)
        if len(running.digits) >= running.plan.max_digits:
            self._end("max_digits")
        else:
            self._timers.set("inter", running.plan.inter_digit_s, lambda: self._end("timeout_inter"))

    def _end(self, reason: str, terminator: str = "") -> None:
        running, self._running = self._running, None
        self._timers.close()
        if running is None:
            return
        digits = "".join(running.digits)
        self._last = CollectView(
            id=running.id, call=self._call, running=False, digits=digits, reason=reason, terminator=terminator
        )
        if not running.done.done():
            running.done.set_result(self._last)
        self._tell(
            events.DigitsCollected(
                call=self._call,
                account=self._account,
                collect=running.id,
                digits=digits,
                reason=reason,
                terminator=terminator,
            )
        )
