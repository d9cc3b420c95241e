"""What happens to calls, as each extension sees it: the source of live events and webhooks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from softphone.lab.calls import CallRecord, Party
from softphone.lab.events import EventLog, LabEvent

State = Literal["ringing", "active", "held", "finished"]

_MOVES = ("call_answered", "call_held", "call_resumed", "call_transferred")


@dataclass(frozen=True)
class CallState:
    """A call has come to a new state for one of its extensions."""

    record: CallRecord
    party: Party
    state: State

    def frame(self, *, presence_prefix: str, unanswered: Literal["zero", "null", "missing"]) -> dict[str, Any]:
        """The `data` of a `call` event: epochs and duration in whole seconds."""
        record, party = self.record, self.party
        frame: dict[str, Any] = {
            "callUuid": record.uuid,
            "state": self.state,
            "direction": party.direction,
            "number": party.number,
            "presenceId": f"{party.extension}@{presence_prefix}{party.domain}",
            "createdEpoch": int(record.started_at),
            "answeredEpoch": int(record.answered_at) if record.answered_at is not None else None,
            "duration": int(record.talk_s),
        }
        if record.answered_at is None and unanswered != "null":
            if unanswered == "zero":
                frame["answeredEpoch"] = 0
            else:
                del frame["answeredEpoch"]
        return frame


class CallFeed:
    """Turns the lab's events into states per extension. An extension whose phone never rang hears nothing."""

    def __init__(self, events: EventLog, find: Callable[[str], CallRecord | None]) -> None:
        self._find = find
        self._listeners: list[Callable[[CallState], None]] = []
        self._told: dict[str, dict[Party, State]] = {}
        self._first_leg_up: set[str] = set()
        self._stop = events.listen(self._look)

    def listen(self, listener: Callable[[CallState], None]) -> None:
        """Be told of every state from now on."""
        self._listeners.append(listener)

    def close(self) -> None:
        """Look no more."""
        self._stop()

    def _look(self, event: LabEvent) -> None:
        record = self._find(event.data["call"]) if event.name.startswith(("call_", "leg_")) else None
        if record is None:
            return
        if event.name == "call_started":
            self._tell_all(record, "ringing", "outbound")
        elif event.name == "leg_answered":
            self._first_leg_up.add(record.uuid)
            if record.answered_at is not None:
                self._moves(record)
        elif event.name == "call_ringing":
            self._rings(record)
        elif event.name == "call_ended":
            self._ends(record)
        elif event.name in _MOVES:
            if event.name == "call_transferred":
                self._leaves(record, event.data["by"], event.data["to"])
            self._moves(record, answered=event.name == "call_answered")

    def _rings(self, record: CallRecord) -> None:
        """Whoever is called. In click-to-call the first phone that rings is the caller's own."""
        if record.origin != "click_to_call" or record.uuid in self._first_leg_up:
            self._tell_all(record, "ringing", "inbound")

    def _moves(self, record: CallRecord, *, answered: bool = False) -> None:
        """Who is in the call talks or is held; whose phone rang when somebody else picked up has nothing any more."""
        told = self._told.get(record.uuid, {})
        for party in tuple(record.parties):
            last = told.get(party)
            if last == "finished":
                continue
            if party.direction == "inbound" and not record.picked_up(party):
                if answered and last is not None:
                    self._tell(record, party, "finished")
                continue
            if last is None:
                self._tell(record, party, "ringing")  # picked up without a ring: nothing else came before
            self._tell(record, party, "held" if record.state == "held" else "active")

    def _leaves(self, record: CallRecord, by: str, to: str) -> None:
        """Whoever transferred the call is out of it."""
        direction = "outbound" if by == "caller" else "inbound"
        for party, state in tuple(self._told.get(record.uuid, {}).items()):
            if party.direction == direction and state != "finished" and party.extension != to:
                self._tell(record, party, "finished")

    def _ends(self, record: CallRecord) -> None:
        for party in tuple(self._told.get(record.uuid, {})):
            self._tell(record, party, "finished")
        self._told.pop(record.uuid, None)
        self._first_leg_up.discard(record.uuid)

    def _tell_all(self, record: CallRecord, state: State, direction: str) -> None:
        for party in tuple(record.parties):
            if party.direction == direction:
                self._tell(record, party, state)

    def _tell(self, record: CallRecord, party: Party, state: State) -> None:
        told = self._told.setdefault(record.uuid, {})
        if told.get(party) == state:
            return
        told[party] = state
        change = CallState(record, party, state)
        for listener in tuple(self._listeners):
            listener(change)
