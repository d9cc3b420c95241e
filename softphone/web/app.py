"""The routes, as an ASGI application. It runs on the phone's loop: every handler is a coroutine."""

from __future__ import annotations

import json

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import HTTPConnection, Request
from starlette.responses import Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

from softphone import __version__
from softphone.errors import SoftphoneError
from softphone.web.access import Access, Refused
from softphone.web.api import PhoneApi
from softphone.web.guard import Guard
from softphone.web.limits import Limits
from softphone.web.messages import SUBPROTOCOL, VERSION
from softphone.web.pages import Page, read_pages
from softphone.web.problems import (
    BAD_REQUEST,
    CONTENT_TYPE,
    METHOD,
    NOT_FOUND,
    TOO_MANY,
    UNAUTHORIZED,
    Problem,
    of_error,
    of_fault,
)
from softphone.web.session import Sessions


def create_app(phone: PhoneApi, access: Access, sessions: Sessions, limits: Limits) -> Starlette:
    """The page and all that it talks to."""
    door = Door(access, limits)

    async def serve_socket(socket: WebSocket) -> None:
        await _serve_socket(socket, door, sessions)

    pages = [_page_route(path, page) for path, page in read_pages().items()]
    return Starlette(
        routes=[
            *pages,
            Route("/v1/login", door.log_in, methods=["POST"]),
            Route("/v1/logout", door.log_out, methods=["POST"]),
            Route("/v1/session", door.show_session, methods=["GET"]),
            WebSocketRoute("/v1/ws", serve_socket),
        ],
        middleware=[Middleware(Guard, access=access, limits=limits)],
        exception_handlers={HTTPException: _on_http_error, SoftphoneError: _on_error, Refused: _on_refused},
    )


def _page_route(path: str, page: Page) -> Route:
    async def serve(request: Request) -> Response:
        return page.response(request)

    return Route(path, serve, methods=["GET"])


class Door:
    """Login, logout, and whether a request may come in."""

    def __init__(self, access: Access, limits: Limits) -> None:
        self._access, self._limits = access, limits

    def check(self, connection: HTTPConnection) -> None:
        """By session cookie or bearer token. Raises Refused."""
        if self._access.session_is_good(connection.cookies.get(_cookie_name(connection), "")):
            return
        scheme, _, given = connection.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not given.strip():
            raise Refused("log in first, or send the access token as `Authorization: Bearer`")
        self._access.check_token(given.strip(), _address(connection))

    async def log_in(self, request: Request) -> Response:
        """POST /v1/login `{"token": "…"}`: a session's cookie for the token."""
        self._access.check_token(await _token_in(request), _address(request))
        response = Response(status_code=204)
        self._set_cookie(request, response, self._access.open_session(), int(self._limits.session_s))
        return response

    async def log_out(self, request: Request) -> Response:
        self._access.end_session(request.cookies.get(_cookie_name(request), ""))
        response = Response(status_code=204)
        self._set_cookie(request, response, "", 0)
        return response

    async def show_session(self, request: Request) -> Response:
        """GET /v1/session: who answers here, for those who may know."""
        self.check(request)
        return Response(json.dumps({"agent": __version__, "version": VERSION}), media_type="application/json")

    def _set_cookie(self, request: Request, response: Response, value: str, max_age_s: int) -> None:
        response.set_cookie(
            _cookie_name(request),
            value,
            max_age=max_age_s,
            path="/",
            secure=_secure(request),
            httponly=True,
            samesite="strict",
        )


async def _token_in(request: Request) -> str:
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise _Answer(Problem(CONTENT_TYPE, "send the token as JSON: Content-Type: application/json"))
    try:
        found = json.loads(await request.body())
    except (ValueError, RecursionError):
        found = None
    token = found.get("token") if isinstance(found, dict) else None
    if not isinstance(token, str):
        raise _Answer(Problem(BAD_REQUEST, 'expected a JSON object such as {"token": "…"}'))
    return token


class _Answer(HTTPException):
    """A problem that ends the request."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.kind.status, problem.detail)
        self.problem = problem


async def _serve_socket(socket: WebSocket, door: Door, sessions: Sessions) -> None:
    try:
        door.check(socket)
    except Refused as refused:
        await socket.send_denial_response(_refusal(refused))
        return
    if SUBPROTOCOL not in socket.scope["subprotocols"]:
        text = f"this phone speaks the subprotocol {SUBPROTOCOL}; reload the page"
        await socket.send_denial_response(Problem(BAD_REQUEST, text).response())
        return
    await sessions.serve(socket)


def _cookie_name(connection: HTTPConnection) -> str:
    """Of its own for each port: browsers tell hosts apart by cookies, but not the phones of one host."""
    server = connection.scope.get("server")
    port = server[1] if server else 0
    return f"__Host-softphone-{port}" if _secure(connection) else f"softphone-{port}"


def _secure(connection: HTTPConnection) -> bool:
    return connection.url.scheme in ("https", "wss")


def _address(connection: HTTPConnection) -> str:
    return connection.client.host if connection.client else "unknown"


def _refusal(refused: Refused) -> Response:
    if refused.wait_s:
        return Problem(TOO_MANY, str(refused)).response({"Retry-After": f"{refused.wait_s:.0f}"})
    return Problem(UNAUTHORIZED, str(refused)).response({"WWW-Authenticate": "Bearer"})


async def _on_refused(_: Request, error: Exception) -> Response:
    return _refusal(error) if isinstance(error, Refused) else of_fault(error, "the door").response()


async def _on_error(_: Request, error: Exception) -> Response:
    """What the phone raises on purpose."""
    return of_error(error).response() if isinstance(error, SoftphoneError) else of_fault(error, "a route").response()


async def _on_http_error(request: Request, error: Exception) -> Response:
    """What routing finds: no such path, no such method."""
    if isinstance(error, _Answer):
        return error.problem.response()
    if isinstance(error, HTTPException) and error.status_code == METHOD.status:
        return Problem(METHOD, f"{request.method} is not possible here").response(error.headers)
    return Problem(NOT_FOUND, "nothing is served here").response()
