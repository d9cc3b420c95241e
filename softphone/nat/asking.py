"""Asks a STUN or TURN server whether it would help us, over a socket of its own that is closed again."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from ipaddress import ip_address
from pathlib import Path
from typing import Protocol

from softphone.addresses import HostPort
from softphone.config.nat import Turn
from softphone.errors import SoftphoneError
from softphone.nat import stun

SYSTEM_CA_FILE = Path("/etc/ssl/certs/ca-certificates.crt")
RESEND_S = 0.25
UNAUTHORIZED, STALE_NONCE = 401, 438


class ServerFault(SoftphoneError):
    """The server does not help us. `cause` and `advice` are for people."""

    def __init__(self, cause: str, advice: str) -> None:
        super().__init__(f"{cause}; {advice}")
        self.cause = cause
        self.advice = advice


async def resolve(host: str, limit_s: float, *, binds: Sequence[str] = ()) -> str:
    """The numeric address of a host: IPv4 unless `binds`, our own addresses, are all IPv6. Raises ServerFault."""
    try:
        return str(ip_address(host))
    except ValueError:
        pass
    try:
        async with asyncio.timeout(limit_s):
            found = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except TimeoutError:
        raise ServerFault(
            f"the name {host} could not be looked up within {limit_s:g} s", "check the DNS servers of this machine"
        ) from None
    except (OSError, UnicodeError):
        raise ServerFault(
            f"the name {host} cannot be looked up", "check its spelling in `nat`, and the DNS servers"
        ) from None
    only_6 = bool(binds) and all(":" in each for each in binds)
    return sorted((str(each[4][0]) for each in found), key=lambda text: (":" in text) != only_6)[0]


def bound(binds: Sequence[str], address: str) -> str:
    """The one of our addresses (`sip.bind`) that `address` is reached from, '' for any."""
    ours = next((each for each in binds if (":" in each) == (":" in address)), "")
    return "" if ours in ("0.0.0.0", "::") else ours


async def ask_stun(address: HostPort, limit_s: float, *, bind: str = "") -> HostPort:
    """How the STUN server at a numeric address sees us, asked from `bind`. Raises ServerFault."""
    with _told(f"the STUN server {address}", limit_s):
        async with asyncio.timeout(limit_s), _datagrams(address, bind) as channel:
            answer = await channel.ask(stun.encode(request := stun.Message(stun.BINDING)), request.transaction)
    seen = answer.address(stun.XOR_MAPPED_ADDRESS) or answer.address(stun.MAPPED_ADDRESS)
    if answer.kind != stun.SUCCESS or seen is None:
        code, reason = answer.error
        raise ServerFault(f"the STUN server {address} does not tell our address: {code} {reason}", "use another server")
    return seen


async def ask_turn(turn: Turn, address: HostPort, limit_s: float, *, bind: str = "") -> HostPort:
    """Has the TURN server at a numeric address set up a relay, gives it back, and returns its address.

    Raises ServerFault.
    """
    with _told(f"the TURN server {address} over {turn.transport.upper()}", limit_s):
        async with asyncio.timeout(limit_s), _channel(turn, address, bind) as channel:
            return await _allocate(channel, turn, address)


async def _allocate(channel: Channel, turn: Turn, address: HostPort) -> HostPort:
    wanted = stun.transport_attribute()
    answer = await _ask(channel, stun.ALLOCATE, (wanted,), b"")
    identity: tuple[tuple[int, bytes], ...] = ()
    key = b""
    for _ in range(2):
        if answer.kind == stun.SUCCESS or answer.error[0] not in (UNAUTHORIZED, STALE_NONCE):
            break
        identity, key = _identity(turn, answer)
        answer = await _ask(channel, stun.ALLOCATE, (wanted, *identity), key)
        if answer.error[0] == UNAUTHORIZED:
            break
    relay = answer.address(stun.XOR_RELAYED_ADDRESS)
    if answer.kind != stun.SUCCESS or relay is None:
        raise _refused(address, *answer.error)
    await _ask(channel, stun.REFRESH, ((stun.LIFETIME, bytes(4)), *identity), key)
    return relay


def _identity(turn: Turn, challenge: stun.Message) -> tuple[tuple[tuple[int, bytes], ...], bytes]:
    realm, nonce = challenge.first(stun.REALM) or b"", challenge.first(stun.NONCE) or b""
    key = stun.long_term_key(turn.username, realm.decode("utf-8", "replace"), turn.password.reveal())
    return ((stun.USERNAME, turn.username.encode()), (stun.REALM, realm), (stun.NONCE, nonce)), key


def _refused(address: HostPort, code: int, reason: str) -> ServerFault:
    if code == UNAUTHORIZED:
        return ServerFault(
            f"the TURN server {address} refuses the user name or the password", "check nat.turn.username and .password"
        )
    if code == 486:
        return ServerFault(f"the TURN server {address} has no relay left for this user", "have its user-quota raised")
    if code == 403:
        return ServerFault(f"the TURN server {address} forbids us a relay: {reason}", "look at the rules of the server")
    return ServerFault(f"the TURN server {address} gives no relay: {code} {reason}", "look at the server's log")


async def _ask(channel: Channel, method: int, attributes: tuple[tuple[int, bytes], ...], key: bytes) -> stun.Message:
    request = stun.Message(method, attributes=attributes)
    return await channel.ask(stun.encode(request, key), request.transaction)


# ---- faults in words


@contextmanager
def _told(what: str, limit_s: float) -> Iterator[None]:
    """Turns what can go wrong on the way to a server into ServerFault."""
    try:
        yield
    except TimeoutError:
        raise ServerFault(
            f"{what} does not answer within {limit_s:g} s", "check address, port and any firewall"
        ) from None
    except ConnectionRefusedError:
        raise ServerFault(f"{what}: nothing listens there", "check address, port and transport") from None
    except ssl.SSLCertVerificationError as error:
        raise ServerFault(
            f"the certificate of {what} is refused: {error.verify_message.rstrip('.')}",
            "check nat.turn.tls: ca_file for an authority of your own, server_name for another name",
        ) from None
    except ssl.SSLError:
        raise ServerFault(f"{what}: the TLS handshake failed", "check that this port speaks TLS") from None
    except OSError as error:
        raise ServerFault(f"{what} cannot be reached: {error.strerror or error}", "check the network") from None
    except (ValueError, EOFError):
        raise ServerFault(
            f"{what}: what listens there does not speak STUN", "check address, port and transport"
        ) from None


# ---- channels


class Channel(Protocol):
    async def ask(self, request: bytes, transaction: bytes) -> stun.Message:
        """Sends a request and returns its answer."""


@asynccontextmanager
async def _channel(turn: Turn, address: HostPort, bind: str) -> AsyncIterator[Channel]:
    if turn.transport == "udp":
        async with _datagrams(address, bind) as datagrams:
            yield datagrams
        return
    context = _tls(turn) if turn.transport == "tls" else None
    reader, writer = await asyncio.open_connection(
        address.host,
        address.port,
        ssl=context,
        server_hostname=turn.tls_name if context else None,
        local_addr=(bind, 0) if bind else None,
    )
    try:
        yield _Stream(reader, writer)
    finally:
        writer.transport.abort()


def _tls(turn: Turn) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if turn.tls.verify:
        context.load_verify_locations(cafile=str(turn.tls.ca_file or SYSTEM_CA_FILE))
    else:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


class _Stream:
    """STUN over TCP or TLS: one message after the other."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    async def ask(self, request: bytes, transaction: bytes) -> stun.Message:
        self._writer.write(request)
        while True:
            header = await self._reader.readexactly(stun.HEADER_BYTES)
            body = await self._reader.readexactly(stun.total_bytes(header) - stun.HEADER_BYTES)
            answer = stun.decode(header + body)
            if answer.transaction == transaction and answer.kind != stun.REQUEST:
                return answer


