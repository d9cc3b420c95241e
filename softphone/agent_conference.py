"""What the phone can do with several calls at once: conferences and bridges."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

from softphone.engine.call import Call
from softphone.engine.conferences import Conferences
from softphone.engine.views import ConferenceView


class ConferenceCommands(ABC):
    """Part of `Agent`. A conference is named by its id, a call by its own; NotFound and Conflict as everywhere."""

    _conferences: Conferences

    @abstractmethod
    def _running(self, call_id: str) -> Call: ...

    def conferences(self) -> list[ConferenceView]:
        return self._conferences.views()

    def conference(self, conference_id: str) -> ConferenceView:
        return self._conferences.view(conference_id)

    def start_conference(self, calls: Sequence[str], *, local: bool = True) -> ConferenceView:
        """Merges calls, so that all hear each other; without `local` our side steps out (two calls: a bridge)."""
        return self._conferences.start([self._running(call) for call in calls], local=local)

    def add_to_conference(self, conference_id: str, call_id: str) -> ConferenceView:
        return self._conferences.add(conference_id, self._running(call_id))

    def remove_from_conference(self, conference_id: str, call_id: str) -> None:
        """The call goes on by itself."""
        self._conferences.remove(conference_id, call_id)

    def set_conference_local(self, conference_id: str, local: bool) -> ConferenceView:
        """Whether our side takes part."""
        return self._conferences.set_local(conference_id, local)

    def end_conference(self, conference_id: str) -> None:
        """Splits it: every call goes on by itself."""
        self._conferences.end(conference_id)
