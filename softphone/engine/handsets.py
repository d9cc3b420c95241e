"""Handsets and the calls they take part in: who hears whom.

Everything is connections on the mixer. What should be connected is worked out anew from what is known whenever
something changes (a call's port, its sound device, its conference, the handsets beside it), and the graph is brought in
step; so there is one place that says what listening, talking and whispering mean:

| mode | it hears | it is heard by |
|---|---|---|
| listen | the far end and our side | nobody |
| talk | the far end and our side | the far end and our side |
| whisper | the far end and our side | our side: the call's sound device, and the other handsets of the call |
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, field
from typing import Any, get_args

from softphone import events
from softphone.bus import Record
from softphone.engine.call import Call
from softphone.engine.views import HandsetMode, HandsetView
from softphone.engine.world import World
from softphone.errors import Conflict, NotFound, SoftphoneError, UsageError
from softphone.media.ports import Port
from softphone.stacks.handsets import Handset, HandsetStack

log = logging.getLogger(__name__)

MOST_HANDSETS = 200
"""How many may be open: each is a socket and a key exchange that a stranger to the page could ask for."""

DIGIT_PAUSE_MS = 80

CHANGES = frozenset({"call.media", "call.hold", "call.answered", "audio.device_lost", "audio.device_back"})
"""Events after which a call's port, or its device, may be another one."""

Edges = dict[tuple[Port, Port], None]


@dataclass(slots=True)
class _Line:
    """One handset. `calls`: in which calls it is, and how."""

    id: str
    name: str
    handset: Handset | None = None
    connected: bool = False
    calls: dict[str, HandsetMode] = field(default_factory=dict)

    @property
    def port(self) -> Port | None:
        return self.handset.port if self.handset else None


class _Sink:
    """Reports of one handset, with its id."""

    def __init__(self, owner: Handsets, handset_id: str) -> None:
        self._owner, self._id = owner, handset_id

    def handset_connected(self) -> None:
        self._owner.connected(self._id)

    def handset_digit(self, digit: str, duration_ms: int) -> None:
        self._owner.digit(self._id, digit, duration_ms)

    def handset_closed(self, reason: str, cause: str) -> None:
        self._owner.closed(self._id, reason, cause)


