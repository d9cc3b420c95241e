"""What stands between the connection and the routes: size, time and type of bodies, and the last catch."""

from __future__ import annotations

import asyncio

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from softphone.control.limits import Limits
from softphone.control.problems import CONTENT_TYPE, STOPPING, of_fault
from softphone.listening.bodies import CLOSE, Answering, Bodies, ClientGone, Refused, replay
from softphone.listening.problems import Problem


class Guard:
    """ASGI middleware."""

    def __init__(self, app: ASGIApp, limits: Limits) -> None:
        self._app, self._bodies = app, Bodies(limits)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        try:
            body = await self._body(Headers(scope=scope), receive)
        except ClientGone:
            return
        except Refused as refused:
            await refused.problem.response(Request(scope), CLOSE)(scope, receive, send)
            return
        await self._guarded(scope, replay(body, receive), Answering(send))

    async def _guarded(self, scope: Scope, receive: Receive, send: Answering) -> None:
        try:
            await self._app(scope, receive, send)
        except asyncio.CancelledError:  # the server stops and this request took too long to end
            problem = Problem(STOPPING, "the request was broken off because the daemon stops")
        except Exception as error:  # the last catch: a route's fault must not take the connection's worker with it
            problem = of_fault(error, f"{scope['method']} {scope['path']}")
        else:
            return
        if not send.started:
            await problem.response(Request(scope), CLOSE)(scope, receive, send)

    async def _body(self, headers: Headers, receive: Receive) -> bytes:
        """The whole body. Raises Refused, ClientGone."""
        body = await self._bodies.read(headers, receive)
        if body and not _is_json(headers.get("content-type", "")):
            raise Refused(Problem(CONTENT_TYPE, "send it with Content-Type: application/json (curl: --json)"))
        return body


def _is_json(content_type: str) -> bool:
    return content_type.partition(";")[0].strip().lower() == "application/json"
