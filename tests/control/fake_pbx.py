"""The part of the scripted agent that is about the PBX: two timelines that never change, and clicks that are noted."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from softphone.engine.views_pbx import ClickView
from softphone.errors import NotFound
from softphone.timeline.differences import Policy
from softphone.timeline.joining import join
from softphone.timeline.query import Query
from softphone.timeline.record import tell
from softphone.timeline.views import TimelinePage, TimelineView
from tests.timeline.story import T0, Story, good_call

ALL = Policy(expects=frozenset({"pbx", "cdr"}))


def known() -> list[TimelineView]:
    """A call that all agree about, and one that never came."""
    never = Story()
    never.live(0, "ringing", uuid="u2", number="33612345678", direction="inbound")
    return [tell(joined, ALL, T0 + 1000) for story in (never, good_call()) for joined in join(story.facts)]


class FakePbx:
    """Mixed into the scripted agent."""

    def _note(self, *command: Any) -> None:
        raise NotImplementedError

    async def timelines(self, query: Query | None = None) -> TimelinePage:
        query = query or Query()
        self._note("timelines", query)
        found = [replace(view, entries=[]) for view in known() if query.number in view.number]
        return TimelinePage(timelines=found[: query.limit], next="1.5:t1" if len(found) > query.limit else None)

    async def timeline(self, name: str) -> TimelineView:
        for view in known():
            if name in (view.id, view.call, view.call_uuid):
                return view
        raise NotFound(f"there is no timeline {name}")

    async def click_to_call(self, destination: str, **wanted: Any) -> ClickView:
        self._note("click_to_call", destination, wanted)
        account = wanted["account"] or "901@pbx.example"
        return ClickView(
            call_uuid="u1", account=account, destination=destination, expect="x1", recorded=True, recording="+OK"
        )
