"""One control connection: uvicorn's HTTP/1.1 protocol, with the deadlines and limits that it lacks.

uvicorn waits for ever for a request's headers and for a reader of its responses. Here every connection has a deadline
for both, and a handler can learn that its client is gone.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import h11
import uvicorn
from starlette.requests import Request
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import STATUS_PHRASES, H11Protocol

from softphone.aio import Timers
from softphone.control.limits import Limits
from softphone.control.problems import BUSY, HEAD_TOO_LARGE, MALFORMED, MEDIA_TYPE, REQUEST_LATE, Problem


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


class ControlConfig(uvicorn.Config):
    """uvicorn's configuration for the control socket, carrying our limits to each connection."""

    def __init__(self, app: ASGIApp, limits: Limits) -> None:
        super().__init__(
            app,
            http=ControlProtocol,
            ws="none",
            lifespan="off",
            log_config=None,
            log_level="error",  # garbage is answered; a line for each would let anybody fill the log
            access_log=False,
            proxy_headers=False,
            server_header=False,
            date_header=False,
            timeout_keep_alive=limits.keep_alive_s,
            h11_max_incomplete_event_size=limits.max_head_bytes,
        )
        self.limits = limits
        self.closed = False
        """Set when the server stops: a connection that was being accepted just then is dropped."""


class ControlProtocol(H11Protocol):
    """One connection's protocol. uvicorn makes it, one for each client."""

    config: ControlConfig

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._limits = self.config.limits
        self._timers = Timers()
        self._connection = Connection()
        self.gone = asyncio.Event()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.app_state = {**self.app_state, "connection": self._connection}
        if self.config.closed:
            transport.abort()
        elif len(self.connections) > self._limits.max_connections:
            self._refuse(Problem(BUSY, f"{self._limits.max_connections} are open already; close some"))
        else:
            self._watch_head()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._watch_head()

    def _watch_head(self) -> None:
        """A deadline runs while bytes of a request are here, but not all of its headers."""
        if self.transport.is_closing() or not self._idle():
            self._timers.cancel("head")
        elif "head" not in self._timers:
            self._timers.set("head", self._limits.head_timeout_s, self._head_late)

    def _idle(self) -> bool:
        """Whether no request is being worked on and none waits complete."""
        return self.cycle is None or self.cycle.response_complete and self.conn.our_state is h11.IDLE

    def _head_late(self) -> None:
        if self._idle() and not self.transport.is_closing():
            seconds = self._limits.head_timeout_s
            self._refuse(Problem(REQUEST_LATE, f"the headers were not complete within {seconds:g} s"))

    def send_400_response(self, msg: str) -> None:
        """uvicorn calls this where h11 cannot read the request, inside the `except` that has h11's error."""
        error = sys.exception()
        if isinstance(error, h11.RemoteProtocolError) and error.error_status_hint == HEAD_TOO_LARGE.status:
            self._refuse(Problem(HEAD_TOO_LARGE, f"at most {self._limits.max_head_bytes} bytes are read"))
        else:
            self._refuse(Problem(MALFORMED, "this is no HTTP/1.1 request"))

    def _refuse(self, problem: Problem) -> None:
        """Answers past h11, whose state no longer fits, and closes."""
        if self.cycle is not None and not self.cycle.response_complete:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        if self.cycle is None or self.cycle.response_complete or not self.cycle.response_started:
            self.transport.write(_raw_response(problem))
        self.transport.close()
        self._linger()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._linger()

    def timeout_keep_alive_handler(self) -> None:
        super().timeout_keep_alive_handler()
        self._linger()

    def _linger(self) -> None:
        """A connection that is closed, but whose client does not fetch the rest, ends all the same."""
        if self.transport.is_closing() and not self.gone.is_set():
            self._timers.set("linger", self._limits.stall_timeout_s, self.transport.abort)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._timers.set("stall", self._limits.stall_timeout_s, self.transport.abort)

    def resume_writing(self) -> None:
        super().resume_writing()
        self._timers.cancel("stall")

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
        self._timers.close()
        super().connection_lost(exc)
        self._unset_keepalive_if_required()
        self._connection.lose()
        self.gone.set()


def _raw_response(problem: Problem) -> bytes:
    body, status = problem.as_json(), problem.kind.status
    phrase = STATUS_PHRASES[status].decode()
    head = (
        f"HTTP/1.1 {status} {phrase}\r\ncontent-type: {MEDIA_TYPE}\r\ncontent-length: {len(body)}\r\nconnection: close"
    )
    return head.encode() + b"\r\n\r\n" + body
