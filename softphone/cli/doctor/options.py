"""One OPTIONS request and its answer (RFC 3261 section 11), without a SIP stack: all that the doctor needs of SIP."""

from __future__ import annotations

import secrets
import socket
import time
from typing import TYPE_CHECKING

from softphone.addresses import HostPort
from softphone.cli.doctor.findings import NETWORK_LIMIT_S

if TYPE_CHECKING:
    from softphone.stacks.websocket import Endpoint

RESEND_S = 0.5  # T1 of RFC 3261 section 17.1.1.1
MAX_ANSWER_BYTES = 65_536


def request(domain: str, transport: str, local: HostPort) -> bytes:
    """OPTIONS to a domain. The branch is new each time."""
    tag, call = secrets.token_hex(4), secrets.token_hex(8)
    lines = (
        f"OPTIONS sip:{HostPort(domain)} SIP/2.0",
        f"Via: SIP/2.0/{transport.upper()} {local};branch=z9hG4bK{secrets.token_hex(8)};rport",
        "Max-Forwards: 70",
        f"From: <sip:doctor@{HostPort(domain)}>;tag={tag}",
        f"To: <sip:{HostPort(domain)}>",
        f"Call-ID: {call}",
        "CSeq: 1 OPTIONS",
        "Accept: application/sdp",
        "Content-Length: 0",
        "",
        "",
    )
    return "\r\n".join(lines).encode()


def status_of(data: bytes) -> str | None:
    """`200 OK` out of a complete final answer; None while there is none."""
    text = data.lstrip(b"\r\n")
    head, complete, _ = text.partition(b"\r\n\r\n")
    line = head.partition(b"\r\n")[0].decode("utf-8", "replace")
    if not complete or not line.startswith("SIP/2.0 ") or line.startswith("SIP/2.0 1"):
        return None
    return line.removeprefix("SIP/2.0 ").strip()


def over_stream(stream: socket.socket, domain: str, transport: str) -> str:
    """The answer's status over TCP or TLS. Raises OSError: TimeoutError, or that the connection was closed."""
    deadline = time.monotonic() + NETWORK_LIMIT_S
    stream.settimeout(NETWORK_LIMIT_S)
    stream.sendall(request(domain, transport, _local(stream)))
    data = b""
    while len(data) < MAX_ANSWER_BYTES:
        stream.settimeout(max(0.01, deadline - time.monotonic()))
        received = stream.recv(4096)
        if not received:
            raise ConnectionError("without an answer")
        data += received
        if status := status_of(data):
            return status
    raise ConnectionError("the answer has no end")


def over_udp(address: tuple[str, int], domain: str) -> str:
    """The same over UDP, sent again while there is no answer."""
    family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
    deadline = time.monotonic() + NETWORK_LIMIT_S
    with socket.socket(family, socket.SOCK_DGRAM) as link:
        link.connect(address)
        message, pause_s = request(domain, "UDP", _local(link)), RESEND_S
        while (left_s := deadline - time.monotonic()) > 0:
            link.send(message)
            link.settimeout(min(pause_s, left_s))
            try:
                if status := status_of(link.recv(MAX_ANSWER_BYTES)):
                    return status
            except TimeoutError:
                pause_s *= 2
    raise TimeoutError


def _local(link: socket.socket) -> HostPort:
    host, port = link.getsockname()[:2]
    return HostPort(str(host), int(port))


async def over_websocket(server: Endpoint, domain: str) -> str:
    """The answer's status over a WebSocket. Raises WebSocketFault where there is none, and OSError as `over_stream`."""
    from softphone.stacks.websocket import ask

    wanted = request(domain, "wss", HostPort(f"{secrets.token_hex(6)}.invalid"))
    answer = await ask(server, wanted, lambda data: status_of(data) is not None, within_s=NETWORK_LIMIT_S)
    return status_of(answer) or ""
