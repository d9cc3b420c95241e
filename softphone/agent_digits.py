"""The agent's part for digits: sending them, and putting together those that the far end types."""

from __future__ import annotations

from abc import ABC, abstractmethod

from softphone.engine.call import Call
from softphone.engine.collecting import CollectPlan
from softphone.engine.views import CollectView
from softphone.engine.world import World
from softphone.errors import UsageError


class DigitCommands(ABC):
    """Part of `Agent`. A call is named by its id; NotFound and Conflict (it has ended) are raised as everywhere."""

    _world: World

    @abstractmethod
    def _running(self, call_id: str) -> Call: ...

    def send_digits(
        self, call_id: str, digits: str, *, method: str = "auto", duration_ms: int = 160, pause_ms: int = 80
    ) -> None:
        """Sends 0-9 A-D * # and `,` (half a second); `call.digits_sent` tells when all are out."""
        if method not in ("auto", "rfc4733", "info", "inband"):
            raise UsageError(f"method {method!r}: digits go out by auto, rfc4733, info or inband")
        if not 40 <= duration_ms <= 5000 or not 20 <= pause_ms <= 5000:
            raise UsageError("a digit lasts 40 to 5000 ms, a pause between digits 20 to 5000 ms")
        self._running(call_id).send_digits(digits, method, duration_ms, pause_ms)

    async def collect(
        self,
        call_id: str,
        *,
        max_digits: int = 1,
        terminators: str = "#",
        first_timeout_s: float = 10.0,
        inter_digit_s: float = 3.0,
        total_s: float = 60.0,
        stop_plays: bool = False,
        typed_ahead: bool = True,
    ) -> CollectView:
        """Puts together the digits that the far end types; returns them when it is over (see CollectPlan).

        Giving it up (cancel) ends the collection. Raises NotFound, Conflict, UsageError.
        """
        plan = CollectPlan(
            max_digits=max_digits,
            terminators=terminators,
            first_timeout_s=first_timeout_s,
            inter_digit_s=inter_digit_s,
            total_s=total_s,
            stop_plays=stop_plays,
            typed_ahead=typed_ahead,
        )
        collector = self._running(call_id).collector
        started = self.start_collect(call_id, plan)
        try:
            return await collector.wait(started.id)
        finally:
            if collector.view(started.id).running:
                collector.stop(started.id)

    def start_collect(self, call_id: str, plan: CollectPlan) -> CollectView:
        """Begins to collect; `digits.collected` tells the result. Raises NotFound, Conflict, UsageError."""
        call = self._running(call_id)
        call.needs_media("type digits")
        return call.collector.start(self._world.new_id("g"), plan.checked())

    async def collected(self, call_id: str, collect_id: str) -> CollectView:
        """A collection when it is over. Raises NotFound."""
        return await self._running(call_id).collector.wait(collect_id)

    def collecting(self, call_id: str, collect_id: str) -> CollectView:
        """The running collection, or the call's last one. Raises NotFound."""
        return self._running(call_id).collector.view(collect_id)

    def stop_collect(self, call_id: str, collect_id: str | None = None) -> CollectView:
        """Ends a collection; what was typed so far is the result. Raises NotFound."""
        return self._running(call_id).collector.stop(collect_id)

    def forget_typed(self, call_id: str) -> None:
        """Drops the digits that came before anybody asked for them."""
        self._running(call_id).collector.forget()
