"""One connection of a browser: HTTP/1.1, or a WebSocket with the deadlines that uvicorn's lacks."""

from __future__ import annotations

import asyncio
from typing import Any

import h11
from starlette.types import ASGIApp
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from softphone.aio import Timers
from softphone.listening.connections import ListenerConfig, ListenerProtocol
from softphone.listening.problems import BAD_REQUEST, BUSY
from softphone.web.limits import Limits
from softphone.web.problems import Problem


class WebConfig(ListenerConfig):
    """uvicorn's configuration for the page."""

    def __init__(self, app: ASGIApp, limits: Limits) -> None:
        super().__init__(
            app,
            limits,
            http=WebProtocol,
            ws=SocketProtocol,
            ws_max_size=limits.max_message_bytes,
            ws_ping_interval=limits.ping_s,
            ws_ping_timeout=limits.ping_s,
            ws_per_message_deflate=False,  # small messages; and none may swell to many times what was sent
            log_level="critical",  # garbage is answered; a line for each would let anybody fill the log
        )
        self.limits = limits


class WebProtocol(ListenerProtocol):
    """One connection's HTTP. One is made for each client."""

    problem = Problem

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if len(self.connections) > self._limits.max_connections:
            self._refuse(Problem(BUSY, f"{self._limits.max_connections} are open already; close some pages"))
        else:
            self._watch_head()

    def _idle(self) -> bool:
        """A connection that became a WebSocket waits for no request."""
        return self.transport.get_protocol() is self and super()._idle()

    def send_400_response(self, msg: str) -> None:
        """uvicorn calls this where h11 cannot read the request, or where it is too long."""
        self._refuse(Problem(BAD_REQUEST, "this is no HTTP/1.1 request, or its headers are too large"))

    def handle_websocket_upgrade(self, event: h11.Request) -> None:
        self._timers.close()
        super().handle_websocket_upgrade(event)


class SocketProtocol(WebSocketsSansIOProtocol):
    """One connection's WebSocket. Who leaves full buffers unread for too long is cut off."""

    config: WebConfig

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._timers = Timers()

    def pause_writing(self) -> None:
        super().pause_writing()
        # not closed, but aborted: a close waits until all is read
        self._timers.set("stall", self.config.limits.stall_timeout_s, self.transport.abort)

    def resume_writing(self) -> None:
        super().resume_writing()
        self._timers.cancel("stall")

    def connection_lost(self, exc: Exception | None) -> None:
        self._timers.close()
        super().connection_lost(exc)
