"""Calls that a program has asked the PBX for: answered by themselves when they come."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import quote

from fastapi import Path
from starlette.responses import Response

from softphone.control.models import ExpectRequest
from softphone.control.routes.base import BAD_BODY, NO_ACCOUNT, Agent, problems, reply, router
from softphone.engine.views import ExpectedView

routes = router("calls")

ExpectId = Annotated[str, Path(alias="id", description="The announcement's id.", examples=["x1"])]


@routes.get("/v1/expected", response_model=list[ExpectedView], responses=problems())
async def list_expected(agent: Agent) -> Response:
    """The calls that are expected now."""
    return reply(list(agent.expected_calls()))


@routes.post("/v1/expected", status_code=201, response_model=ExpectedView, responses=problems(**BAD_BODY, **NO_ACCOUNT))
async def expect_call(agent: Agent, body: ExpectRequest) -> Response:
    """Announces a call: the next one that fits is answered by itself, once. `expect.ended` tells what became of it."""
    made = agent.expect_call(
        body.account, caller=body.caller, within_s=body.within_s, after_s=body.after_s, asked_only=body.asked_only
    )
    return reply(made, 201, {"Location": f"/v1/expected/{quote(made.id, safe='')}"})


@routes.delete("/v1/expected/{id}", status_code=204, responses=problems(_404="No such call is expected (any more)."))
async def forget_expected(agent: Agent, expect_id: ExpectId) -> Response:
    """Takes it back."""
    agent.forget_expected(expect_id)
    return Response(status_code=204)
