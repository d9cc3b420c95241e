"""A small HTTP/1.1 server for doors that strangers knock at: h11 between the bytes and us, and a limit on everything.

One request at a time on each connection; bodies are read whole. Who is too slow, too large or too many is let go with
an answer that says so, where one can still be sent.
"""

from __future__ import annotations

import asyncio
import json
import logging
import ssl
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

import h11

from softphone import __version__
from softphone.addresses import HostPort
from softphone.aio import Tasks
from softphone.config.webhook import Door
from softphone.errors import ConfigError

log = logging.getLogger(__name__)

_CHUNK = 64 * 1024
_LINGER_S = 1.0


@dataclass(frozen=True, slots=True)
class HttpLimits:
    """Times in seconds, sizes in bytes."""

    max_connections: int = 200
    max_head_bytes: int = 16 * 1024
    max_body_bytes: int = 64 * 1024
    handshake_timeout_s: float = 10.0
    request_timeout_s: float = 10.0
    """From the first byte of a request to its last."""
    idle_timeout_s: float = 60.0
    """Between two requests."""
    write_timeout_s: float = 10.0
    stop_patience_s: float = 2.0
    """How long running requests may take when the server stops."""


@dataclass(frozen=True, slots=True)
class Request:
    """`path` and `query` as sent; `headers` in small letters, of several of a name the last; `client`: an address."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes = field(repr=False)
    client: str


@dataclass(frozen=True, slots=True)
class Reply:
    """`body` is sent as JSON; None: none. `headers` are added."""

    status: int = 200
    body: Mapping[str, Any] | None = None
    headers: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def problem(cls, status: int, detail: str, **headers: str) -> Reply:
        """A refusal in words."""
        body = {"status": status, "title": HTTPStatus(status).phrase, "detail": detail}
        return cls(status, body, {name.replace("_", "-"): value for name, value in headers.items()})


Handler = Callable[[Request], Awaitable[Reply]]


class HttpDoor:
    """Listens where a `Door` of the configuration says, from `start` to `stop`. `handler` answers, and never raises."""

    def __init__(self, door: Door, handler: Handler, *, key: str, limits: HttpLimits | None = None) -> None:
        """key: the door's name in the configuration, for errors."""
        self._door, self._handler, self._key = door, handler, key
        self._limits = limits or HttpLimits()
        self._proxies = tuple(ip_network(each) for each in door.trusted_proxies)
        self._tasks = Tasks(key)
        self._server: asyncio.Server | None = None
        self._open = 0
        self._busy = 0
        self._quiet = asyncio.Event()

    async def start(self) -> None:
        """Raises ConfigError where it cannot listen, or the certificate is of no use."""
        context = await asyncio.to_thread(_tls, self._door, self._key)
        place = self._door.listen
        try:
            self._server = await asyncio.start_server(
                self._connected,
                place.host,
                place.port,
                ssl=context,
                ssl_handshake_timeout=self._limits.handshake_timeout_s if context else None,
                limit=_CHUNK,
            )
        except OSError as error:
            cause = error.strerror or str(error)
            raise ConfigError(f"cannot listen at {place}: {cause}", key=f"{self._key}.listen") from None

    @property
    def port(self) -> int:
        """Where it listens."""
        if self._server is None or not self._server.sockets:
            return 0
        return int(self._server.sockets[0].getsockname()[1])

    def url(self, path: str) -> str:
        """As it is reached from this machine; a proxy may give it another name."""
        scheme = "https" if self._door.certificate else "http"
        return f"{scheme}://{HostPort(self._door.listen.host, self.port)}{path}"

    async def stop(self) -> None:
        """Nobody new comes in; running requests are answered. Safe to call twice."""
        if self._server is None:
            return
        self._server.close()
        try:
            async with asyncio.timeout(self._limits.stop_patience_s):
                while self._busy:
                    self._quiet.clear()
                    await self._quiet.wait()
        except TimeoutError:
            log.warning("%s: %d requests were broken off", self._key, self._busy)
        await self._tasks.close()
        self._server = None

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._open >= self._limits.max_connections or self._tasks.closed:
            writer.transport.abort()
            return
        self._open += 1
        self._tasks.spawn(self._serve(reader, writer), "connection")

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer = writer.get_extra_info("peername")
        connection = _Connection(reader, writer, self._limits, str(peer[0]) if peer else "")
        try:
            while await self._one(connection):
                connection.next()
        except (OSError, ssl.SSLError, TimeoutError, h11.LocalProtocolError):
            log.debug("%s: a connection of %s broke", self._key, connection.peer)
        finally:
            self._open -= 1
            writer.transport.abort()

    async def _one(self, connection: _Connection) -> bool:
        """One request and its answer. False: the connection ends."""
        try:
            found = await connection.request()
        except _Refused as refused:
            await connection.send(refused.reply, last=True)
            return False
        if found is None:
            return False
        head, body = found
        self._busy += 1
        try:
            reply = await self._handler(self._made(head, body, connection.peer))
            await connection.send(reply, last=False)
        finally:
            self._busy -= 1
            self._quiet.set()
        return connection.goes_on and not self._tasks.closed

    def _made(self, head: h11.Request, body: bytes, peer: str) -> Request:
        headers = {name.decode("ascii"): value.decode("latin-1") for name, value in head.headers}
        path, _, query = head.target.decode("ascii", "replace").partition("?")
        client = self._client(peer, headers.get("x-forwarded-for", ""))
        return Request(head.method.decode("ascii"), path, query, headers, body, client)

    def _client(self, peer: str, forwarded: str) -> str:
        """Who asks: the last hop that is no proxy of ours."""
        hops = [hop.strip() for hop in forwarded.split(",") if hop.strip()]
        while hops and self._proxied(peer) and _is_address(hops[-1]):
            peer = hops.pop()
        return peer

    def _proxied(self, peer: str) -> bool:
        return _is_address(peer) and any(ip_address(peer) in network for network in self._proxies)


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


