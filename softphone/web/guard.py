"""What stands before the routes: who asks from where, how much is sent, and what each answer carries."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from softphone.web.access import Access
from softphone.web.limits import Limits
from softphone.web.problems import FORBIDDEN, LATE, TOO_LARGE, Problem, of_fault

CLOSE: Mapping[str, str] = {"Connection": "close"}

SECURITY_HEADERS: Mapping[str, str] = {
    # nothing but our own files, and no script or style within the page itself
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self';"
        " media-src 'self' blob:; manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Permissions-Policy": "microphone=(self), speaker-selection=(self), camera=(), geolocation=(), display-capture=()",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
}
CORS_EXPOSED = "Location, ETag, Link"


class _ClientGone(Exception):
    """The client left in the middle of its request."""


class _Refused(Exception):
    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.detail)
        self.problem = problem


def own_origin(scope: Scope) -> str:
    """The origin of our own page, as this client reaches it."""
    scheme = {"ws": "http", "wss": "https"}.get(scope["scheme"], scope["scheme"])
    return f"{scheme}://{Headers(scope=scope).get('host', '')}"


class Guard:
    """ASGI middleware. Bodies are read whole (they are small), so that no route ever waits for one."""

    def __init__(self, app: ASGIApp, access: Access, limits: Limits) -> None:
        self._app, self._access, self._limits = app, access, limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        origin = Headers(scope=scope).get("origin")
        if origin is not None and not self._access.origin_is_good(origin, own_origin(scope)):
            await self._refuse_origin(scope, receive, send)
        elif scope["type"] == "websocket":
            await self._app(scope, receive, send)
        else:
            await self._http(scope, receive, self._dressed(scope, origin, send))

    async def _refuse_origin(self, scope: Scope, receive: Receive, send: Send) -> None:
        text = "a page of another origin may not use this phone; `web.origins` in its configuration allows some"
        await Problem(FORBIDDEN, text).response(CLOSE)(scope, receive, self._dressed(scope, None, send))

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            body = await self._body(Headers(scope=scope), receive)
        except _ClientGone:
            return
        except _Refused as refused:
            await refused.problem.response(CLOSE)(scope, receive, send)
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
        except Exception as error:  # the last catch: a route's fault must not take the connection's worker with it
            problem = of_fault(error, f"{scope['method']} {scope['path']}")
            if not started:
                await problem.response(CLOSE)(scope, receive, send)

    def _dressed(self, scope: Scope, origin: str | None, send: Send) -> Send:
        """A `send` that adds what every answer carries."""
        foreign = origin is not None and self._access.is_foreign(origin, own_origin(scope))

        async def dress(message: Message) -> None:
            if message["type"] in ("http.response.start", "websocket.http.response.start"):
                headers = MutableHeaders(raw=message["headers"])
                for name, value in SECURITY_HEADERS.items():
                    headers[name] = value
                headers["Cross-Origin-Resource-Policy"] = "cross-origin" if foreign else "same-origin"
                headers.setdefault("Cache-Control", "no-store")
                if foreign and origin is not None:
                    headers["Access-Control-Allow-Origin"] = origin
                    headers["Access-Control-Expose-Headers"] = CORS_EXPOSED
                    headers["Vary"] = "Origin"
                message["headers"] = headers.raw
            await send(message)

        return dress

    async def _body(self, headers: Headers, receive: Receive) -> bytes:
        announced = headers.get("content-length", "0")
        if "transfer-encoding" not in headers and announced == "0":
            return b""
        self._check_size(int(announced) if announced.isdecimal() else 0)
        try:
            async with asyncio.timeout(self._limits.body_timeout_s):
                return await self._read(receive)
        except TimeoutError:
            text = f"the body was not complete within {self._limits.body_timeout_s:g} s"
            raise _Refused(Problem(LATE, text)) from None

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
