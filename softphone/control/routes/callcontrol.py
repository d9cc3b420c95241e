"""Calls that are up: hold, mute, transfer; and incoming ones that are sent elsewhere."""

from __future__ import annotations

from starlette.responses import Response

from softphone.control.models import CommandRequest, RedirectRequest, TransferRequest
from softphone.control.routes.base import BAD_BODY, NO_CALL, WRONG_STATE, Agent, CallId, problems, reply, router
from softphone.engine.views import CallView

routes = router("calls")

ON_CALL = problems(**NO_CALL, **WRONG_STATE)
ON_CALL_WITH_BODY = problems(**NO_CALL, **WRONG_STATE, **BAD_BODY)


@routes.post("/v1/calls/{id}/hold", status_code=202, response_model=CallView, responses=ON_CALL_WITH_BODY)
async def hold_call(agent: Agent, call_id: CallId, body: CommandRequest | None = None) -> Response:
    """Holds: neither side hears the other. `call.hold` says when the far end has agreed."""
    agent.hold(call_id, headers=body.headers if body else None)
    return reply(agent.call(call_id), 202)


@routes.post("/v1/calls/{id}/resume", status_code=202, response_model=CallView, responses=ON_CALL_WITH_BODY)
async def resume_call(agent: Agent, call_id: CallId, body: CommandRequest | None = None) -> Response:
    """Ends our hold. `call.hold` says when the far end has agreed."""
    agent.resume(call_id, headers=body.headers if body else None)
    return reply(agent.call(call_id), 202)


@routes.post("/v1/calls/{id}/mute", response_model=CallView, responses=ON_CALL)
async def mute_call(agent: Agent, call_id: CallId) -> Response:
    """The far end hears nothing of our side any more."""
    agent.mute(call_id)
    return reply(agent.call(call_id))


@routes.post("/v1/calls/{id}/unmute", response_model=CallView, responses=ON_CALL)
async def unmute_call(agent: Agent, call_id: CallId) -> Response:
    """The far end hears our side again."""
    agent.unmute(call_id)
    return reply(agent.call(call_id))


@routes.post("/v1/calls/{id}/transfer", status_code=202, response_model=CallView, responses=ON_CALL_WITH_BODY)
async def transfer_call(agent: Agent, call_id: CallId, body: TransferRequest) -> Response:
    """Sends the far end to a number (blind), or connects it with the far end of another call (attended).

    `call.transfer` tells how it goes; after success the calls end with reason `transferred`.
    """
    if body.call is not None:
        agent.transfer_to(call_id, body.call, headers=body.headers)
    else:
        agent.transfer(call_id, body.target or "", headers=body.headers)
    return reply(agent.call(call_id), 202)


@routes.post("/v1/calls/{id}/redirect", status_code=202, response_model=CallView, responses=ON_CALL_WITH_BODY)
async def redirect_call(agent: Agent, call_id: CallId, body: RedirectRequest) -> Response:
    """Sends the caller of an incoming call elsewhere (302)."""
    agent.redirect(call_id, body.target)
    return reply(agent.call(call_id), 202)
