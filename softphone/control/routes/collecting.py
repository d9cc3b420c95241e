"""Digits that the far end types, put together."""

from __future__ import annotations

import asyncio
from typing import Annotated

from fastapi import Path, Query
from starlette.responses import Response

from softphone.control.models import CollectRequest
from softphone.control.routes.base import (
    BAD_BODY,
    NO_CALL,
    WRONG_STATE,
    Agent,
    Bounds,
    CallId,
    problems,
    reply,
    router,
)
from softphone.engine.collecting import CollectPlan
from softphone.engine.views import CollectView

routes = router("media")

CollectId = Annotated[str, Path(description="The collection's id.", examples=["g1"])]
GONE = problems(_404="There is no such call or collection.", **WRONG_STATE)


@routes.post(
    "/v1/calls/{id}/collect",
    status_code=201,
    response_model=CollectView,
    responses=problems(**NO_CALL, **WRONG_STATE, **BAD_BODY),
)
async def collect_digits(agent: Agent, call_id: CallId, body: CollectRequest | None = None) -> Response:
    """Collects digits that the far end types. `digits.collected` tells the result; so does the collection itself."""
    wish = body or CollectRequest()
    return reply(agent.start_collect(call_id, CollectPlan(**wish.model_dump())), 201)


@routes.get("/v1/calls/{id}/collects/{collect_id}", response_model=CollectView, responses=GONE)
async def get_collected(
    agent: Agent,
    limits: Bounds,
    call_id: CallId,
    collect_id: CollectId,
    timeout_s: Annotated[float, Query(ge=0, le=86_400, description="How long to wait for its end.")] = 0.0,
) -> Response:
    """The running collection, or the call's last one. With `timeout_s` a long poll for its end."""
    try:
        async with asyncio.timeout(min(timeout_s, limits.max_wait_s)):
            return reply(await agent.collected(call_id, collect_id))
    except TimeoutError:
        return reply(agent.collecting(call_id, collect_id))


@routes.delete("/v1/calls/{id}/collects/{collect_id}", response_model=CollectView, responses=GONE)
async def stop_collecting(agent: Agent, call_id: CallId, collect_id: CollectId) -> Response:
    """Ends it now; what was typed so far is the result."""
    return reply(agent.stop_collect(call_id, collect_id))


@routes.delete("/v1/calls/{id}/typed", status_code=204, responses=problems(**NO_CALL, **WRONG_STATE))
async def forget_typed(agent: Agent, call_id: CallId) -> Response:
    """Drops the digits that came before anybody asked."""
    agent.forget_typed(call_id)
    return Response(status_code=204)