class _Refused(Exception):
    def __init__(self, reply: Reply) -> None:
        super().__init__(reply.status)
        self.reply = reply


class _Connection:
    """Bytes to requests, replies to bytes."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, limits: HttpLimits, peer: str
    ) -> None:
        self._reader, self._writer, self._limits, self.peer = reader, writer, limits, peer
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=limits.max_head_bytes)
        self._head_only = False

    def next(self) -> None:
        """The same connection, another request."""
        self._http.start_next_cycle()

    @property
    def goes_on(self) -> bool:
        return self._http.our_state is h11.DONE and self._http.their_state is h11.DONE

    async def request(self) -> tuple[h11.Request, bytes] | None:
        """The next request, whole; None at the connection's end. Raises _Refused."""
        try:
            async with asyncio.timeout(self._limits.idle_timeout_s):
                event = self._http.next_event()
                if event is h11.NEED_DATA:
                    await self._feed()
                    event = self._http.next_event()
            async with asyncio.timeout(self._limits.request_timeout_s):
                return await self._whole(event)
        except TimeoutError:
            if self._http.their_state is h11.IDLE and not self._http.trailing_data[0]:
                return None
            raise _Refused(Reply.problem(408, "the request was not complete in time")) from None
        except h11.RemoteProtocolError as error:
            raise _Refused(Reply.problem(error.error_status_hint, "this is no HTTP that is understood here")) from None

    async def _whole(self, event: Any) -> tuple[h11.Request, bytes] | None:
        head: h11.Request | None = None
        body = bytearray()
        while True:
            if event is h11.NEED_DATA:
                await self._ask_on()
                await self._feed()
            elif isinstance(event, h11.Request):
                head = event
                self._head_only = event.method == b"HEAD"
                self._check_announced(event)
            elif isinstance(event, h11.Data):
                body += event.data
                self._check(len(body))
            elif isinstance(event, h11.EndOfMessage):
                return (head, bytes(body)) if head is not None else None
            else:
                return None
            event = self._http.next_event()

    async def _ask_on(self) -> None:
        """Some senders wait to be told before they send a body."""
        if self._http.they_are_waiting_for_100_continue:
            await self._write(self._http.send(h11.InformationalResponse(status_code=100, headers=[])))

    def _check_announced(self, head: h11.Request) -> None:
        announced = next((value for name, value in head.headers if name == b"content-length"), b"0")
        self._check(int(announced))

    def _check(self, size: int) -> None:
        if size > self._limits.max_body_bytes:
            raise _Refused(Reply.problem(413, f"a body may have {self._limits.max_body_bytes} bytes at most"))

    async def _feed(self) -> None:
        self._http.receive_data(await self._reader.read(_CHUNK))

    async def send(self, reply: Reply, *, last: bool) -> None:
        """`last`: the connection ends with it."""
        if self._http.our_state not in (h11.IDLE, h11.SEND_RESPONSE):
            return
        content = b"" if reply.body is None else json.dumps(reply.body).encode()
        headers = {"Content-Length": str(len(content)), "Server": f"softphone/{__version__}", **reply.headers}
        if content:
            headers.setdefault("Content-Type", "application/json")
        if last:
            headers["Connection"] = "close"
        head = h11.Response(status_code=reply.status, headers=[(n.encode(), v.encode()) for n, v in headers.items()])
        sent = self._http.send(head) or b""
        sent += (self._http.send(h11.Data(data=content)) or b"") if content and not self._head_only else b""
        await self._write(sent + (self._http.send(h11.EndOfMessage()) or b""))
        if last:
            await self._linger()

    async def _write(self, data: bytes | None) -> None:
        if data:
            self._writer.write(data)
            async with asyncio.timeout(self._limits.write_timeout_s):
                await self._writer.drain()

    async def _linger(self) -> None:
        """What still comes is read for a moment: a connection cut with data unread would take our answer with it."""
        if self._writer.can_write_eof():
            self._writer.write_eof()
        try:
            async with asyncio.timeout(_LINGER_S):
                while await self._reader.read(_CHUNK):
                    pass
        except TimeoutError:
            return


def _tls(door: Door, key: str) -> ssl.SSLContext | None:
    if door.certificate is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(Path(door.certificate), Path(door.key) if door.key else None, _no_password)
    except (OSError, ssl.SSLError, ValueError) as error:
        cause = error.strerror if isinstance(error, OSError) and error.strerror else "it and its key do not fit"
        raise ConfigError(f"{door.certificate} cannot be used: {cause}", key=f"{key}.certificate") from None
    return context


def _no_password() -> str:
    raise ValueError("the key is encrypted")
