"""uvicorn inside the lab: on a socket that is bound already, without touching the process's signals."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Callable, Iterator
from typing import Any

import uvicorn
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from softphone.errors import SoftphoneError
from softphone.lab.addresses import family
from softphone.lab.tls import TlsKeeper

GRACE_S = 1
MAX_FRAME = 65_536


class _QuietServer(uvicorn.Server):
    """A server that leaves SIGINT and SIGTERM to whoever owns the process, and says when it listens."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listening = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.listening.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class _WebSocket(WebSocketsSansIOProtocol):
    """uvicorn takes an answered handshake (406, 401) for an unfinished one, and logs an error."""

    async def send(self, message: Any) -> None:
        await super().send(message)
        if message["type"] == "websocket.http.response.body":
            self.handshake_complete = True


class WebServer:
    """Serves one ASGI application from `start` to `stop`."""

    def __init__(self, app: Any, host: str, port: int, tls: TlsKeeper | None = None) -> None:
        self._host = host
        self._wanted_port = port
        self._tls = tls
        self._server = _QuietServer(self._config(app))
        self._task: asyncio.Task[None] | None = None
        self._socket: socket.socket | None = None
        self.port = 0

    def _config(self, app: Any) -> uvicorn.Config:
        return uvicorn.Config(
            app,
            http="h11",
            ws=_WebSocket,
            ws_ping_interval=None,
            ws_max_size=MAX_FRAME,
            loop="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            timeout_graceful_shutdown=GRACE_S,
            ssl_certfile=str(self._tls.files.certificate) if self._tls else None,
            ssl_keyfile=str(self._tls.files.key) if self._tls else None,
            ssl_context_factory=self._context if self._tls else None,
        )

    def _context(self, _config: uvicorn.Config, default: Callable[[], ssl.SSLContext]) -> ssl.SSLContext:
        return self._tls.server_context() if self._tls is not None else default()

    async def start(self) -> None:
        """Listen. Raises SoftphoneError where the port is taken."""
        self._socket = socket.socket(family(self._host), socket.SOCK_STREAM, socket.IPPROTO_TCP)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            self._socket.bind((self._host, self._wanted_port))
        except OSError as error:
            self._socket.close()
            where = f"{self._host}:{self._wanted_port}"
            raise SoftphoneError(f"the lab cannot serve its API on {where}: {error.strerror}") from error
        self.port = self._socket.getsockname()[1]
        loop = asyncio.get_running_loop()
        self._task = loop.create_task(self._server.serve(sockets=[self._socket]), name="lab web server")
        await self._server.listening.wait()

    def cut(self, client: tuple[str, int]) -> None:
        """Close the connection of that client at once."""
        for connection in tuple(self._server.server_state.connections):
            transport = getattr(connection, "transport", None)
            if transport is not None and transport.get_extra_info("peername")[:2] == client:
                transport.close()

    async def stop(self) -> None:
        """Close the connections and the port."""
        self._server.should_exit = True
        if self._task is not None:
            await self._task
        if self._socket is not None:
            self._socket.close()
