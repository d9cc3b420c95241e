"""A DNS server on a loopback port of its own, which knows what a test tells it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import dns.asyncresolver
import dns.flags
import dns.message
import dns.rcode
import dns.rrset

TTL_S = 60


class DnsServer(asyncio.DatagramProtocol):
    """`records`: (name, type such as "SRV") -> values as in a zone file. `asked`: each question, in order.

    silent: takes questions and says nothing.
    """

    def __init__(self, records: Mapping[tuple[str, str], Sequence[str]]) -> None:
        self.records = dict(records)
        self.asked: list[tuple[str, str]] = []
        self.silent = False
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    @property
    def port(self) -> int:
        assert self._transport is not None
        return int(self._transport.get_extra_info("sockname")[1])

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        question = dns.message.from_wire(data)
        asked = question.question[0]
        key = (asked.name.to_text(omit_final_dot=True).lower(), dns.rdatatype.to_text(asked.rdtype))
        self.asked.append(key)
        if self.silent or self._transport is None:
            return
        answer = dns.message.make_response(question, recursion_available=True)
        if values := self.records.get(key):
            answer.answer.append(dns.rrset.from_text(asked.name, TTL_S, "IN", key[1], *values))
        elif not any(name == key[0] for name, _ in self.records):
            answer.set_rcode(dns.rcode.NXDOMAIN)
        self._transport.sendto(answer.to_wire(), addr)

    def resolver(self) -> dns.asyncresolver.Resolver:
        """Asks this server, whatever /etc/resolv.conf says."""
        made = dns.asyncresolver.Resolver(configure=False)
        made.nameservers = ["127.0.0.1"]
        made.port = self.port
        return made


@asynccontextmanager
async def dns_server(
    records: Mapping[tuple[str, str], Sequence[str]], address: str = "127.0.0.1", port: int = 0
) -> AsyncIterator[DnsServer]:
    """Runs one until the end of the block."""
    server = DnsServer(records)
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(lambda: server, local_addr=(address, port))
    try:
        yield server
    finally:
        transport.close()
