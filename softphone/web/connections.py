"""One connection: uvicorn's HTTP/1.1 and WebSocket protocols, with the deadlines and limits that they lack."""

from __future__ import annotations

import asyncio
from typing import Any

import h11
import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import STATUS_PHRASES, H11Protocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from softphone.aio import Timers
from softphone.web.limits import Limits
from softphone.web.problems import BAD_REQUEST, BUSY, LATE, MEDIA_TYPE, Problem


class WebConfig(uvicorn.Config):
    """uvicorn's configuration for the page, carrying our limits to each connection."""

    def __init__(self, app: ASGIApp, limits: Limits) -> None:
        super().__init__(
            app,
            http=WebProtocol,
            ws=SocketProtocol,
            ws_max_size=limits.max_message_bytes,
            ws_ping_interval=limits.ping_s,
            ws_ping_timeout=limits.ping_s,
            ws_per_message_deflate=False,  # small messages; and none may swell to many times what was sent
            lifespan="off",
            log_config=None,
            log_level="critical",  # garbage is answered; a line for each would let anybody fill the log
            access_log=False,
            proxy_headers=False,
            server_header=False,
            date_header=False,
            timeout_keep_alive=limits.keep_alive_s,
            h11_max_incomplete_event_size=limits.max_head_bytes,
        )
        self.limits = limits


class WebProtocol(H11Protocol):
    """One connection's HTTP. One is made for each client."""

    config: WebConfig

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._limits = self.config.limits
        self._timers = Timers()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if len(self.connections) > self._limits.max_connections:
            self._refuse(Problem(BUSY, f"{self._limits.max_connections} are open already; close some pages"))
        else:
            self._watch_head()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._watch_head()

    def _watch_head(self) -> None:
        """A deadline runs while bytes of a request are here, but not all of its headers."""
        if self.transport.is_closing() or not self._idle() or self.transport.get_protocol() is not self:
            self._timers.cancel("head")
        elif "head" not in self._timers:
            self._timers.set("head", self._limits.head_timeout_s, self._head_late)

    def _idle(self) -> bool:
        """Whether no request is being worked on."""
        return self.cycle is None or self.cycle.response_complete and self.conn.our_state is h11.IDLE

    def _head_late(self) -> None:
        if self._idle() and not self.transport.is_closing():
            self._refuse(Problem(LATE, f"the headers were not complete within {self._limits.head_timeout_s:g} s"))

    def send_400_response(self, msg: str) -> None:
        """uvicorn calls this where h11 cannot read the request, or where it is too long."""
        self._refuse(Problem(BAD_REQUEST, "this is no HTTP/1.1 request, or its headers are too large"))

    def _refuse(self, problem: Problem) -> None:
        """Answers past h11, whose state no longer fits, and closes."""
        if self.cycle is not None and not self.cycle.response_complete:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        if self.cycle is None or self.cycle.response_complete or not self.cycle.response_started:
            self.transport.write(_raw_response(problem))
        self.transport.close()
        self._timers.set("linger", self._limits.stall_timeout_s, self.transport.abort)

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.transport.is_closing():
            self._timers.set("linger", self._limits.stall_timeout_s, self.transport.abort)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._timers.set("stall", self._limits.stall_timeout_s, self.transport.abort)

    def resume_writing(self) -> None:
        super().resume_writing()
        self._timers.cancel("stall")

    def handle_websocket_upgrade(self, event: h11.Request) -> None:
        self._timers.close()
        super().handle_websocket_upgrade(event)

    def connection_lost(self, exc: Exception | None) -> None:
        self._timers.close()
        super().connection_lost(exc)
        self._unset_keepalive_if_required()


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


def _raw_response(problem: Problem) -> bytes:
    body, status = problem.as_json(), problem.kind.status
    head = (
        f"HTTP/1.1 {status} {STATUS_PHRASES[status].decode()}\r\ncontent-type: {MEDIA_TYPE}\r\n"
        f"content-length: {len(body)}\r\nconnection: close\r\n\r\n"
    )
    return head.encode() + body
