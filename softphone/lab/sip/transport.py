"""The lab's listening sockets: SIP over UDP, TCP, TLS (RFC 3261 section 18) and WebSocket (RFC 7118)."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal, Protocol

from sipmessage import Request, Response

from softphone.errors import SoftphoneError
from softphone.lab.addresses import family
from softphone.lab.sip import message as sip
from softphone.lab.sip.flow import MAX_UNSENT_BYTES, ConnectionFlow
from softphone.lab.sip.framing import FramingError, Ping, StreamFramer

if TYPE_CHECKING:
    from softphone.lab.sip.websocket import Frames

TransportName = Literal["udp", "tcp", "tls", "ws", "wss"]
Address = tuple[str, int]

PORT_ATTEMPTS = 20


class Flow(Protocol):
    """Where a message came from, and the way back (RFC 5626's word). Equal flows reach the same phone."""

    @property
    def transport(self) -> TransportName:
        """How it travels."""

    @property
    def reliable(self) -> bool:
        """Whether the transport repeats by itself what gets lost."""

    @property
    def remote(self) -> Address:
        """Address and port of the other side."""

    @property
    def closed(self) -> bool:
        """Whether nothing can be sent any more."""

    def send(self, data: bytes) -> None:
        """Send one whole message; without effect on a closed flow."""


class Connection(Flow, Protocol):
    """A flow that can break."""

    silent: bool

    def abort(self) -> None:
        """Cut it at once."""


class NetworkOwner(Protocol):
    """Who gets what arrives."""

    def on_message(self, message: Request | Response, flow: Flow) -> None:
        """One well-formed message."""

    def on_garbage(self, transport: TransportName, source: Address, why: str) -> None:
        """Bytes that are no SIP."""

    def on_connection(self, flow: Flow, opened: bool) -> None:
        """A TCP, TLS or WebSocket connection came or went."""


class UdpFlow:
    """A remote address on the lab's UDP socket."""

    transport: TransportName = "udp"
    reliable = False

    def __init__(self, port: UdpPort, remote: Address) -> None:
        self._port = port
        self.remote = remote

    @property
    def closed(self) -> bool:
        """UDP only closes with the lab."""
        return self._port.closed

    def send(self, data: bytes) -> None:
        """Send one datagram."""
        self._port.send(data, self.remote)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, UdpFlow) and other.remote == self.remote

    def __hash__(self) -> int:
        return hash(("udp", self.remote))


class UdpPort(asyncio.DatagramProtocol):
    """The lab's UDP socket."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self._transport: asyncio.DatagramTransport | None = None

    @property
    def closed(self) -> bool:
        """Whether the socket is gone."""
        return self._transport is None or self._transport.is_closing()

    def connection_made(self, transport: Any) -> None:
        """asyncio: the socket is ready."""
        self._transport = transport

    def datagram_received(self, data: bytes, addr: Address) -> None:
        """asyncio: one datagram."""
        if self._network.frozen or not data.strip(b"\r\n\0 "):
            return  # blank datagrams are keep-alives, which only the NAT in between wants
        self._network.receive(data, UdpFlow(self, addr[:2]))

    def error_received(self, exc: Exception) -> None:
        """asyncio: an ICMP error for something sent; the transaction's timer will tell."""

    def send(self, data: bytes, remote: Address) -> None:
        """Send one datagram, unless the lab is frozen."""
        if self._transport is not None and not self._network.frozen and not self.closed:
            self._transport.sendto(data, remote)

    def close(self) -> None:
        """Close the socket."""
        if self._transport is not None:
            self._transport.close()


class StreamFlow(ConnectionFlow):
    """One TCP or TLS connection."""

    def __init__(self, network: Network, transport: TransportName) -> None:
        super().__init__(network, transport)
        self._framer = StreamFramer()

    def data_received(self, data: bytes) -> None:
        """asyncio: some bytes of the stream."""
        if self._mute:
            return
        try:
            for frame in self._framer.feed(data):
                if isinstance(frame, Ping):
                    self.send(b"\r\n")
                else:
                    self._network.receive(frame, self)
        except FramingError as error:
            self._network.owner.on_garbage(self.transport, self.remote, str(error))
            self.abort()

    def send(self, data: bytes) -> None:
        """Queue one message; a peer that reads nothing loses its connection instead of filling our memory."""
        if self._writer is None or self._writer.is_closing() or self._mute:
            return
        self._writer.write(data)
        if self._writer.get_write_buffer_size() > MAX_UNSENT_BYTES:
            self.abort()


