"""SIP messages: of a call, of an account, or all of them, in several forms; and whether they are kept at all."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Query
from starlette.responses import Response

from softphone.control.models import TraceRequest
from softphone.control.routes.base import (
    BAD_BODY,
    NO_ACCOUNT,
    NO_CALL,
    AccountId,
    Agent,
    Bounds,
    CallId,
    Client,
    Responses,
    problems,
    reply,
    router,
    while_connected,
)
from softphone.errors import Conflict
from softphone.tracing.ladder import MIN_WIDTH, WIDTH
from softphone.tracing.outlets import Format, render
from softphone.tracing.store import Entry
from softphone.tracing.tracer import Tracer
from softphone.tracing.views import MessageView, TraceStatus

routes = router("trace")

HINT = "switch it on with PUT /v1/trace, `softphone trace on`, or `trace: {sip: on}` in the configuration"


@dataclass(frozen=True, slots=True)
class TraceView:
    """SIP messages, oldest first."""

    messages: list[MessageView]
    last: int
    """`after` for those that come later."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """The query that all traces take."""

    form: Annotated[
        Format, Query(alias="format", description="json; text; ladder (text); svg (a ladder); pcap (for Wireshark).")
    ] = "json"
    after: Annotated[int, Query(ge=0, description="Only messages with a higher `seq`.")] = 0
    wait_s: Annotated[
        float, Query(ge=0, le=86_400, description="Where there is none yet: wait for so long for one.")
    ] = 0.0
    width: Annotated[int, Query(ge=MIN_WIDTH, le=500, description="ladder: length of a line.")] = WIDTH


Query_ = Annotated[Wanted, Depends()]
FORMS: Responses = {
    200: {
        "model": TraceView,
        "description": "The messages, in the form that was asked for.",
        "content": {
            "text/plain": {"schema": {"type": "string"}},
            "image/svg+xml": {"schema": {"type": "string"}},
            "application/vnd.tcpdump.pcap": {"schema": {"type": "string", "format": "binary"}},
        },
    }
}
OFF = {"_409": "SIP messages are not traced, and none are kept."}


@routes.get("/v1/trace", responses=problems(**OFF) | FORMS)
async def get_trace(agent: Agent, client: Client, limits: Bounds, wanted: Query_) -> Response:
    """All SIP messages that are kept."""
    return await _answer(agent.tracing, client, limits, wanted, "all SIP messages")


@routes.get("/v1/calls/{id}/trace", responses=problems(**NO_CALL, **OFF) | FORMS)
async def get_call_trace(agent: Agent, client: Client, limits: Bounds, call_id: CallId, wanted: Query_) -> Response:
    """The SIP messages of a call."""
    if not agent.tracing.knows_call(call_id):
        agent.call(call_id)
    return await _answer(agent.tracing, client, limits, wanted, f"call {call_id}", call=call_id)


@routes.get("/v1/accounts/{id}/trace", responses=problems(**NO_ACCOUNT | OFF) | FORMS)
async def get_account_trace(
    agent: Agent, client: Client, limits: Bounds, account_id: AccountId, wanted: Query_
) -> Response:
    """The SIP messages of an account, its calls included."""
    account = agent.account(account_id).id
    return await _answer(agent.tracing, client, limits, wanted, f"account {account}", account=account)


async def _answer(
    tracing: Tracer, client: Client, limits: Bounds, wanted: Wanted, title: str, *, call: str = "", account: str = ""
) -> Response:
    if not tracing.active and not len(tracing):
        raise Conflict(f"SIP messages are not traced; {HINT}")
    found = tracing.entries(call=call, account=account, after=wanted.after)
    if found or not wanted.wait_s:
        return await _document(found, wanted, title)
    wait_s = min(wanted.wait_s, limits.max_wait_s)

    async def later() -> Response:
        found = await tracing.wait(call=call, account=account, after=wanted.after, timeout_s=wait_s)
        return await _document(found, wanted, title)

    return await while_connected(client, later())


async def _document(found: list[Entry], wanted: Wanted, title: str) -> Response:
    """Made by a worker: thousands of messages would hold the loop for a second."""
    return await asyncio.to_thread(_made, found, wanted, title)


def _made(found: list[Entry], wanted: Wanted, title: str) -> Response:
    if wanted.form == "json":
        last = found[-1].seq if found else wanted.after
        return reply(TraceView([MessageView.of(entry) for entry in found], last))
    body, media_type = render(found, wanted.form, title, wanted.width)
    return Response(body, media_type=media_type)


@routes.get("/v1/trace/status", response_model=TraceStatus, responses=problems())
async def get_trace_status(agent: Agent) -> Response:
    """Whether SIP messages are kept, and how many are."""
    return reply(agent.tracing.status())


@routes.put("/v1/trace", response_model=TraceStatus, responses=problems(**NO_ACCOUNT, **BAD_BODY))
async def switch_trace(agent: Agent, body: TraceRequest) -> Response:
    """Keeps SIP messages from now on, or no longer."""
    agent.tracing.switch(body.on, agent.account(body.account).id if body.account else "")
    return reply(agent.tracing.status())


@routes.delete("/v1/trace", status_code=204, responses=problems())
async def clear_trace(agent: Agent) -> Response:
    """Forgets every message that is kept."""
    agent.tracing.clear()
    return Response(status_code=204)
