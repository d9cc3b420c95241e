"""The way to a SIP server over secure WebSocket (RFC 7118): TCP, TLS, the HTTP handshake, and what each can fail of."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus, NegotiationError, ProxyError
from websockets.http11 import USER_AGENT
from websockets.proxy import get_proxy
from websockets.typing import Subprotocol
from websockets.uri import parse_uri

from softphone.addresses import HostPort
from softphone.stacks.names import NoWay

SUBPROTOCOL = Subprotocol("sip")
OPEN_S = 6.0
"""How long the whole way may take; less than a REGISTER may (`sip.register_timeout_s`), so that the cause is told."""
CLOSE_S = 1.0
MAX_FRAME = 262_144
"""Bytes in one message of the server's; a longer one ends the connection (RFC 6455 section 7.4.1, code 1009)."""
QUEUED = 64
SYSTEM_CA_FILE = "/etc/ssl/certs/ca-certificates.crt"

_HTTP_ADVICE = {
    401: "the server asks for a password before the handshake, which SIP over WebSocket does not know: ask who runs it",
    403: "the server lets this address or account in nowhere: check firewall rules and access lists at the PBX",
    404: "check `websocket_path` of the account; some servers want /ws",
    407: "the proxy of this machine's environment wants a password",
    426: "the server wants another version of the protocol: check port and path",
    429: "too many tries: the server asks for patience",
}


