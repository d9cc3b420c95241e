"""uvicorn's HTTP/1.1 protocol, with the deadlines and limits that it lacks.

uvicorn waits for ever for a request's headers and for a reader of its responses. Here every connection has a deadline
for both.
"""

from __future__ import annotations

import asyncio
from typing import Any

import h11
import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import STATUS_PHRASES, H11Protocol

from softphone.aio import Timers
from softphone.listening.limits import ConnectionLimits
from softphone.listening.problems import LATE, MEDIA_TYPE, Problem


class ListenerConfig(uvicorn.Config):
    """uvicorn's configuration for a listener of ours, carrying its limits to each connection. `options`: uvicorn's."""

    def __init__(self, app: ASGIApp, limits: ConnectionLimits, **options: Any) -> None:
        super().__init__(
            app,
            lifespan="off",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            date_header=False,
            timeout_keep_alive=limits.keep_alive_s,
            h11_max_incomplete_event_size=limits.max_head_bytes,
            **options,
        )
        self.connection_limits = limits


class ListenerProtocol(H11Protocol):
    """One connection's HTTP. uvicorn makes it, one for each client."""

    config: ListenerConfig
    problem: type[Problem] = Problem
    """How the listener words what it refuses."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._limits = self.config.connection_limits
        self._timers = Timers()
        self.gone = asyncio.Event()

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
            self._refuse(self.problem(LATE, f"the headers were not complete within {seconds:g} s"))

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

    def connection_lost(self, exc: Exception | None) -> None:
        self._timers.close()
        super().connection_lost(exc)
        self._unset_keepalive_if_required()
        self.gone.set()


def _raw_response(problem: Problem) -> bytes:
    body, status = problem.as_json(), problem.kind.status
    phrase = STATUS_PHRASES[status].decode()
    head = (
        f"HTTP/1.1 {status} {phrase}\r\ncontent-type: {MEDIA_TYPE}\r\ncontent-length: {len(body)}\r\nconnection: close"
    )
    return head.encode() + b"\r\n\r\n" + body
