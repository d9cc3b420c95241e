"""Hold at work: the pure machine of holding.py, the leg that sends its re-INVITEs, and what is heard meanwhile."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Literal

from softphone import events
from softphone.aio import Timers
from softphone.engine import holding
from softphone.engine.explain import explain_call
from softphone.engine.hold_music import HoldMusic
from softphone.engine.place import Place
from softphone.engine.world import World
from softphone.errors import Conflict
from softphone.stacks.base import HoldRefused, MediaChanged


class Hold:
    """Hold of one call. `send(held)` sends the re-INVITE."""

    def __init__(
        self,
        call_id: str,
        account_id: str,
        world: World,
        place: Place,
        *,
        outgoing: bool,
        send: Callable[[bool], None],
    ) -> None:
        self._call, self._account = call_id, account_id
        self._world = world
        self._place = place
        self._outgoing = outgoing
        self._send = send
        self._state = holding.HoldState()
        self._timers = Timers()
        self._music = HoldMusic(world.calls.hold_music, world)

    @property
    def by(self) -> list[Literal["local", "remote"]]:
        """Who holds: local, remote, both or nobody."""
        found: list[Literal["local", "remote"]] = []
        if self._state.local:
            found.append("local")
        if self._state.remote:
            found.append("remote")
        return found

    def want(self, held: bool) -> None:
        """Raises Conflict while the opposite is under way, MediaError where the mixer has no port left."""
        if self._state.wanted not in (None, held):
            raise Conflict(f"call {self._call} is just being {'held' if self._state.wanted else 'resumed'}")
        if held:
            self._place.hold()  # at once: nothing more is heard of us, whenever the far end agrees
        self._advance(holding.Want(held))

    def seen(self, media: MediaChanged) -> None:
        """Media was agreed in an answered call."""
        direction = media.direction if media.port is not None else "inactive"
        self._advance(holding.Seen(direction, media.held))

    def refused(self, report: HoldRefused) -> None:
        self._advance(holding.Refused(report.code, report.reason))

    def close(self) -> None:
        self._timers.close()
        self._music.stop()

    def _advance(self, what: holding.Input) -> None:
        self._state, actions = holding.step(self._state, what)
        if self._state.wanted is None:
            self._timers.close()
        for action in actions:
            self._do(action)

    def _do(self, action: holding.Action) -> None:
        match action:
            case holding.Send(held):
                self._timers.set("answer", holding.HOLD_PATIENCE_S, lambda: self._advance(holding.NoAnswer()))
                self._send(held)
            case holding.Pause():
                # RFC 3261 section 14.1: whoever made the Call-ID waits longer, so that the two do not meet again
                pause_s = random.uniform(2.1, 4.0) if self._outgoing else random.uniform(0.0, 2.0)
                self._timers.set("again", pause_s, lambda: self._advance(holding.Again()))
            case holding.Tell(by, held):
                if by == "local":
                    self._sound(held)
                self._tell(events.CallHold(call=self._call, account=self._account, by=by, held=held))
            case holding.TellFailed(held, code, reason):
                self._sound(self._state.local)
                self._failed(held, code, reason)

    def _sound(self, held: bool) -> None:
        if held:
            self._place.hold()
            self._music.start(self._place.leg)
        else:
            self._music.stop()
            self._place.resume()

    def _failed(self, held: bool, code: int, reason: str) -> None:
        cause = explain_call(code).cause if code else "the far end did not answer"
        self._tell(
            events.CallHoldFailed(
                call=self._call, account=self._account, held=held, code=code, reason=reason, cause=cause
            )
        )

    def _tell(self, event: events.Event) -> None:
        self._world.bus.publish(event)