class Handsets:
    """All handsets of the agent.

    `call(id)` finds a running call or raises NotFound, Conflict. `company(call)`: it, and those in conference with it.
    """

    def __init__(
        self, world: World, stack: HandsetStack, call: Callable[[str], Call], company: Callable[[Call], list[Call]]
    ) -> None:
        self._world = world
        self._stack = stack
        self._call = call
        self._company = company
        self._lines: dict[str, _Line] = {}
        self._made: Edges = {}
        self._taps: Edges = {}
        self._deaf: Callable[[], None] | None = None
        self._opening = 0

    # ---- commands

    async def open(self, offer_sdp: str, name: str = "") -> tuple[HandsetView, str]:
        """Answers a browser's offer; returns the handset and the answer. Raises UsageError, Conflict, MediaError."""
        if len(self._lines) + self._opening >= MOST_HANDSETS:
            raise Conflict(f"{MOST_HANDSETS} handsets are open already")
        line = _Line(self._world.new_id("h"), name)
        self._opening += 1
        try:
            line.handset = await self._stack.answer(offer_sdp, _Sink(self, line.id), name or line.id)
        finally:
            self._opening -= 1
        self._lines[line.id] = line
        self._listen()
        self._tell(events.HandsetOpened(handset=line.id, name=line.name, codec=line.handset.codec))
        return self._view(line), line.handset.answer_sdp

    def attach(self, handset_id: str, call_id: str, mode: HandsetMode) -> HandsetView:
        """Connects a handset to a call, or changes its mode there. Raises NotFound, Conflict, UsageError."""
        if mode not in get_args(HandsetMode):
            raise UsageError(f"mode {mode!r}: a handset listens (listen), talks (talk) or whispers (whisper)")
        line = self._get(handset_id)
        call = self._call(call_id)
        call.needs_media("be heard in a handset")
        call.sounds.line.on_change = self._refresh
        if line.calls.get(call_id) != mode:
            line.calls[call_id] = mode
            self._refresh()
            self._tell(events.HandsetAttached(handset=handset_id, call=call_id, mode=mode))
        return self._view(line)

    def detach(self, handset_id: str, call_id: str | None = None) -> HandsetView:
        """Takes a handset out of one call, or of all. Raises NotFound."""
        line = self._get(handset_id)
        if call_id is not None and call_id not in line.calls:
            raise NotFound(f"handset {handset_id} is not in call {call_id}")
        self._leave(line, list(line.calls) if call_id is None else [call_id], "asked")
        return self._view(line)

    async def close(self, handset_id: str) -> None:
        """Ends it. Raises NotFound."""
        if (handset := self._get(handset_id).handset) is not None:
            await handset.close()

    def send_digits(self, handset_id: str, digits: str, duration_ms: int) -> None:
        """Sends keys to the handset itself (RFC 4733). Raises NotFound, Conflict where it does not take them."""
        handset = self._get(handset_id).handset
        if handset is None or not all(handset.send_digit(digit, duration_ms) for digit in digits):
            raise Conflict(f"handset {handset_id} takes no (more) digits")

    async def close_all(self) -> None:
        """The agent stops."""
        await asyncio.gather(*(line.handset.close() for line in list(self._lines.values()) if line.handset))
        await self._stack.close()

    def views(self) -> list[HandsetView]:
        return [self._view(line) for line in self._lines.values()]

    def view(self, handset_id: str) -> HandsetView:
        """Raises NotFound."""
        return self._view(self._get(handset_id))

    # ---- what handsets report

    def connected(self, handset_id: str) -> None:
        line = self._lines.get(handset_id)
        if line is None or line.handset is None:
            return
        line.connected = True
        figures = line.handset.figures()
        self._tell(
            events.HandsetConnected(
                handset=handset_id,
                remote=figures.remote_address,
                local_candidate=figures.local_candidate,
                remote_candidate=figures.remote_candidate,
            )
        )

    def digit(self, handset_id: str, digit: str, duration_ms: int) -> None:
        """A key was pressed: it goes to the calls that the handset talks in."""
        line = self._lines.get(handset_id)
        if line is None:
            return
        talking = [call_id for call_id, mode in line.calls.items() if mode == "talk"]
        self._tell(events.HandsetDigit(handset=handset_id, digit=digit, duration_ms=duration_ms, calls=talking))
        for call_id in talking:
            try:
                self._call(call_id).send_digits(digit, "auto", min(max(duration_ms, 80), 2000), DIGIT_PAUSE_MS)
            except SoftphoneError as error:
                log.info("a key pressed on handset %s did not reach call %s: %s", handset_id, call_id, error)

    def closed(self, handset_id: str, reason: str, cause: str) -> None:
        line = self._lines.get(handset_id)
        if line is None:
            return
        self._leave(line, list(line.calls), "closed")
        figures = asdict(line.handset.figures()) if line.handset else None
        if (port := line.port) is not None:
            self._world.graph.remove(port)
        del self._lines[handset_id]
        self._refresh()
        self._listen()
        self._tell(events.HandsetClosed(handset=handset_id, reason=reason, cause=cause, figures=figures))

    # ---- what calls do

    def _listen(self) -> None:
        """The bus is listened to while there is a handset, and not otherwise."""
        if self._lines and self._deaf is None:
            self._deaf = self._world.bus.listen(self._happened)
        elif not self._lines and self._deaf is not None:
            self._deaf()
            self._deaf = None

    def _happened(self, record: Record) -> None:
        event = record.event
        if isinstance(event, events.CallEnded):
            for line in list(self._lines.values()):
                if event.call in line.calls:
                    self._leave(line, [event.call], "call_ended")
        elif event.type in CHANGES or isinstance(event, events.ConferenceEvent):
            self._refresh()

    def _leave(self, line: _Line, calls: Iterable[str], reason: str) -> None:
        left = [call_id for call_id in calls if line.calls.pop(call_id, None)]
        self._refresh()
        for call_id in left:
            self._tell(events.HandsetDetached(handset=line.id, call=call_id, reason=reason))

    # ---- who hears whom

    def _refresh(self) -> None:
        """Brings the mixer in step: what is no longer wanted goes, what is wanted comes."""
        wanted: Edges = {}
        taps: Edges = {}
        for line in self._lines.values():
            for source, sink in self._voices(line):
                wanted[source, sink] = None
            for call in self._heard(line):
                wanted[call.port, line.port] = None  # type: ignore[index]  # it has a port, or nothing is heard
                taps[call.port, line.port] = None  # type: ignore[index]
        graph = self._world.graph
        for source, sink in [edge for edge in self._made if edge not in wanted]:
            graph.disconnect(source, sink)
        for port, listener in [tap for tap in self._taps if tap not in taps]:
            graph.untap_output(port, listener)
        self._made, self._taps = wanted, taps
        for source, sink in wanted:
            graph.connect(source, sink)
        for port, listener in taps:
            graph.tap_output(port, listener)

    def _heard(self, line: _Line) -> Iterator[Call]:
        """The calls whose far ends a handset hears."""
        if line.port is not None:
            for call_id in line.calls:
                yield from self._together(call_id)

    def _together(self, call_id: str) -> list[Call]:
        """The call and those it is in conference with; none while our side has stepped out."""
        try:
            call = self._call(call_id)
        except UsageError:  # it ends in this very moment
            return []
        return [member for member in self._company(call) if not member.sounds.apart]

    def _voices(self, line: _Line) -> Iterator[tuple[Port, Port]]:
        """Where a handset is heard."""
        port = line.port
        if port is None:
            return
        for call_id, mode in line.calls.items():
            if mode == "listen":
                continue
            for call in self._together(call_id):
                if mode == "talk":
                    yield port, call.port
                yield from ((port, ear) for ear in self._ears(call) if ear is not port)

    def _ears(self, call: Call) -> Iterator[Port]:
        """Our side of a call: its sound device and its handsets."""
        if (device := call.sounds.line.device) is not None and not call.sounds.line.silenced:
            yield device.port
        for other in self._lines.values():
            if call.id in other.calls and other.port is not None:
                yield other.port

    def _get(self, handset_id: str) -> _Line:
        if line := self._lines.get(handset_id):
            return line
        raise NotFound(f"there is no handset {handset_id}")

    def _view(self, line: _Line) -> HandsetView:
        figures: dict[str, Any] = asdict(line.handset.figures()) if line.handset else {}
        return HandsetView(
            id=line.id,
            name=line.name,
            state="connected" if line.connected else "connecting",
            codec=line.handset.codec if line.handset else "",
            calls=dict(line.calls),
            figures=figures,
        )

    def _tell(self, event: events.Event) -> None:
        self._world.bus.publish(event)
