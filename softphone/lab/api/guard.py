"""What stands around every route: the faults, the error envelopes, and the note in the lab's events."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from softphone.lab.api.answers import INVALID_TOKEN, ApiError, Envelope, json_response
from softphone.lab.events import EventLog
from softphone.lab.faults import ACTED_KINDS, KINDS, Fault, FaultPlan, Part

Scope = MutableMapping[str, Any]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Handler = Callable[[Request], Awaitable[Response]]

PAGE_KINDS = ("endless_pages", "repeated_page")  # the lists' own
FIRST_KINDS = tuple(each for each in (*KINDS, *ACTED_KINDS) if each not in PAGE_KINDS)
CRUMBS = 20  # pieces of a body that trickles

WRONG_TYPES = {
    "data": [
        None,
        17,
        {"extension": ["901"], "password": None, "user_context": 5, "enabled": {"no": 1}, "extension_uuid": 3},
        {"extension": "", "password": "", "user_context": "", "enabled": "maybe"},
    ],
    "success": "perhaps",
    "message": 12,
}
BILLING_WRONG_TYPES = {"status": "success", "return": {"id": "many", "accepted": "perhaps"}, "invoiceid": []}
AUTH_WRONG_TYPES = {"token": 17, "expiresAt": {"when": "later"}}
BAD_GATEWAY = "<html><head><title>Bad gateway</title></head><body><h1>Bad gateway</h1></body></html>"


class Guard:
    """Wraps handlers. `cut` closes a client's connection; the server knows how."""

    def __init__(self, faults: FaultPlan, events: EventLog, *, always_ok: bool) -> None:
        self.faults = faults
        self.cut: Callable[[tuple[str, int]], None] = _cannot_cut
        self._events = events
        self._always_ok = always_ok
        self._closing = asyncio.Event()

    def close(self) -> None:
        """Let slow answers go: the server is about to stop."""
        self._closing.set()

    def wrap(self, part: Part, handler: Handler) -> Handler:
        """The handler with everything around it."""

        async def guarded(request: Request) -> Response:
            response = await self._answer(part, handler, request)
            self._events.emit(
                "api_request",
                method=request.method,
                path=request.url.path,
                query=dict(request.query_params),
                status=response.status_code,
                part=part,
            )
            return response

        return guarded

    async def _answer(self, part: Part, handler: Handler, request: Request) -> Response:
        fault = self.faults.strikes(part, FIRST_KINDS, path=request.url.path)
        try:
            if fault is not None and (instead := await self._instead(fault, request)) is not None:
                return instead
            response = await handler(request)
        except ApiError as error:
            envelope: Envelope = "billing" if part == "billing" else "pbx"
            response = error.response(envelope, always_ok=self._always_ok)
        return await self._spoiled(fault, request, response) if fault is not None else response

    async def pause(self, delay_s: float) -> None:
        """Wait, but not beyond the lab's end."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._closing.wait(), delay_s)

    async def _instead(self, fault: Fault, request: Request) -> Response | None:
        """What is answered without doing anything; None lets the request in. Raises ApiError."""
        if fault.kind == "slow":
            await self.pause(fault.delay_s)
            return None
        if fault.kind in ("lost_answer", "late_answer", "slow_body"):
            return None
        if fault.kind == "status":
            raise ApiError(fault.status, "The server cannot answer now")
        if fault.kind == "expired_token":
            raise ApiError(401, INVALID_TOKEN if fault.part == "auth" else "Token has expired")
        if fault.kind == "drop":
            return await self._dropped(request)
        if fault.kind == "truncated":
            return _CutResponse(self.cut, client_of(request))
        return _page_instead(fault)

    async def _spoiled(self, fault: Fault, request: Request, response: Response) -> Response:
        """The answer to what was done, and what becomes of it."""
        if fault.kind == "lost_answer":
            return await self._dropped(request)
        if fault.kind == "late_answer":
            await self.pause(fault.delay_s)
        if fault.kind == "slow_body":
            return _TricklingResponse(response, fault.delay_s, self.pause)
        return response

    async def _dropped(self, request: Request) -> Response:
        self.cut(client_of(request))
        await asyncio.sleep(0)
        return Response(b"", 200, media_type="application/json")


class _CutResponse(Response):
    """The beginning of an answer, and then no more."""

    def __init__(self, cut: Callable[[tuple[str, int]], None], client: tuple[str, int]) -> None:
        super().__init__(b'{"data":[{"extension_uuid":"48b0d200-2b31', media_type="application/json")
        self._cut = cut
        self._client = client

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = [(b"content-type", b"application/json"), (b"content-length", b"4096")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": self.body, "more_body": True})
        self._cut(self._client)
        await asyncio.sleep(0)  # the server has noticed when we return


class _TricklingResponse(Response):
    """A whole answer, some bytes at a time."""

    def __init__(self, whole: Response, lasts_s: float, pause: Callable[[float], Awaitable[None]]) -> None:
        super().__init__(whole.body, whole.status_code, dict(whole.headers))
        self._pause_s = lasts_s / CRUMBS
        self._pause = pause

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        body = bytes(self.body)
        size = max(1, -(-len(body) // CRUMBS))
        for start in range(0, len(body), size):
            await send({"type": "http.response.body", "body": body[start : start + size], "more_body": True})
            await self._pause(self._pause_s)
        await send({"type": "http.response.body", "body": b"", "more_body": False})


def _page_instead(fault: Fault) -> Response:
    if fault.kind == "html":
        return HTMLResponse(BAD_GATEWAY, fault.status)
    if fault.kind == "wrong_types":
        wrong: dict[str, Any] = {"billing": BILLING_WRONG_TYPES, "auth": AUTH_WRONG_TYPES}
        return json_response(wrong.get(fault.part, WRONG_TYPES))
    return Response(b"", 200, media_type="application/json")


def by_method(path: str, handlers: Mapping[str, Handler]) -> Route:
    """One route for all methods of a path, so that a 405 can name them all in Allow."""

    async def serve(request: Request) -> Response:
        return await handlers["GET" if request.method == "HEAD" else request.method](request)

    return Route(path, serve, methods=list(handlers))


def _cannot_cut(_client: tuple[str, int]) -> None:
    raise RuntimeError("the API is not served")


def client_of(request: Request) -> tuple[str, int]:
    """The address that a request came from."""
    return (request.client.host, request.client.port) if request.client is not None else ("", 0)
