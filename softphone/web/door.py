"""Login, logout, and whether a request may come in."""

from __future__ import annotations

import json

from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection, Request
from starlette.responses import Response

from softphone.listening.problems import BAD_REQUEST
from softphone.web.access import Access, Refused
from softphone.web.limits import Limits
from softphone.web.problems import CONTENT_TYPE, TOO_MANY, UNAUTHORIZED, Problem


class Answer(HTTPException):
    """A problem that ends the request."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.kind.status, problem.detail)
        self.problem = problem


class Door:
    """The doorkeeper of all routes but the page's files."""

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
        """GET /v1/session: whether the page is logged in; a WebSocket that is refused cannot tell a page why."""
        good = self._access.session_is_good(request.cookies.get(_cookie_name(request), ""))
        return Response(json.dumps({"logged_in": good}), media_type="application/json")

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
        raise Answer(Problem(CONTENT_TYPE, "send the token as JSON: Content-Type: application/json"))
    try:
        found = json.loads(await request.body())
    except (ValueError, RecursionError):
        found = None
    token = found.get("token") if isinstance(found, dict) else None
    if not isinstance(token, str):
        raise Answer(Problem(BAD_REQUEST, 'expected a JSON object such as {"token": "…"}'))
    return token


def _cookie_name(connection: HTTPConnection) -> str:
    """Of its own for each port: browsers tell hosts apart by cookies, but not the phones of one host."""
    server = connection.scope.get("server")
    port = server[1] if server else 0
    return f"__Host-softphone-{port}" if _secure(connection) else f"softphone-{port}"


def _secure(connection: HTTPConnection) -> bool:
    return connection.url.scheme in ("https", "wss")


def _address(connection: HTTPConnection) -> str:
    return connection.client.host if connection.client else "unknown"


def refusal(refused: Refused) -> Response:
    if refused.wait_s:
        return Problem(TOO_MANY, str(refused)).response(headers={"Retry-After": f"{refused.wait_s:.0f}"})
    return Problem(UNAUTHORIZED, str(refused)).response(headers={"WWW-Authenticate": "Bearer"})
