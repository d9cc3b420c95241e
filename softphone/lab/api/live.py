"""Live events: the WebSocket /calls?t=&ext=, its handshake, its pings and its frames."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from starlette.responses import PlainTextResponse
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from softphone.lab.api.answers import INVALID_TOKEN
from softphone.lab.events import EventLog
from softphone.lab.faults import Fault, FaultPlan
from softphone.lab.feed import CallFeed, CallState
from softphone.lab.service_options import ServiceOptions
from softphone.lab.tasks import TaskOwner
from softphone.lab.tokens import AccessToken, TokenStore

PATH = "/calls"
MISSING_T = "&t parameter is missing"
MISSING_EXT = "&ext parameter is missing"
POLICY_VIOLATION = 1008
GONE = 1001
DROPPED, STOPPED = "dropped", "lab stopped"
EVENT_KINDS = ("lose", "delay", "duplicate", "reorder", "garbage", "error", "drop", "expired_token")
MAX_WAITING = 10_000  # frames for a client that does not read


@dataclass(eq=False)
class LiveConnection:
    """One client that follows some extensions."""

    socket: WebSocket = field(repr=False)
    token: AccessToken = field(repr=False)
    extensions: frozenset[str]
    frames: asyncio.Queue[str | None] = field(default_factory=lambda: asyncio.Queue(MAX_WAITING), repr=False)
    held_back: list[str] = field(default_factory=list, repr=False)  # by a `reorder` fault
    pinged: dict[str, Any] | None = None  # what a pong must bring back
    close_reason: str = ""

    def send(self, event: str, data: dict[str, Any]) -> None:
        """Queue a frame."""
        self.send_text(json.dumps({"event": event, "data": data}, separators=(",", ":")))

    def send_text(self, text: str) -> None:
        """Queue a frame as it is; a client that reads nothing loses its connection."""
        try:
            self.frames.put_nowait(text)
        except asyncio.QueueFull:
            self.end("client reads nothing")

    def end(self, reason: str) -> None:
        """Close the connection after what is queued."""
        self.close_reason = self.close_reason or reason
        if self.frames.full():
            self.frames.get_nowait()
        self.frames.put_nowait(None)


class LiveHub:
    """All live connections."""

    def __init__(
        self, tokens: TokenStore, faults: FaultPlan, feed: CallFeed, events: EventLog, options: ServiceOptions
    ) -> None:
        self.connections: set[LiveConnection] = set()
        self.cut: Callable[[tuple[str, int]], None] = _cannot_cut  # closes a client's connection; the server knows how
        self._tokens = tokens
        self._faults = faults
        self._events = events
        self._options = options
        self._closed = False
        self._tasks = TaskOwner()
        feed.listen(self._on_call)

    def routes(self) -> list[WebSocketRoute]:
        """To be served."""
        return [WebSocketRoute(PATH, self._serve)]

    async def close(self) -> None:
        """End every connection, and open none any more: clients come back as soon as they are cut."""
        self._closed = True
        for connection in tuple(self.connections):
            connection.end(STOPPED)
        await asyncio.sleep(0)
        await self._tasks.close()

    def drop_all(self) -> int:
        """Cut every connection without a word; returns how many."""
        for connection in tuple(self.connections):
            connection.end(DROPPED)
        return len(self.connections)

    # the handshake

    async def _serve(self, socket: WebSocket) -> None:
        judged = self._judge(socket)
        if isinstance(judged, LiveConnection):
            await socket.accept()
            await self._live(judged)
        else:
            self._events.emit("live_refused", code=judged[0], cause=judged[1])
            await self._refuse(socket, *judged)

    def _judge(self, socket: WebSocket) -> LiveConnection | tuple[int, str]:
        """The connection, or the status and the text of its refusal."""
        if self._closed:
            return 503, STOPPED
        fault = self._faults.strikes("live", ("refuse",))
        if fault is not None:
            return fault.status, "The server cannot answer now"
        token, wanted = socket.query_params.get("t", ""), _listed(socket.query_params.get("ext", ""))
        if not token:
            return 406, MISSING_T
        if not wanted:
            return 406, MISSING_EXT
        access = self._tokens.access(token)
        if access is None or not wanted <= access.extensions:
            return 401, INVALID_TOKEN
        return LiveConnection(socket, access, wanted)

    async def _refuse(self, socket: WebSocket, status: int, text: str) -> None:
        if self._options.live_errors == "status" or status >= 500:
            await socket.send_denial_response(PlainTextResponse(text, status))
            return
        await socket.accept()
        await socket.send_text(json.dumps({"event": "error", "data": {"message": text}}, separators=(",", ":")))
        await socket.close(POLICY_VIOLATION, text)

    # the stream

    async def _live(self, connection: LiveConnection) -> None:
        self.connections.add(connection)
        followed = {"domain": connection.token.domain, "extensions": sorted(connection.extensions)}
        self._events.emit("live_opened", **followed)
        parts = [
            self._tasks.spawn(self._write(connection), "live writer"),
            self._tasks.spawn(self._ping(connection), "live pings"),
            self._tasks.spawn(self._read(connection), "live reader"),
        ]
        try:
            await asyncio.wait(parts, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self.connections.discard(connection)
            for part in parts:
                part.cancel()
            await asyncio.gather(*parts, return_exceptions=True)
            self._events.emit("live_closed", **followed, cause=connection.close_reason or "client left")

    async def _write(self, connection: LiveConnection) -> None:
        with contextlib.suppress(WebSocketDisconnect):
            while (frame := await connection.frames.get()) is not None:
                await connection.socket.send_text(frame)
            client = connection.socket.client
            if connection.close_reason == DROPPED and client is not None:
                self.cut((client.host, client.port))
            else:
                code = GONE if connection.close_reason == STOPPED else POLICY_VIOLATION
                await connection.socket.close(code, connection.close_reason)

    async def _read(self, connection: LiveConnection) -> None:
        with contextlib.suppress(WebSocketDisconnect):
            while True:
                message = await connection.socket.receive()
                if message["type"] == "websocket.disconnect":
                    return
                self._received(connection, message.get("text") or "")

    def _received(self, connection: LiveConnection, text: str) -> None:
        """A pong with the ping's own data is the only thing that a client has to say."""
        try:
            frame = json.loads(text)
        except (ValueError, RecursionError):
            frame = None
        answers = isinstance(frame, dict) and frame.get("event") == "pong" and frame.get("data") == connection.pinged
        if answers and connection.pinged is not None:
            connection.pinged = None
        else:
            self._events.emit("live_strange_frame", domain=connection.token.domain, text=text[:200])

    async def _ping(self, connection: LiveConnection) -> None:
        """Ping, and watch over the answers and the token's time."""
        next_ping = time.monotonic() + self._options.live_ping_s
        unanswered_until = 0.0
        while True:
            now = time.monotonic()
            expired = self._tokens.access(connection.token.token) is None
            if expired or (connection.pinged is not None and now >= unanswered_until):
                break
            if now >= next_ping:
                next_ping = now + self._options.live_ping_s
                if connection.pinged is None and self._send_ping(connection):
                    unanswered_until = now + self._options.live_pong_s
            times = [next_ping, now + connection.token.remaining_s, now + 1.0]  # a token may be revoked meanwhile
            if connection.pinged is not None:
                times.append(unanswered_until)
            await asyncio.sleep(max(0.01, min(times) - now))
        if expired:
            connection.send("error", {"message": INVALID_TOKEN})
        connection.end(INVALID_TOKEN if expired else "no pong")
        await asyncio.sleep(self._options.live_pong_s)  # the writer ends the connection

    def _send_ping(self, connection: LiveConnection) -> bool:
        if self._faults.strikes("live", ("no_ping",)) is not None:
            return False
        data = {"sentStamp": int(time.time() * 1000), "expiresInSec": max(0, int(connection.token.remaining_s))}
        connection.pinged = data
        connection.send("ping", data)
        return True

    # calls

    def _on_call(self, change: CallState) -> None:
        party = change.party
        for connection in tuple(self.connections):
            if connection.token.domain == party.domain and party.extension in connection.extensions:
                self._deliver(connection, change)

    def _deliver(self, connection: LiveConnection, change: CallState) -> None:
        options = self._options
        data = change.frame(presence_prefix=options.presence_prefix, unanswered=options.live_unanswered)
        text = json.dumps({"event": "call", "data": data}, separators=(",", ":"))
        fault = self._faults.strikes("live", EVENT_KINDS, path=change.party.extension)
        if fault is None or not self._spoil(connection, fault, text):
            connection.send_text(text)
        if connection.held_back and (fault is None or fault.kind != "reorder"):
            for held in connection.held_back:
                connection.send_text(held)
            connection.held_back.clear()

    def _spoil(self, connection: LiveConnection, fault: Fault, text: str) -> bool:
        """Do what the fault says; True where the frame itself is not to be sent now."""
        if fault.kind == "duplicate":
            connection.send_text(text)
        elif fault.kind == "garbage":
            connection.send_text('{"event":"call","data":{"callUuid":')
        elif fault.kind == "error":
            connection.send("error", {"message": "Temporarily unavailable"})
        elif fault.kind == "reorder":
            connection.held_back.append(text)
        elif fault.kind == "delay":
            asyncio.get_running_loop().call_later(fault.delay_s, connection.send_text, text)
        elif fault.kind == "expired_token":
            connection.send("error", {"message": INVALID_TOKEN})
            connection.end(INVALID_TOKEN)
        elif fault.kind == "drop":
            connection.end(DROPPED)
        return fault.kind in ("lose", "reorder", "delay", "drop", "expired_token")


def _listed(text: str) -> frozenset[str]:
    return frozenset(part.strip() for part in text.split(",") if part.strip())


def _cannot_cut(_client: tuple[str, int]) -> None:
    raise RuntimeError("the live events are not served")
