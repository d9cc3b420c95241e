"""What stands before the routes: who asks from where, how much is sent, and what each answer carries."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from softphone.listening.bodies import CLOSE, Answering, Bodies, ClientGone, Refused, replay
from softphone.web.access import Access
from softphone.web.limits import Limits
from softphone.web.problems import FORBIDDEN, Problem, of_fault

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


def own_origin(scope: Scope) -> str:
    """The origin of our own page, as this client reaches it."""
    scheme = {"ws": "http", "wss": "https"}.get(scope["scheme"], scope["scheme"])
    return f"{scheme}://{Headers(scope=scope).get('host', '')}"


class Guard:
    """ASGI middleware."""

    def __init__(self, app: ASGIApp, access: Access, limits: Limits) -> None:
        self._app, self._access, self._bodies = app, access, Bodies(limits, Problem)

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
        await Problem(FORBIDDEN, text).response(headers=CLOSE)(scope, receive, self._dressed(scope, None, send))

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            body = await self._bodies.read(Headers(scope=scope), receive)
        except ClientGone:
            return
        except Refused as refused:
            await refused.problem.response(headers=CLOSE)(scope, receive, send)
            return
        await self._guarded(scope, replay(body, receive), Answering(send))

    async def _guarded(self, scope: Scope, receive: Receive, send: Answering) -> None:
        try:
            await self._app(scope, receive, send)
        except Exception as error:  # the last catch: a route's fault must not take the connection's worker with it
            problem = of_fault(error, f"{scope['method']} {scope['path']}")
            if not send.started:
                await problem.response(headers=CLOSE)(scope, receive, send)

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
