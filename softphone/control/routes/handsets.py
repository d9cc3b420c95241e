"""Handsets: browsers and other WebRTC clients as microphones and ears of calls."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import quote

from fastapi import Path
from starlette.responses import Response

from softphone.control.models import AttachRequest, HandsetAnswer, HandsetDigitsRequest, HandsetRequest
from softphone.control.routes.base import BAD_BODY, WRONG_STATE, Agent, problems, reply, router
from softphone.engine.views import HandsetView

routes = router("handsets")

HandsetId = Annotated[str, Path(alias="id", description="The handset's id.", examples=["h1"])]
InCall = Annotated[str, Path(description="The call's id.", examples=["c1"])]
GONE = {"_404": "There is no such handset, or no such call."}


@routes.get("/v1/handsets", response_model=list[HandsetView], responses=problems())
async def list_handsets(agent: Agent) -> Response:
    """The handsets that are open, with the figures of their sound."""
    return reply(list(agent.handsets()))


@routes.post(
    "/v1/handsets", status_code=201, response_model=HandsetAnswer, responses=problems(**BAD_BODY, **WRONG_STATE)
)
async def open_handset(agent: Agent, body: HandsetRequest) -> Response:
    """Answers an offer. The answer holds a password of ICE: it is for the offerer alone."""
    view, answer = await agent.open_handset(body.sdp, name=body.name)
    location = {"Location": f"/v1/handsets/{quote(view.id, safe='')}"}
    return reply(HandsetAnswer(handset=view, sdp=answer), 201, location)


@routes.get("/v1/handsets/{id}", response_model=HandsetView, responses=problems(**GONE))
async def get_handset(agent: Agent, handset_id: HandsetId) -> Response:
    """One handset."""
    return reply(agent.handset(handset_id))


@routes.delete("/v1/handsets/{id}", status_code=204, responses=problems(**GONE))
async def close_handset(agent: Agent, handset_id: HandsetId) -> Response:
    """Ends a handset; its calls go on."""
    await agent.close_handset(handset_id)
    return Response(status_code=204)


@routes.put(
    "/v1/handsets/{id}/calls/{call}",
    response_model=HandsetView,
    responses=problems(**GONE, **BAD_BODY, **WRONG_STATE),
)
async def attach_handset(agent: Agent, handset_id: HandsetId, call: InCall, body: AttachRequest) -> Response:
    """Connects a handset to a call, or changes how it takes part."""
    return reply(await agent.attach_handset(handset_id, call, body.mode, take_over=body.take_over))


@routes.delete("/v1/handsets/{id}/calls/{call}", response_model=HandsetView, responses=problems(**GONE))
async def detach_handset(agent: Agent, handset_id: HandsetId, call: InCall) -> Response:
    """Takes a handset out of a call; both go on."""
    return reply(agent.detach_handset(handset_id, call))


@routes.post("/v1/handsets/{id}/digits", status_code=202, responses=problems(**GONE, **BAD_BODY, **WRONG_STATE))
async def send_handset_digits(agent: Agent, handset_id: HandsetId, body: HandsetDigitsRequest) -> Response:
    """Sends keys to the handset itself (RFC 4733), for clients that are no browsers."""
    agent.send_handset_digits(handset_id, body.digits, duration_ms=body.duration_ms)
    return Response(status_code=202)
