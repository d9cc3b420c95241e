"""The control API as an ASGI application."""

from __future__ import annotations

import asyncio

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from softphone import __version__
from softphone.control.api import AgentApi
from softphone.control.guard import Guard
from softphone.control.limits import Limits
from softphone.control.openapi import document_json
from softphone.control.problems import on_http_error, on_softphone_error, on_validation_error
from softphone.control.routes import ROUTES
from softphone.control.stream import Frames
from softphone.errors import SoftphoneError


def create_app(agent: AgentApi, limits: Limits | None = None) -> FastAPI:
    """The whole API of one agent. It runs on the agent's loop: every handler is a coroutine, none has a thread."""
    limits = limits or Limits()
    app = FastAPI(
        # taken as they are: `include_router` would build each of them anew, on the loop, at the first request
        routes=list(ROUTES),
        version=__version__,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        exception_handlers={
            SoftphoneError: on_softphone_error,
            RequestValidationError: on_validation_error,
            HTTPException: on_http_error,
        },
    )
    app.state.agent, app.state.limits, app.state.frames = agent, limits, Frames()
    app.add_middleware(Guard, limits=limits)
    app.add_route("/openapi.json", _serve_document, methods=["GET"], include_in_schema=False)
    return app


async def _serve_document(_: Request) -> Response:
    # a tenth of a second's work the first time: not on the phone's loop
    return Response(await asyncio.to_thread(document_json), media_type="application/json")
