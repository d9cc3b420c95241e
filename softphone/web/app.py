"""The routes, as an ASGI application. It runs on the phone's loop: every handler is a coroutine."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

from softphone.errors import SoftphoneError
from softphone.listening.problems import BAD_REQUEST, METHOD, NOT_FOUND
from softphone.web.access import Access, Refused
from softphone.web.api import PhoneApi
from softphone.web.door import Answer, Door, refusal
from softphone.web.guard import Guard
from softphone.web.limits import Limits
from softphone.web.messages import SUBPROTOCOL
from softphone.web.pages import Page, read_pages
from softphone.web.problems import Problem, of_error, of_fault
from softphone.web.session import Sessions
from softphone.web.whip import whip_routes


def create_app(phone: PhoneApi, access: Access, sessions: Sessions, limits: Limits) -> Starlette:
    """The page and all that it talks to."""
    door = Door(access, limits)

    async def serve_socket(socket: WebSocket) -> None:
        await _serve_socket(socket, door, sessions)

    pages = [_page_route(path, page) for path, page in read_pages().items()]
    app = Starlette(
        routes=[
            *pages,
            Route("/v1/login", door.log_in, methods=["POST"]),
            Route("/v1/logout", door.log_out, methods=["POST"]),
            Route("/v1/session", door.show_session, methods=["GET"]),
            WebSocketRoute("/v1/ws", serve_socket),
            *whip_routes(phone, door),
        ],
        middleware=[Middleware(Guard, access=access, limits=limits)],
        exception_handlers={HTTPException: _on_http_error, SoftphoneError: _on_error, Refused: _on_refused},
    )
    app.router.redirect_slashes = False  # what is not served is not served elsewhere either
    return app


def _page_route(path: str, page: Page) -> Route:
    async def serve(request: Request) -> Response:
        return page.response(request)

    return Route(path, serve, methods=["GET"])


async def _serve_socket(socket: WebSocket, door: Door, sessions: Sessions) -> None:
    try:
        door.check(socket)
    except Refused as refused:
        await socket.send_denial_response(refusal(refused))
        return
    if SUBPROTOCOL not in socket.scope["subprotocols"]:
        text = f"this phone speaks the subprotocol {SUBPROTOCOL}; reload the page"
        await socket.send_denial_response(Problem(BAD_REQUEST, text).response())
        return
    await sessions.serve(socket)


async def _on_refused(_: Request, error: Exception) -> Response:
    return refusal(error) if isinstance(error, Refused) else of_fault(error, "the door").response()


async def _on_error(_: Request, error: Exception) -> Response:
    """What the phone raises on purpose."""
    return of_error(error).response() if isinstance(error, SoftphoneError) else of_fault(error, "a route").response()


async def _on_http_error(request: Request, error: Exception) -> Response:
    """What routing finds: no such path, no such method."""
    if isinstance(error, Answer):
        return error.problem.response()
    if isinstance(error, HTTPException) and error.status_code == METHOD.status:
        return Problem(METHOD, f"{request.method} is not possible here").response(headers=error.headers)
    return Problem(NOT_FOUND, "nothing is served here").response()
