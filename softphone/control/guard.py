"""What stands between the connection and the routes: size, time and type of bodies, and the last catch."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from softphone.control.limits import Limits
from softphone.control.problems import CONTENT_TYPE, REQUEST_LATE, STOPPING, TOO_LARGE, Problem, of_fault

CLOSE: Mapping[str, str] = {"Connection": "close"}


class _Refused(Exception):
    """The request is answered by a problem before it reaches a route."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.detail)
        self.problem = problem


class _ClientGone(Exception):
    """The client left in the middle of its request: there is nobody to answer."""


class Guard:
    """ASGI middleware. Bodies are read whole (they are small), so that no route ever waits for one."""

    def __init__(self, app: ASGIApp, limits: Limits) -> None:
        self._app, self._limits = app, limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        try:
            body = await self._body(Headers(scope=scope), receive)
        except _ClientGone:
            return
        except _Refused as refused:
            await refused.problem.response(Request(scope), CLOSE)(scope, receive, send)
            return
        await self._guarded(scope, _replay(body, receive), send)

    async def _guarded(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = False

        async def watch(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self._app(scope, receive, watch)
        except asyncio.CancelledError:  # the server stops and this request took too long to end
            problem = Problem(STOPPING, "the request was broken off because the daemon stops")
        except Exception as error:  # the last catch: a route's fault must not take the connection's worker with it
            problem = of_fault(error, f"{scope['method']} {scope['path']}")
        else:
            return
        if not started:
            await problem.response(Request(scope), CLOSE)(scope, receive, send)

    async def _body(self, headers: Headers, receive: Receive) -> bytes:
        """The whole body, or _Refused."""
        if not _announced(headers):
            return b""
        self._check_size(int(headers.get("content-length", "0")))
        try:
            async with asyncio.timeout(self._limits.body_timeout_s):
                body = await self._read(receive)
        except TimeoutError:
            seconds = self._limits.body_timeout_s
            raise _Refused(Problem(REQUEST_LATE, f"the body was not complete within {seconds:g} s")) from None
        if body and not _is_json(headers.get("content-type", "")):
            raise _Refused(Problem(CONTENT_TYPE, "send it with Content-Type: application/json (curl: --json)"))
        return body

    async def _read(self, receive: Receive) -> bytes:
        body = bytearray()
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise _ClientGone
            body += message.get("body", b"")
            self._check_size(len(body))
            if not message.get("more_body", False):
                return bytes(body)

    def _check_size(self, size: int) -> None:
        if size > self._limits.max_body_bytes:
            raise _Refused(Problem(TOO_LARGE, f"a body may have {self._limits.max_body_bytes} bytes at most"))


def _announced(headers: Headers) -> bool:
    return "transfer-encoding" in headers or headers.get("content-length", "0") != "0"


def _is_json(content_type: str) -> bool:
    return content_type.partition(";")[0].strip().lower() == "application/json"


def _replay(body: bytes, receive: Receive) -> Receive:
    """A `receive` that gives the body that was read, then goes on with the connection."""
    given = False

    async def replay() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replay
