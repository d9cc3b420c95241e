"""Calls that hear each other: each is connected to each on the mixer, so that nobody hears himself.

The connections are the graph's: a call that is held drops out by itself and is back when it is resumed.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from softphone import events
from softphone.engine.call import Call
from softphone.engine.views import ConferenceView
from softphone.engine.world import World
from softphone.errors import NotFound, UsageError


@dataclass(slots=True)
class _Conference:
    id: str
    local: bool
    members: list[Call]

    @property
    def calls(self) -> list[str]:
        return [call.id for call in self.members]

    def view(self) -> ConferenceView:
        return ConferenceView(id=self.id, calls=self.calls, local=self.local)


class Conferences:
    """All conferences. A call is a member of one at most; a conference of fewer than two calls is over."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._all: dict[str, _Conference] = {}

    def views(self) -> list[ConferenceView]:
        return [conference.view() for conference in self._all.values()]

    def view(self, conference_id: str) -> ConferenceView:
        """Raises NotFound."""
        return self._get(conference_id).view()

    def start(self, calls: Iterable[Call], *, local: bool) -> ConferenceView:
        """Merges answered calls. Raises UsageError for fewer than two, Conflict for one that cannot take part."""
        members = list(dict.fromkeys(calls))
        if len(members) < 2:
            raise UsageError("a conference needs two calls at least")
        for call in members:
            call.needs_conference()
        conference = _Conference(self._world.new_id("f"), local, [])
        self._all[conference.id] = conference
        for call in members:
            self._join(conference, call)
        self._tell(events.ConferenceStarted, conference)
        return conference.view()

    def add(self, conference_id: str, call: Call) -> ConferenceView:
        """One more. Raises NotFound, Conflict."""
        conference = self._get(conference_id)
        call.needs_conference()
        self._join(conference, call)
        self._tell(events.ConferenceChanged, conference)
        return conference.view()

    def remove(self, conference_id: str, call_id: str) -> None:
        """Takes one out; its call goes on by itself. Raises NotFound."""
        conference = self._get(conference_id)
        call = next((call for call in conference.members if call.id == call_id), None)
        if call is None:
            raise NotFound(f"call {call_id} is not in conference {conference_id}")
        self._leave(conference, call)
        self._changed(conference)

    def set_local(self, conference_id: str, local: bool) -> ConferenceView:
        """Whether our side takes part. Raises NotFound."""
        conference = self._get(conference_id)
        if conference.local != local:
            conference.local = local
            for call in conference.members:
                call.sounds.set_apart(not local)
            self._tell(events.ConferenceChanged, conference)
        return conference.view()

    def end(self, conference_id: str) -> None:
        """Splits it: every call goes on by itself. Raises NotFound."""
        self._close(self._get(conference_id))

    def call_over(self, call: Call) -> None:
        """The call has ended; the mixer knows already."""
        if conference := self._all.get(call.conference):
            self._leave(conference, call)
            self._changed(conference)

    def company(self, call: Call) -> list[Call]:
        """The call and those that it is in conference with."""
        conference = self._all.get(call.conference)
        return list(conference.members) if conference else [call]

    def _get(self, conference_id: str) -> _Conference:
        if conference := self._all.get(conference_id):
            return conference
        raise NotFound(f"there is no conference {conference_id}")

    def _join(self, conference: _Conference, call: Call) -> None:
        for other in conference.members:
            self._world.graph.bridge(call.port, other.port)
        conference.members.append(call)
        call.conference = conference.id
        call.sounds.set_apart(not conference.local)

    def _leave(self, conference: _Conference, call: Call) -> None:
        conference.members.remove(call)
        call.conference = ""
        for other in conference.members:
            self._world.graph.unbridge(call.port, other.port)
        call.sounds.set_apart(False)

    def _changed(self, conference: _Conference) -> None:
        if len(conference.members) < 2:
            self._close(conference)
        else:
            self._tell(events.ConferenceChanged, conference)

    def _close(self, conference: _Conference) -> None:
        del self._all[conference.id]
        left = conference.calls
        for call in list(conference.members):
            self._leave(conference, call)
        self._world.bus.publish(events.ConferenceEnded(conference=conference.id, calls=left, local=conference.local))

    def _tell(self, event: type[events.ConferenceEvent], conference: _Conference) -> None:
        self._world.bus.publish(event(conference=conference.id, calls=conference.calls, local=conference.local))
