"""The way to a registrar, step by step: name, connection, TLS certificate, and whether SIP answers."""

from __future__ import annotations

import asyncio
import errno
import socket
import ssl
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from softphone.addresses import HostPort
from softphone.cli.doctor import certificate, options
from softphone.cli.doctor.findings import NETWORK_LIMIT_S, Area, Finding
from softphone.cli.doctor.machine import SYSTEM_CA_FILE
from softphone.config import ResolvedAccount
from softphone.stacks.names import LookupFailed, Names, NoWay, Place

if TYPE_CHECKING:
    from softphone.stacks.websocket import Endpoint

Address = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Server:
    """A place that accounts register at: they share one check."""

    host: str
    port: int
    transport: str
    domain: str
    tls_name: str
    ca_file: Path | None
    verify: bool
    srv: bool = False
    path: str = "/"
    elsewhere: bool = False
    """Whether `host` was configured, and is not what the domain leads to."""

    @property
    def area(self) -> Area:
        return Area(f"registrar {HostPort(self.host, self.port)} over {self.transport.upper()} for {self.domain}")


def servers_of(accounts: Iterable[ResolvedAccount]) -> list[Server]:
    """The first hops of these accounts, each once."""
    return list(dict.fromkeys(_server(account, hop) for account in accounts for hop in account.first_hops))


def _server(account: ResolvedAccount, hop: HostPort) -> Server:
    return Server(
        host=hop.host,
        port=hop.port or account.port,
        srv=account.srv and not hop.port,
        transport=account.transport,
        domain=account.domain,
        tls_name=account.tls.server_name or account.domain,
        ca_file=account.tls.ca_file,
        verify=account.tls.verify,
        path=account.websocket_path,
        elsewhere=bool(account.registrar or account.outbound_proxy),
    )


def check_registrar(server: Server) -> Iterator[Finding]:
    """As far as the way goes: each step needs the one before."""
    address, found = _resolve(server)
    yield found
    if address is None:
        return
    if server.transport == "udp":
        yield _ask_udp(server, address)
        return
    try:
        plain = socket.create_connection(address, NETWORK_LIMIT_S)
    except OSError as error:
        yield _no_connection(server, address, error)
        return
    with plain:
        yield server.area.ok("connection", f"{address[0]} accepts it on port {address[1]}")
        if server.transport == "tcp":
            yield _ask_stream(server, plain)
        else:
            yield from _over_tls(server, address, plain)


def _resolve(server: Server) -> tuple[Address | None, Finding]:
    try:
        places = asyncio.run(_places(server))
    except LookupFailed as failure:
        cure = f"check the account's domain or `registrar`, and the name servers (getent hosts {server.host})"
        return None, server.area.fail("name", failure.cause, cure)
    first = places[0]
    shown = ", ".join(str(HostPort(place.address, place.port)) for place in places)
    return (first.address, first.port), server.area.ok("name", f"{server.host}: {shown}")


async def _places(server: Server) -> list[Place]:
    names = Names()
    try:
        hop = HostPort(server.host, 0 if server.srv else server.port)
        return await names.find([hop], server.transport, server.port, srv=server.srv)
    finally:
        await names.close()


def _no_connection(server: Server, address: Address, error: OSError) -> Finding:
    where = f"{address[0]} port {address[1]}"
    if isinstance(error, TimeoutError):
        cure = "a firewall drops it, or the machine is down: check the way there, and the port"
        return server.area.fail("connection", f"{where} does not answer within {NETWORK_LIMIT_S:g} s", cure)
    if error.errno == errno.ECONNREFUSED:
        cure = "check port and transport of the account (TLS usually 5061, TCP and UDP 5060), and that the PBX is up"
        return server.area.fail("connection", f"{where} refuses it: nothing listens there", cure)
    cure = "check this machine's network connection, its default route, and any VPN"
    return server.area.fail("connection", f"{where} cannot be reached: {error.strerror or error}", cure)


# ---- TLS


