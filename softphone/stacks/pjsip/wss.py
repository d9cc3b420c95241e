"""SIP over secure WebSocket (RFC 7118) for PJSIP: a tunnel between a port on the loopback interface, to which PJSIP
speaks SIP over TCP, and the WebSocket of one account.

    PJSIP ── TCP, 127.0.0.1 ──> Tunnel ── one message a frame, TLS ──> the PBX

PJSIP does all that is above the transport. Each WebSocket has a port of its own, so that nothing said to the one before
can reach the new one; when the WebSocket breaks, PJSIP's connection is closed at once, and what waits there fails.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass

from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed
from websockets.frames import CloseCode

from softphone.aio import Tasks
from softphone.config.resolved import ResolvedAccount
from softphone.stacks.pjsip.ours import is_ours
from softphone.stacks.pjsip.registrars import Target
from softphone.stacks.pjsip.settings import tls_name
from softphone.stacks.pjsip.siptap import SipTap
from softphone.stacks.pjsip.wssip import Malformed, Message, Rewriting, Stream, messages_of
from softphone.stacks.websocket import Endpoint, open_websocket
from softphone.tracing.message import Place

log = logging.getLogger(__name__)

LOOPBACK = "127.0.0.1"
MAX_MESSAGE = 15_000
"""Bytes that PJSIP takes in one message (PJSIP_MAX_PKT_LEN in native/config_site.h, with room for what we add)."""
_READ = 65_536
_KEEPALIVE = "\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Pace:
    """How long to wait for the server. `ping_s` 0: no pings. A REGISTER has to wait for the opening: so `open_s` is
    less than it may take, and the cause is told."""

    open_s: float
    ping_s: float
    pong_s: float
    user_agent: str


def endpoint(account: ResolvedAccount, target: Target) -> Endpoint:
    """The WebSocket server of an account at a first hop of its."""
    return Endpoint(
        host=account.domain,
        tls_name=tls_name(account),
        address=target.address,
        port=target.port,
        path=account.websocket_path,
        ca_file=account.tls.ca_file,
        verify=account.tls.verify,
        elsewhere=bool(account.registrar or account.outbound_proxy),
    )


class Tunnel:
    """The WebSocket of one account. Belongs to the loop's thread.

    host: our name in Via and Contact; route: PJSIP's way to us, in angle brackets. lost: called with the cause when a
    WebSocket ends that nobody closed here.
    """

    def __init__(
        self, name: str, host: str, route: str, pace: Pace, lost: Callable[[str], None], tap: SipTap | None = None
    ) -> None:
        self._name, self._pace, self._lost, self._tap = name, pace, lost, tap
        self._rewriting = Rewriting(host, route)
        self._tasks = Tasks(f"tunnel of {name}")
        self._link: _Link | None = None
        self._server: Endpoint | None = None
        self._opening = asyncio.Lock()

    async def open(self, server: Endpoint) -> int:
        """Connects, unless this is up already; returns the port for PJSIP. Raises WebSocketFault.

        Who comes while another one connects waits for that first: a call may be placed while the account begins.
        """
        async with self._opening:
            return await self._open(server)

    async def _open(self, server: Endpoint) -> int:
        if self._link is not None and self._server == server:
            return self._link.port
        self.reset()
        pace = self._pace
        socket = await open_websocket(
            server, open_s=pace.open_s, ping_s=pace.ping_s, pong_s=pace.pong_s, user_agent=pace.user_agent
        )
        link = _Link(self._name, socket, self._rewriting, self._tasks, self._over, self._tap)
        try:
            await link.listen()
        except BaseException:
            link.cut()
            raise
        self._link, self._server = link, server
        log.info("account %s: WebSocket to %s is up", self._name, server.url)
        return link.port

    @property
    def up(self) -> bool:
        return self._link is not None

    def is_end(self, source: str) -> bool:
        """Whether a message that PJSIP got from `source` (address:port) came through here."""
        return self._link is not None and source == f"{LOOPBACK}:{self._link.port}"

    def _over(self, link: _Link, cause: str) -> None:
        if link is not self._link:
            return
        self._link = None
        log.info("account %s: the WebSocket is gone: %s", self._name, cause)
        self._lost(cause)

    def reset(self) -> None:
        """Cuts the WebSocket, which is believed dead or is not wanted any more; nobody is told."""
        link, self._link = self._link, None
        if link is not None:
            link.cut()

    async def close(self) -> None:
        """Takes leave of the server, and ends all of it."""
        link, self._link = self._link, None
        if link is not None:
            await link.leave()
        await self._tasks.close()


class _Link:
    """One WebSocket, and PJSIP's connections to it."""

    def __init__(
        self,
        name: str,
        socket: ClientConnection,
        rewriting: Rewriting,
        tasks: Tasks,
        over: Callable[[_Link, str], None],
        tap: SipTap | None,
    ) -> None:
        self._tap = tap
        self._name, self._socket, self._rewriting, self._tasks, self._tell = name, socket, rewriting, tasks, over
        self._listener: asyncio.Server | None = None
        self._ends: list[asyncio.StreamWriter] = []  # the newest last; PJSIP has one, two for a moment
        self._is_over = False
        self.port = 0

    async def listen(self) -> None:
        self._listener = await asyncio.start_server(self._accepted, LOOPBACK, 0)
        self.port = int(self._listener.sockets[0].getsockname()[1])
        if self._tap is not None:
            self._tap.hide(self.port)
        self._tasks.spawn(self._from_server(), "from the server")

    # ---- PJSIP's side

    def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        end = writer.get_extra_info("peername")
        if self._is_over or not is_ours((str(end[0]), int(end[1])), (LOOPBACK, self.port)):
            log.warning("account %s: a stranger's connection to the WebSocket's port is refused", self._name)
            writer.transport.abort()
            return
        self._ends.append(writer)
        self._tasks.spawn(self._from_pjsip(reader, writer), "from PJSIP")

    async def _from_pjsip(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        stream = Stream()
        try:
            while data := await reader.read(_READ):
                keepalives = stream.keepalives
                for message in stream.feed(data):
                    await self._send(message)
                if stream.keepalives > keepalives:
                    await self._socket.send(_KEEPALIVE)
        except Malformed as fault:
            log.error("account %s: a message from PJSIP cannot be read: %s", self._name, fault)
        except (OSError, ConnectionClosed):
            pass  # told by whoever reads from that end
        finally:
            if writer in self._ends:
                self._ends.remove(writer)
            writer.close()

    async def _send(self, message: Message) -> None:
        data = bytes(self._rewriting.outgoing(message))
        self._trace(True, data)
        try:
            await self._socket.send(data.decode())  # text, as a browser's
        except UnicodeDecodeError:
            await self._socket.send(data)

    # ---- the server's side

    async def _from_server(self) -> None:
        try:
            async for frame in self._socket:
                await self._receive(frame.encode() if isinstance(frame, str) else frame)
        except ConnectionClosed:
            pass  # `_ending` says why
        self._end(_ending(self._socket))

    async def _receive(self, frame: bytes) -> None:
        try:
            for message in messages_of(frame):
                await self._hand_on(message)
        except Malformed as fault:
            log.warning("account %s: a message over the WebSocket is dropped: %s", self._name, fault)

    def _trace(self, sent: bool, data: bytes) -> None:
        if self._tap is not None and self._tap.open:
            ends = (self._socket.local_address, self._socket.remote_address)
            local, remote = (Place(str(end[0]), int(end[1])) for end in ends)
            self._tap.tell(sent, local, remote, data)

    async def _hand_on(self, message: Message) -> None:
        self._trace(False, bytes(message))
        data = bytes(self._rewriting.incoming(message))
        if len(data) > MAX_MESSAGE:
            log.warning("account %s: %s of %d bytes is dropped: too long", self._name, message.title, len(data))
        elif not self._ends:
            log.warning("account %s: %s is dropped: it came before our first request", self._name, message.title)
        else:
            end = self._ends[-1]
            end.write(data)
            try:
                await end.drain()
            except OSError:
                log.info("account %s: %s is lost with PJSIP's connection", self._name, message.title)

    # ---- the end

    def _end(self, cause: str) -> None:
        if self._is_over:
            return
        self._close_ends()
        self._tell(self, cause)

    def _close_ends(self) -> None:
        """PJSIP sees its connection closed, and finds nobody at the port any more."""
        self._is_over = True
        if self._listener is not None:
            self._listener.close()
        for end in self._ends:
            end.close()

    def cut(self) -> None:
        self._close_ends()
        self._socket.transport.abort()

    async def leave(self) -> None:
        self._close_ends()
        await self._socket.close()


def _ending(socket: ClientConnection) -> str:
    """Why a WebSocket ended, for a person."""
    ours, theirs = socket.protocol.close_sent, socket.protocol.close_rcvd
    if theirs is None and ours is not None and "ping timeout" in ours.reason:
        return "the server has not answered a WebSocket ping: the connection is dead"
    if theirs is None and ours is not None and ours.code == CloseCode.MESSAGE_TOO_BIG:
        return "the server sent a message longer than any SIP message"
    if theirs is None:
        return "the connection was cut"
    reason = "".join(c if c.isprintable() else " " for c in theirs.reason).strip()
    return f"the server closed the WebSocket (code {theirs.code}{': ' + reason if reason else ''})"
