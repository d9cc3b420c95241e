"""Whether a registrar that we do not use at the moment answers: one OPTIONS (RFC 3261 section 11) beside PJSIP.

PJSIP sends all that an account says the account's one way, and that way must stay where the calls are.
"""

from __future__ import annotations

import asyncio
import re
import secrets
import ssl

from softphone.addresses import HostPort
from softphone.config.resolved import ResolvedAccount
from softphone.stacks.names import NoWay
from softphone.stacks.pjsip.registrars import Target
from softphone.stacks.pjsip.settings import SYSTEM_CA_FILE

PATIENCE_S = 5.0
_REPEAT_S = 1.0  # over UDP
_STATUS = re.compile(rb"SIP/2\.0 (\d{3}) ")


async def answers(target: Target, account: ResolvedAccount) -> bool:
    """Whether there is any answer within PATIENCE_S but one that says that the server is out of order (5xx)."""
    try:
        async with asyncio.timeout(PATIENCE_S):
            ask = {"udp": _over_udp, "wss": _over_websocket}.get(account.transport, _over_stream)
            return await ask(target, account) // 100 != 5
    except (OSError, EOFError, ValueError, NoWay):  # TimeoutError and ssl.SSLError are OSErrors
        return False


async def _over_stream(target: Target, account: ResolvedAccount) -> int:
    context = _context(account) if account.transport == "tls" else None
    name = (account.tls.server_name or account.domain) if context else None
    reader, writer = await asyncio.open_connection(target.address, target.port, ssl=context, server_hostname=name)
    try:
        local = writer.get_extra_info("sockname")
        writer.write(_options(account, HostPort(str(local[0]), int(local[1]))))
        while (code := _code(await reader.readuntil(b"\r\n\r\n"))) < 200:
            pass
        return code
    finally:
        writer.transport.abort()


async def _over_websocket(target: Target, account: ResolvedAccount) -> int:
    from softphone.stacks.pjsip.wss import endpoint
    from softphone.stacks.websocket import ask

    request = _options(account, HostPort(f"{secrets.token_hex(6)}.invalid"))
    return _code(await ask(endpoint(account, target), request, _is_final, within_s=PATIENCE_S))


def _is_final(data: bytes) -> bool:
    return bool(data.strip()) and _code(data) >= 200


async def _over_udp(target: Target, account: ResolvedAccount) -> int:
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[int] = loop.create_future()
    transport, _ = await loop.create_datagram_endpoint(
        lambda: _Listener(answer), remote_addr=(target.address, target.port)
    )
    try:
        local = transport.get_extra_info("sockname")
        request = _options(account, HostPort(str(local[0]), int(local[1])))
        while True:
            transport.sendto(request)
            try:
                async with asyncio.timeout(_REPEAT_S):
                    return await asyncio.shield(answer)
            except TimeoutError:
                continue
    finally:
        transport.abort()


class _Listener(asyncio.DatagramProtocol):
    def __init__(self, answer: asyncio.Future[int]) -> None:
        self._answer = answer

    def datagram_received(self, data: bytes, addr: object) -> None:
        if not self._answer.done() and _STATUS.match(data) and (code := _code(data)) >= 200:
            self._answer.set_result(code)

    def error_received(self, exc: Exception) -> None:
        if not self._answer.done():
            self._answer.set_exception(exc)


def _code(message: bytes) -> int:
    """The status of a response. Raises ValueError where it is none."""
    match = _STATUS.match(message.lstrip(b"\r\n"))
    if match is None:
        raise ValueError("no SIP response")
    return int(match[1])


def _options(account: ResolvedAccount, local: HostPort) -> bytes:
    domain = HostPort(account.domain)
    lines = (
        f"OPTIONS sip:{domain} SIP/2.0",
        f"Via: SIP/2.0/{account.transport.upper()} {local};branch=z9hG4bK{secrets.token_hex(8)};rport",
        "Max-Forwards: 70",
        f"From: <sip:{account.username}@{domain}>;tag={secrets.token_hex(4)}",
        f"To: <sip:{domain}>",
        f"Call-ID: {secrets.token_hex(12)}",
        "CSeq: 1 OPTIONS",
        "Content-Length: 0",
    )
    return "\r\n".join((*lines, "", "")).encode()


def _context(account: ResolvedAccount) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if not account.tls.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        return context
    context.load_verify_locations(str(account.tls.ca_file or SYSTEM_CA_FILE))
    return context
