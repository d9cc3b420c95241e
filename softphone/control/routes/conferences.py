"""Conferences: merge calls, split them again, step in and out."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import quote

from fastapi import Path
from starlette.responses import Response

from softphone.control.models import ConferenceRequest, LocalRequest
from softphone.control.routes.base import BAD_BODY, WRONG_STATE, Agent, problems, reply, router
from softphone.engine.views import ConferenceView

routes = router("conferences")

ConferenceId = Annotated[str, Path(alias="id", description="The conference's id.", examples=["f1"])]
Member = Annotated[str, Path(description="The call's id.", examples=["c1"])]
GONE = {"_404": "There is no such conference, or no such call."}


@routes.get("/v1/conferences", response_model=list[ConferenceView], responses=problems())
async def list_conferences(agent: Agent) -> Response:
    """The conferences that are going on."""
    return reply(list(agent.conferences()))


@routes.post(
    "/v1/conferences",
    status_code=201,
    response_model=ConferenceView,
    responses=problems(**BAD_BODY, **WRONG_STATE, _404="There is no such call."),
)
async def start_conference(agent: Agent, body: ConferenceRequest) -> Response:
    """Merges answered calls, so that all hear each other."""
    made = agent.start_conference(body.calls, local=body.local)
    return reply(made, 201, {"Location": f"/v1/conferences/{quote(made.id, safe='')}"})


@routes.get("/v1/conferences/{id}", response_model=ConferenceView, responses=problems(**GONE))
async def get_conference(agent: Agent, conference_id: ConferenceId) -> Response:
    """One conference."""
    return reply(agent.conference(conference_id))


@routes.delete("/v1/conferences/{id}", status_code=204, responses=problems(**GONE))
async def end_conference(agent: Agent, conference_id: ConferenceId) -> Response:
    """Splits it: every call goes on by itself."""
    agent.end_conference(conference_id)
    return Response(status_code=204)


@routes.put(
    "/v1/conferences/{id}/calls/{call}", response_model=ConferenceView, responses=problems(**GONE, **WRONG_STATE)
)
async def add_to_conference(agent: Agent, conference_id: ConferenceId, call: Member) -> Response:
    """One more call."""
    return reply(agent.add_to_conference(conference_id, call))


@routes.delete("/v1/conferences/{id}/calls/{call}", status_code=204, responses=problems(**GONE))
async def remove_from_conference(agent: Agent, conference_id: ConferenceId, call: Member) -> Response:
    """Takes a call out; it goes on by itself. A conference of fewer than two calls ends."""
    agent.remove_from_conference(conference_id, call)
    return Response(status_code=204)


@routes.post("/v1/conferences/{id}/local", response_model=ConferenceView, responses=problems(**GONE, **BAD_BODY))
async def set_conference_local(agent: Agent, conference_id: ConferenceId, body: LocalRequest) -> Response:
    """Our side steps in or out; the members go on hearing each other."""
    return reply(agent.set_conference_local(conference_id, body.local))
