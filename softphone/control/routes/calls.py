"""Calls: dial, look, wait, answer, reject, hang up, digits."""

from __future__ import annotations

import asyncio
from typing import Annotated
from urllib.parse import quote

from fastapi import Query
from starlette.responses import Response

from softphone.control.api import WaitFor
from softphone.control.models import CommandRequest, DialRequest, DigitsRequest, RejectRequest
from softphone.control.routes.base import (
    BAD_BODY,
    NO_CALL,
    WRONG_STATE,
    Agent,
    Bounds,
    CallId,
    Client,
    problems,
    reply,
    router,
    while_connected,
)
from softphone.engine.views import CallView

routes = router("calls")

ON_CALL = problems(**NO_CALL, **WRONG_STATE)
ON_CALL_WITH_BODY = problems(**NO_CALL, **WRONG_STATE, **BAD_BODY)


@routes.get("/v1/calls", response_model=list[CallView], responses=problems())
async def list_calls(agent: Agent) -> Response:
    """The running calls."""
    return reply(list(agent.calls()))


@routes.post(
    "/v1/calls",
    status_code=201,
    response_model=CallView,
    responses=problems(
        **BAD_BODY,
        _404="There is no such account.",
        _409="The account is not registered, or the phone takes no new calls.",
        _502="The SIP side refused at once.",
    )
    | {201: {"description": "Dialling.", "headers": {"Location": {"schema": {"type": "string"}}}}},
)
async def dial(agent: Agent, body: DialRequest) -> Response:
    """Places a call. Returns at once; wait on the call, or follow its events, to learn how it fares."""
    audio = body.audio.as_route() if body.audio else None
    call = agent.dial(
        body.target,
        account=body.account,
        headers=body.headers,
        ring_timeout_s=body.ring_timeout_s,
        max_duration_s=body.max_duration_s,
        audio=audio,
        trace=body.trace,
    )
    return reply(call, 201, {"Location": f"/v1/calls/{quote(call.id, safe='')}"})


@routes.get("/v1/calls/{id}", response_model=CallView, responses=problems(**NO_CALL))
async def get_call(
    agent: Agent,
    client: Client,
    limits: Bounds,
    call_id: CallId,
    wait: Annotated[
        WaitFor | None, Query(description="Answer only when the call is answered (or over), or ended.")
    ] = None,
    timeout_s: Annotated[
        float, Query(ge=0, le=86_400, description="How long to wait; then the call is shown as it stands.")
    ] = 30.0,
) -> Response:
    """One call, also for some minutes after its end. With `wait` a long poll."""
    if wait is None:
        return reply(agent.call(call_id))
    timeout_s = min(timeout_s, limits.max_wait_s)
    try:
        async with asyncio.timeout(timeout_s + 1):
            return await while_connected(client, agent.wait(call_id, for_=wait, timeout_s=timeout_s))
    except TimeoutError:
        return reply(agent.call(call_id))


@routes.delete("/v1/calls/{id}", status_code=202, response_model=CallView, responses=ON_CALL)
async def delete_call(agent: Agent, call_id: CallId) -> Response:
    """Hangs up: cancels, rejects or ends the call, as its state asks."""
    agent.hang_up(call_id)
    return reply(agent.call(call_id), 202)


@routes.post("/v1/calls/{id}/hangup", status_code=202, response_model=CallView, responses=ON_CALL_WITH_BODY)
async def hang_up_call(agent: Agent, call_id: CallId, body: CommandRequest | None = None) -> Response:
    """Hangs up: the same as DELETE, with headers if wanted."""
    agent.hang_up(call_id, headers=body.headers if body else None)
    return reply(agent.call(call_id), 202)


@routes.post("/v1/calls/{id}/answer", status_code=202, response_model=CallView, responses=ON_CALL_WITH_BODY)
async def answer_call(agent: Agent, call_id: CallId, body: CommandRequest | None = None) -> Response:
    """Answers an incoming call."""
    agent.answer(call_id, headers=body.headers if body else None)
    return reply(agent.call(call_id), 202)


@routes.post("/v1/calls/{id}/reject", status_code=202, response_model=CallView, responses=ON_CALL_WITH_BODY)
async def reject_call(agent: Agent, call_id: CallId, body: RejectRequest | None = None) -> Response:
    """Turns an incoming call down."""
    wish = body or RejectRequest()
    agent.reject(call_id, wish.code, wish.reason, headers=wish.headers)
    return reply(agent.call(call_id), 202)


@routes.post("/v1/calls/{id}/dtmf", status_code=202, response_model=CallView, responses=ON_CALL_WITH_BODY)
async def send_digits(agent: Agent, call_id: CallId, body: DigitsRequest) -> Response:
    """Sends digits. Returns at once; `call.digits_sent` comes when the last one is out."""
    agent.send_digits(call_id, body.digits, method=body.method, duration_ms=body.duration_ms, pause_ms=body.pause_ms)
    return reply(agent.call(call_id), 202)