class WebSocketFault(NoWay):
    """There is no WebSocket to the server. `status`: of HTTP, 0 without one."""

    def __init__(self, cause: str, advice: str, status: int = 0) -> None:
        super().__init__(cause, advice)
        self.status = status


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A server. `host` and `path` are the URL's, `tls_name` is sent and must be in the certificate; `address` is
    numeric, and `port` the one to connect to."""

    host: str
    tls_name: str
    address: str
    port: int
    path: str = "/"
    ca_file: Path | None = None
    verify: bool = True
    elsewhere: bool = False
    """Whether `address` was configured, and is not where `host` leads."""

    @property
    def url(self) -> str:
        return self._url(self.host)

    @property
    def proxied_url(self) -> str:
        """What a proxy is asked for: it looks the name up itself, and would not find what is configured only here."""
        return self._url(self.address if self.elsewhere else self.host)

    def _url(self, host: str) -> str:
        return f"wss://{HostPort(host, 0 if self.port == 443 else self.port)}{self.path}"


class _Connect(connect):
    """Goes where it is told to, and nowhere else."""

    def process_redirect(self, exc: Exception) -> Exception | str:
        return exc


async def open_websocket(
    server: Endpoint, *, open_s: float = OPEN_S, ping_s: float = 0, pong_s: float = 8, user_agent: str = ""
) -> ClientConnection:
    """Connects. Raises WebSocketFault.

    ping_s: pause between WebSocket pings, 0 for none; without an answer for `pong_s` the connection ends with 1011.
    The proxy of the environment is used, but never to this machine itself.
    """
    proxy = _proxy(server)
    way: dict[str, Any] = {} if proxy else {"host": server.address, "port": server.port}
    try:
        socket = await _Connect(
            server.proxied_url if proxy else server.url,
            subprotocols=[SUBPROTOCOL],
            ssl=_context(server),
            server_hostname=server.tls_name,
            compression=None,
            proxy=proxy,
            open_timeout=open_s,
            close_timeout=CLOSE_S,
            ping_interval=ping_s or None,
            ping_timeout=pong_s,
            max_size=MAX_FRAME,
            max_queue=QUEUED,
            user_agent_header=user_agent or USER_AGENT,
            **way,
        )
    except (OSError, InvalidHandshake, ValueError) as error:  # TimeoutError and ssl.SSLError are OSErrors
        raise fault_of(error, server, open_s) from None
    if socket.subprotocol != SUBPROTOCOL:
        socket.transport.abort()
        raise _another_service(server)
    return socket


def _context(server: Endpoint) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if not server.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        return context
    try:
        context.load_verify_locations(str(server.ca_file or SYSTEM_CA_FILE))
    except OSError as error:
        where = server.ca_file or SYSTEM_CA_FILE
        raise WebSocketFault(f"{where} cannot be used: {error.strerror or error}", "check `tls.ca_file`") from None
    return context


async def ask(server: Endpoint, request: bytes, is_answer: Callable[[bytes], bool], *, within_s: float) -> bytes:
    """One request over a WebSocket of its own, and the first message that is its answer.

    Raises WebSocketFault where there is no WebSocket, ConnectionError where it closes, TimeoutError.
    """
    socket = await open_websocket(server, open_s=within_s)
    try:
        async with asyncio.timeout(within_s):
            await socket.send(request.decode())
            async for frame in socket:
                data = frame.encode() if isinstance(frame, str) else frame
                if is_answer(data):
                    return data
    except ConnectionClosed:
        pass
    finally:
        socket.transport.abort()
    raise ConnectionError("the connection was closed without an answer")


def _proxy(server: Endpoint) -> str | None:
    if ip_address(server.address.partition("%")[0]).is_loopback:
        return None
    return get_proxy(parse_uri(server.url))


# ---- what went wrong


def fault_of(error: Exception, server: Endpoint, open_s: float = OPEN_S) -> WebSocketFault:
    """What an error of `open_websocket` means for a person."""
    where = HostPort(server.address, server.port)
    match error:
        case WebSocketFault():
            return error
        case InvalidStatus():
            return _refused(error, server)
        case ProxyError():
            return WebSocketFault(f"the proxy of the environment gives no way: {error}", "check https_proxy, no_proxy")
        case NegotiationError():
            return _another_service(server)
        case InvalidHandshake() | EOFError():
            return WebSocketFault(
                f"{where} does not speak WebSocket: {_short(error)}", "check port and transport of the account"
            )
        case ssl.SSLCertVerificationError():
            return _untrusted(error, server)
        case ssl.SSLError():
            return WebSocketFault(
                f"the TLS handshake with {where} failed: {_tls_reason(error)}",
                "check that the port speaks TLS (443 by default), and which versions the PBX allows",
            )
        case TimeoutError():
            return WebSocketFault(
                f"no WebSocket to {where} within {open_s:g} s", "check that the PBX is up, and any firewall on the way"
            )
        case OSError():
            return _unreachable(error, where)
    return WebSocketFault(f"no WebSocket to {where}: {_short(error)}", "check host, port and `websocket_path`")


def _another_service(server: Endpoint) -> WebSocketFault:
    return WebSocketFault(
        f"{server.url} speaks WebSocket, but not SIP over it (no subprotocol sip)",
        "check `websocket_path` and the port; the PBX may have another service there",
    )


def _refused(error: InvalidStatus, server: Endpoint) -> WebSocketFault:
    status, reason = error.response.status_code, _clean(error.response.reason_phrase)
    if status == 200:
        cause, advice = f"{server.url} is a web page, not a WebSocket", "check `websocket_path` and port of the account"
    elif status // 100 == 3:
        to = _clean(error.response.headers.get("Location", "elsewhere"))
        cause, advice = f"{server.url} sends us to {to}, which is not followed", "configure the address it names"
    elif status // 100 == 5:
        cause, advice = f"{server.url} is out of order: {status} {reason}", "the server has to be mended; we try again"
    else:
        cause = f"{server.url} refuses the WebSocket: {status} {reason}"
        advice = _HTTP_ADVICE.get(status, "check host, port and `websocket_path`, and the log of the PBX")
    return WebSocketFault(cause.rstrip(), advice, status)


def _untrusted(error: ssl.SSLCertVerificationError, server: Endpoint) -> WebSocketFault:
    text = _clean(error.verify_message or str(error))
    if "mismatch" in text.lower() or "not valid for" in text.lower():
        advice = "check the domain of the account, or set tls.server_name to the name in the certificate"
        return WebSocketFault(
            f"the PBX's TLS certificate was refused: it is for another host name than {server.tls_name}", advice
        )
    if "expired" in text or "not yet valid" in text:
        return WebSocketFault(
            "the PBX's TLS certificate was refused: it has expired or is not valid yet",
            "renew the PBX's certificate, and check the clock of this machine",
        )
    return WebSocketFault(
        f"the PBX's TLS certificate was refused: {text}",
        "if the PBX has its own certificate authority, name it in tls.ca_file",
    )


def _unreachable(error: OSError, where: HostPort) -> WebSocketFault:
    if isinstance(error, ConnectionRefusedError):
        return WebSocketFault(
            f"{where} refuses the connection: nothing listens there",
            "check port and transport of the account, and that the PBX is up",
        )
    if isinstance(error, ConnectionResetError | BrokenPipeError):
        return WebSocketFault(f"{where} cut the connection", "check that this port speaks WebSocket over TLS")
    if isinstance(error, socket.gaierror):
        return WebSocketFault(f"a name on the way to {where} is not known to DNS", "check https_proxy")
    return WebSocketFault(
        f"{where} cannot be reached: {error.strerror or _short(error)}", "check this machine's network connection"
    )


def _tls_reason(error: ssl.SSLError) -> str:
    return (error.reason or _short(error)).lower().replace("_", " ")


def _short(error: BaseException) -> str:
    return _clean(str(error) or type(error).__name__)


def _clean(text: str) -> str:
    """What a server said, for one line of a log: short, and nothing in it that speaks to a terminal."""
    return "".join(c if c.isprintable() else " " for c in text)[:200].strip()