def _over_tls(server: Server, address: Address, plain: socket.socket) -> Iterator[Finding]:
    try:
        secured = _context(server, server.verify).wrap_socket(plain, server_hostname=server.tls_name)
    except ssl.SSLCertVerificationError as error:
        yield _refused(server, address, error)
        return
    except (OSError, ValueError) as error:
        yield _no_handshake(server, error)
        return
    with secured:
        yield server.area.ok("TLS", f"{secured.version()}, {(secured.cipher() or ('',))[0]}")
        yield from certificate.judge(server.area, secured.getpeercert(True) or b"", verified=server.verify)
        if server.transport != "wss":
            yield _ask_stream(server, secured)
            return
    yield from _over_websocket(server, address)


def _context(server: Server, verify: bool) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if verify:
        context.load_verify_locations(cafile=str(server.ca_file or SYSTEM_CA_FILE))
    else:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def _refused(server: Server, address: Address, error: ssl.SSLCertVerificationError) -> Finding:
    """Connects once more without judging, to be able to say what the certificate is."""
    try:
        with (
            socket.create_connection(address, NETWORK_LIMIT_S) as plain,
            _context(server, False).wrap_socket(plain, server_hostname=server.tls_name) as secured,
        ):
            shown = secured.getpeercert(True) or b""
    except OSError:
        shown = b""
    return certificate.explain(server.area, shown, error, name=server.tls_name, ca_file=server.ca_file)


def _no_handshake(server: Server, error: OSError | ValueError) -> Finding:
    reason = getattr(error, "reason", "") or str(error)
    if reason in ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "UNKNOWN_PROTOCOL", "RECORD_LAYER_FAILURE"):
        cure = "use the PBX's TLS port (5061 by default), or set `transport: tcp` for this one"
        return server.area.fail("TLS", "what listens there does not speak TLS", cure)
    if isinstance(error, TimeoutError):
        cure = "this port may speak another protocol: check port and transport of the account"
        return server.area.fail("TLS", f"no handshake within {NETWORK_LIMIT_S:g} s", cure)
    if "PROTOCOL" in reason or "VERSION" in reason:
        cure = "have TLS 1.2 or 1.3 switched on at the PBX; older versions are not safe"
        return server.area.fail("TLS", f"no common version: {reason.lower().replace('_', ' ')}", cure)
    cure = "check that this port speaks TLS, and tls.ca_file if it is set"
    return server.area.fail("TLS", f"the handshake failed: {reason.lower().replace('_', ' ')}", cure)


# ---- WebSocket


def _over_websocket(server: Server, address: Address) -> Iterator[Finding]:
    try:
        status = asyncio.run(options.over_websocket(_endpoint(server, address), server.domain))
    except NoWay as fault:
        yield server.area.fail("WebSocket", fault.cause, fault.advice)
        return
    except OSError as error:
        yield server.area.ok("WebSocket", f"opened at {server.path}, subprotocol sip")
        yield _silent(server, error)
        return
    yield server.area.ok("WebSocket", f"opened at {server.path}, subprotocol sip")
    yield _answered(server, status)


def _endpoint(server: Server, address: Address) -> Endpoint:
    from softphone.stacks.websocket import Endpoint

    return Endpoint(
        server.domain,
        server.tls_name,
        address[0],
        address[1],
        server.path,
        server.ca_file,
        server.verify,
        server.elsewhere,
    )


# ---- SIP


def _ask_stream(server: Server, stream: socket.socket) -> Finding:
    try:
        return _answered(server, options.over_stream(stream, server.domain, server.transport))
    except OSError as error:
        return _silent(server, error)


def _ask_udp(server: Server, address: Address) -> Finding:
    try:
        return _answered(server, options.over_udp(address, server.domain))
    except OSError as error:
        return _silent(server, error)


def _answered(server: Server, status: str) -> Finding:
    return server.area.ok("SIP", f"OPTIONS is answered: {status}")


def _silent(server: Server, error: OSError) -> Finding:
    cure = "check that this port speaks SIP, that the PBX lets this address in (fail2ban), and the domain"
    if isinstance(error, TimeoutError):
        return server.area.fail("SIP", f"OPTIONS is not answered within {NETWORK_LIMIT_S:g} s", cure)
    if error.errno == errno.ECONNREFUSED:
        return server.area.fail("SIP", "nothing listens on this UDP port", cure)
    return server.area.fail("SIP", f"the connection was closed: {error.strerror or error}", cure)
