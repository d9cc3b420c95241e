"""The control API as an ASGI application."""

from __future__ import annotations

import asyncio
from functools import cache
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from pydantic_core import to_json
from starlette.exceptions import HTTPException
from starlette.responses import Response

from softphone import __version__
from softphone.control.api import AgentApi
from softphone.control.guard import Guard
from softphone.control.limits import Limits
from softphone.control.openapi import document
from softphone.control.problems import on_http_error, on_softphone_error, on_validation_error
from softphone.control.routes import accounts, calls, events, media, process
from softphone.control.stream import Frames
from softphone.errors import SoftphoneError


def create_app(agent: AgentApi, limits: Limits | None = None) -> FastAPI:
    """The whole API of one agent. It runs on the agent's loop: every handler is a coroutine, none has a thread."""
    limits = limits or Limits()
    app = FastAPI(
        title="softphone control API",
        version=__version__,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        generate_unique_id_function=_operation_id,
        exception_handlers={
            SoftphoneError: on_softphone_error,
            RequestValidationError: on_validation_error,
            HTTPException: on_http_error,
        },
    )
    app.state.agent, app.state.limits, app.state.frames = agent, limits, Frames()
    app.add_middleware(Guard, limits=limits)
    for module in (process, accounts, calls, media, events):
        app.include_router(module.routes)
    _serve_document(app)
    return app


def _operation_id(route: APIRoute) -> str:
    """The function's name: short and unique, so that client generators give methods good names."""
    return route.name


def _serve_document(app: FastAPI) -> None:
    @cache
    def made() -> bytes:
        return to_json(document(app))

    async def serve(_: Request) -> Response:
        # a tenth of a second's work the first time: not on the phone's loop
        return Response(await asyncio.to_thread(made), media_type="application/json")

    app.add_route("/openapi.json", serve, methods=["GET"], include_in_schema=False)


def openapi() -> dict[str, Any]:
    """The document without an agent, for docs and generators."""
    app = FastAPI(version=__version__, generate_unique_id_function=_operation_id)
    for module in (process, accounts, calls, media, events):
        app.include_router(module.routes)
    return document(app)
