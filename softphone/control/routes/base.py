"""What all routes share: how they find the agent, how they answer, what errors they declare."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Request
from fastapi.routing import APIRoute
from pydantic_core import to_json
from starlette.responses import Response

from softphone.control.api import AgentApi
from softphone.control.connections import Connection, connection_of
from softphone.control.limits import Limits
from softphone.control.problems import STOPPING
from softphone.listening.problems import MEDIA_TYPE, Problem

Responses = dict[int | str, dict[str, Any]]

PROBLEM_REF = {"$ref": "#/components/schemas/ProblemDocument"}


async def _agent(request: Request) -> AgentApi:
    found: AgentApi = request.app.state.agent
    return found


async def _connection(request: Request) -> Connection:
    return connection_of(request)


async def _limits(request: Request) -> Limits:
    found: Limits = request.app.state.limits
    return found


Agent = Annotated[AgentApi, Depends(_agent)]
Client = Annotated[Connection, Depends(_connection)]
Bounds = Annotated[Limits, Depends(_limits)]
CallId = Annotated[str, Path(alias="id", description="The call's id.", examples=["c1"])]
AccountId = Annotated[
    str, Path(alias="id", description="The account's id, or its username if unique.", examples=["901@pbx.example"])
]


class Json(Response):
    """A view, or views. They are ours and right by type, so nothing validates them again on the way out."""

    media_type = "application/json"

    def render(self, content: object) -> bytes:
        return to_json(content, inf_nan_mode="null", fallback=str)


def reply(value: object, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """A view, or views, as JSON."""
    return Json(value, status, headers)


def problems(**descriptions: str) -> Responses:
    """OpenAPI's `responses` for errors: `problems(_404="no such call")`."""
    content = {MEDIA_TYPE: {"schema": PROBLEM_REF}}
    found: Responses = {int(k.lstrip("_")): {"description": v, "content": content} for k, v in descriptions.items()}
    return found | {"default": {"description": "Any other problem.", "content": content}}


def router(tag: str) -> APIRouter:
    """A router whose operations belong to one resource."""
    return APIRouter(tags=[tag], default_response_class=Json, generate_unique_id_function=_operation_id)


def _operation_id(route: APIRoute) -> str:
    """The handler's name: short and unique, so that client generators give methods good names."""
    return route.name


async def while_connected(client: Connection, work: Awaitable[object]) -> Response:
    """The outcome of `work`, broken off when the client goes or the server stops."""
    task = asyncio.current_task()
    broken_off = False

    def break_off() -> None:
        nonlocal broken_off
        if task is not None:
            broken_off = True
            task.cancel()

    with client.on_end(break_off):
        try:
            found = await work
            return found if isinstance(found, Response) else reply(found)
        except asyncio.CancelledError:
            if not broken_off or task is None or task.uncancel() > 0:
                raise
    return Problem(STOPPING, "the wait was broken off because the daemon stops").response()


NO_CALL = {"_404": "There is no such call (ended ones are forgotten after some minutes)."}
WRONG_STATE = {"_409": "The call's state forbids it."}
NO_ACCOUNT = {"_404": "There is no such account.", "_409": "More than one account has this username."}
BAD_BODY = {"_400": "The body is not JSON.", "_415": "The body is not declared as JSON.", "_422": "A wrong value."}
