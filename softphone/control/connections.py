"""One control connection: a handler can learn that its client is gone."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import h11
from starlette.requests import Request
from starlette.types import ASGIApp

from softphone.control.limits import Limits
from softphone.control.problems import HEAD_TOO_LARGE, MALFORMED
from softphone.listening.connections import ListenerConfig, ListenerProtocol
from softphone.listening.problems import BUSY, Problem


class Connection:
    """What a handler knows of its client's connection. `lost`: the client is gone; `ending`: the server stops."""

    def __init__(self) -> None:
        self.lost = False
        self.ending = False
        self._callbacks: list[Callable[[], None]] = []

    @contextmanager
    def on_end(self, callback: Callable[[], None]) -> Iterator[None]:
        """Inside, `callback()` runs once when the client goes or the server stops (at once if it has)."""
        self._callbacks.append(callback)
        if self.lost or self.ending:
            self._tell()
        try:
            yield
        finally:
            if callback in self._callbacks:
                self._callbacks.remove(callback)

    def lose(self) -> None:
        self.lost = True
        self._tell()

    def end(self) -> None:
        self.ending = True
        self._tell()

    def _tell(self) -> None:
        callbacks, self._callbacks = self._callbacks, []
        for callback in callbacks:
            callback()


def connection_of(request: Request) -> Connection:
    """The connection that brought the request; one that never ends where the server is not ours."""
    found = getattr(request.state, "connection", None)
    return found if isinstance(found, Connection) else Connection()


class ControlConfig(ListenerConfig):
    """uvicorn's configuration for the control socket."""

    def __init__(self, app: ASGIApp, limits: Limits) -> None:
        super().__init__(
            app,
            limits,
            http=ControlProtocol,
            ws="none",
            log_level="error",  # garbage is answered; a line for each would let anybody fill the log
        )
        self.limits = limits
        self.closed = False
        """Set when the server stops: a connection that was being accepted just then is dropped."""


class ControlProtocol(ListenerProtocol):
    """One connection's protocol. uvicorn makes it, one for each client."""

    config: ControlConfig

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._connection = Connection()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.app_state = {**self.app_state, "connection": self._connection}
        if self.config.closed:
            transport.abort()
        elif len(self.connections) > self._limits.max_connections:
            self._refuse(Problem(BUSY, f"{self._limits.max_connections} are open already; close some"))
        else:
            self._watch_head()

    def send_400_response(self, msg: str) -> None:
        """uvicorn calls this where h11 cannot read the request, inside the `except` that has h11's error."""
        error = sys.exception()
        if isinstance(error, h11.RemoteProtocolError) and error.error_status_hint == HEAD_TOO_LARGE.status:
            self._refuse(Problem(HEAD_TOO_LARGE, f"at most {self._limits.max_head_bytes} bytes are read"))
        else:
            self._refuse(Problem(MALFORMED, "this is no HTTP/1.1 request"))

    def shutdown(self) -> None:
        """The server stops: streams and long polls end now, and nobody waits for a reader that does not read."""
        self._connection.end()
        super().shutdown()
        if self.flow.write_paused:
            self.transport.abort()

    def abort(self) -> None:
        """Closes now; what the client has not read is lost."""
        self.transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._connection.lose()