class Network:
    """All sockets of the lab's SIP side."""

    def __init__(self, owner: NetworkOwner, host: str) -> None:
        self.owner = owner
        self.host = host
        self.frozen = False
        self.ports: dict[TransportName, int] = {}
        self._udp = UdpPort(self)
        self._servers: list[asyncio.Server] = []
        self._connections: set[Connection] = set()

    async def open(self, tls: ssl.SSLContext, *, port: int = 0, tls_port: int = 0) -> None:
        """Listen. UDP and TCP share one port number. Raises SoftphoneError where a port is taken."""
        try:
            udp, tcp = bind_udp_and_tcp(self.host, port)
            tls_socket = bind(self.host, tls_port, socket.SOCK_STREAM)
        except OSError as error:
            raise self._cannot_listen(error) from error
        loop = asyncio.get_running_loop()
        await loop.create_datagram_endpoint(lambda: self._udp, sock=udp)
        await self._serve("tcp", lambda: StreamFlow(self, "tcp"), tcp)
        await self._serve("tls", lambda: StreamFlow(self, "tls"), tls_socket, tls)
        self.ports["udp"] = self.ports["tcp"]

    async def open_websocket(
        self, tls: ssl.SSLContext | None, *, port: int = 0, frames: Frames = "text", ping_s: float = 0.0
    ) -> None:
        """Listen for SIP over WebSocket too, secure with `tls`. Raises SoftphoneError where the port is taken."""
        from softphone.lab.sip.websocket import WebSocketFlow

        name: TransportName = "wss" if tls is not None else "ws"
        try:
            sock = bind(self.host, port, socket.SOCK_STREAM)
        except OSError as error:
            raise self._cannot_listen(error) from error
        await self._serve(name, lambda: WebSocketFlow(self, name, frames=frames, ping_s=ping_s), sock, tls)

    async def _serve(
        self,
        name: TransportName,
        make: Callable[[], asyncio.Protocol],
        sock: socket.socket,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._servers.append(await asyncio.get_running_loop().create_server(make, sock=sock, ssl=tls))
        self.ports[name] = sock.getsockname()[1]

    def _cannot_listen(self, error: OSError) -> SoftphoneError:
        return SoftphoneError(f"the lab cannot listen for SIP on {self.host}: {error.strerror}")

    async def close(self) -> None:
        """Close all sockets; phones see their connections end."""
        self._udp.close()
        for server in self._servers:
            server.close()
        self.drop_connections()
        await asyncio.sleep(0)

    def udp_flow(self, remote: Address) -> UdpFlow:
        """The way to an address over our UDP socket."""
        return UdpFlow(self._udp, remote)

    def drop_connections(self) -> int:
        """Cut every TCP, TLS and WebSocket connection; returns how many there were."""
        connections = tuple(self._connections)
        for connection in connections:
            connection.abort()
        return len(connections)

    def silence_connections(self) -> int:
        """Make today's connections black holes, as a cut link does; new ones work. Returns how many."""
        for connection in self._connections:
            connection.silent = True
        return len(self._connections)

    def opened(self, flow: Connection) -> None:
        """A connection is up."""
        self._connections.add(flow)
        self.owner.on_connection(flow, True)

    def lost(self, flow: Connection) -> None:
        """A connection is gone."""
        self._connections.discard(flow)
        self.owner.on_connection(flow, False)

    def receive(self, data: bytes, flow: Flow) -> None:
        """Parse what arrived and hand it up; what cannot be parsed is counted as garbage."""
        try:
            message = sip.parse(data)
        except ValueError as error:
            self.owner.on_garbage(flow.transport, flow.remote, str(error))
            return
        self.owner.on_message(message, flow)


def bind(host: str, port: int, kind: socket.SocketKind) -> socket.socket:
    """A bound, non-blocking socket. Raises OSError."""
    # The protocol is named because asyncio sets TCP_NODELAY only where it is: with Nagle's algorithm on, a 200 OK after
    # a 100 Trying waits for the phone's delayed acknowledgement, 40 ms.
    sock = socket.socket(family(host), kind, socket.IPPROTO_TCP if kind == socket.SOCK_STREAM else 0)
    try:
        if kind == socket.SOCK_STREAM:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        else:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        sock.bind((host, port))
    except OSError:
        sock.close()
        raise
    sock.setblocking(False)
    return sock


def bind_udp_and_tcp(host: str, port: int) -> tuple[socket.socket, socket.socket]:
    """Two sockets on one port number; 0 looks for a number that is free for both. Raises OSError."""
    for attempt in range(PORT_ATTEMPTS):
        udp = bind(host, port, socket.SOCK_DGRAM)
        try:
            return udp, bind(host, udp.getsockname()[1], socket.SOCK_STREAM)
        except OSError:
            udp.close()
            if port or attempt == PORT_ATTEMPTS - 1:
                raise
    raise OSError("no port number is free for both UDP and TCP")
