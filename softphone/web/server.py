"""The listener's life: socket and TLS at the start, no page and no task left at the end."""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
import ssl
from pathlib import Path

from uvicorn.server import ServerState

from softphone.config.web import Web
from softphone.engine.views import ListenerView
from softphone.errors import ConfigError
from softphone.web.access import Access
from softphone.web.api import PhoneApi
from softphone.web.app import create_app
from softphone.web.certificates import Certificate, certificate_of
from softphone.web.connections import WebConfig
from softphone.web.limits import Limits
from softphone.web.session import Sessions

log = logging.getLogger(__name__)

BACKLOG = 128


class WebServer:
    """Serves the page of `phone` from `start` to `stop`.

    folder: where the certificate of our own making is kept.
    """

    def __init__(self, phone: PhoneApi, web: Web, folder: Path, *, limits: Limits | None = None) -> None:
        self._phone, self._web, self._folder = phone, web, folder
        self._limits = limits or Limits()
        self._access = Access(web.token, self._limits, origins=web.origins)
        self._sessions = Sessions(phone, self._limits, web.max_sessions)
        self._state = ServerState()
        self._certificate: Certificate | None = None
        self._context: ssl.SSLContext | None = None
        self._server: asyncio.Server | None = None
        self._port = web.port

    async def start(self) -> None:
        """Returns once browsers are answered. Raises ConfigError (address, port, certificate)."""
        self._context = await asyncio.to_thread(self._prepare_tls) if self._web.tls else None
        config = WebConfig(create_app(self._phone, self._access, self._sessions, self._limits), self._limits)
        config.load()
        sock = _listening(self._web)
        self._port = sock.getsockname()[1]
        self._server = await asyncio.get_running_loop().create_server(
            lambda: config.http_protocol_class(config=config, server_state=self._state, app_state={}),  # type: ignore[call-arg]
            sock=sock,
            ssl=self._context,
            ssl_handshake_timeout=self._limits.handshake_s if self._context else None,
        )
        view = self.view()
        self._phone.listeners.append(view)
        log.info("the page is at %s%s", view.url, f", SHA-256 {view.fingerprint}" if view.fingerprint else "")

    def _prepare_tls(self) -> ssl.SSLContext:
        self._certificate = certificate_of(self._web, self._folder)
        return self._certificate.context()

    async def renew(self) -> None:
        """Reads the certificate's files again, for the connections to come. Raises ConfigError; the old one stays."""
        if self._certificate is not None and self._context is not None:
            await asyncio.to_thread(self._certificate.load_into, self._context)

    def view(self) -> ListenerView:
        """Where the page is."""
        host = f"[{self._web.bind}]" if ":" in self._web.bind else self._web.bind
        return ListenerView(
            name="web",
            url=f"{'https' if self._web.tls else 'http'}://{host}:{self._port}/",
            fingerprint=self._certificate.fingerprint if self._certificate else "",
        )

    async def stop(self) -> None:
        """Pages are told, running requests end within `Limits.shutdown_s`. Safe to call twice."""
        server, self._server = self._server, None
        if server is None:
            return
        server.close()
        await self._sessions.close()
        for connection in list(self._state.connections):
            connection.shutdown()
        if running := set(self._state.tasks):
            _, late = await asyncio.wait(running, timeout=self._limits.shutdown_s)
            for task in late:
                task.cancel()
        self._abort_the_rest()

    def _abort_the_rest(self) -> None:
        for connection in list(self._state.connections):
            connection.transport.abort()


def _listening(web: Web) -> socket.socket:
    family = socket.AF_INET6 if ":" in web.bind else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((web.bind, web.port))
        sock.listen(BACKLOG)
    except OSError as error:
        sock.close()
        raise _refusal(web, error) from error
    return sock


def _refusal(web: Web, error: OSError) -> ConfigError:
    if error.errno == errno.EADDRINUSE:
        text = f"port {web.port} of {web.bind} is in use by another program; choose another one, or 0 for any free one"
        return ConfigError(text, key="web.port")
    if error.errno == errno.EACCES:
        return ConfigError(f"port {web.port} may not be opened by this user; choose one above 1023", key="web.port")
    return ConfigError(f"{web.bind} cannot be listened on: {error.strerror}", key="web.bind")