class _Datagrams(asyncio.DatagramProtocol):
    """STUN over UDP: a request is sent again until its answer comes."""

    def __init__(self) -> None:
        self.transport: asyncio.DatagramTransport | None = None
        self._waiting: tuple[bytes, asyncio.Future[stun.Message]] | None = None

    def datagram_received(self, data: bytes, _: object) -> None:
        try:
            answer = stun.decode(data)
        except (ValueError, IndexError):
            return  # a stranger's, or noise
        if self._waiting and answer.transaction == self._waiting[0] and answer.kind != stun.REQUEST:
            if not self._waiting[1].done():
                self._waiting[1].set_result(answer)

    def error_received(self, error: Exception) -> None:
        if self._waiting and not self._waiting[1].done():
            self._waiting[1].set_exception(error)

    async def ask(self, request: bytes, transaction: bytes) -> stun.Message:
        future: asyncio.Future[stun.Message] = asyncio.get_running_loop().create_future()
        self._waiting = (transaction, future)
        pause_s = RESEND_S
        while self.transport is not None:
            self.transport.sendto(request)
            done, _ = await asyncio.wait({future}, timeout=pause_s)
            if done:
                return future.result()
            pause_s *= 2
        raise ConnectionRefusedError


@asynccontextmanager
async def _datagrams(address: HostPort, bind: str) -> AsyncIterator[_Datagrams]:
    transport, protocol = await asyncio.get_running_loop().create_datagram_endpoint(
        _Datagrams, remote_addr=(address.host, address.port), local_addr=(bind, 0) if bind else None
    )
    protocol.transport = transport
    try:
        yield protocol
    finally:
        transport.abort()
