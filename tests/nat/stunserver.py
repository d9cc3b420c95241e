"""A STUN server in the test's own loop: answers Binding, stays silent, or talks rubbish, as it is told."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from ipaddress import IPv4Address

from softphone.addresses import HostPort
from softphone.nat import stun


class StunServer(asyncio.DatagramProtocol):
    """`mode`: answer, silent, rubbish or error. `asked` counts the requests."""

    def __init__(self) -> None:
        self.mode = "answer"
        self.asked = 0
        self.address = HostPort("")
        self.transport: asyncio.DatagramTransport | None = None

    def datagram_received(self, data: bytes, source: tuple[str, int]) -> None:
        self.asked += 1
        assert self.transport is not None
        if self.mode == "rubbish":
            self.transport.sendto(b"\x00" * 7, source)
            self.transport.sendto(data[:8] + b"x" * 12, source)
        if self.mode in ("silent", "rubbish"):
            return
        request = stun.decode(data)
        if self.mode == "error":
            attribute = (stun.ERROR_CODE, bytes((0, 0, 5, 0)) + b"Server Error")
            kind = stun.ERROR
        else:
            attribute, kind = (stun.XOR_MAPPED_ADDRESS, mapped(*source)), stun.SUCCESS
        self.transport.sendto(
            stun.encode(stun.Message(request.method, kind, (attribute,), request.transaction)), source
        )


def mapped(host: str, port: int) -> bytes:
    """An IPv4 address as XOR-MAPPED-ADDRESS has it."""
    number = int(IPv4Address(host)) ^ 0x2112A442
    return struct.pack("!xBHI", 1, port ^ 0x2112, number)


@asynccontextmanager
async def stun_server() -> AsyncIterator[StunServer]:
    loop = asyncio.get_running_loop()
    transport, server = await loop.create_datagram_endpoint(StunServer, local_addr=("127.0.0.1", 0))
    server.transport = transport
    server.address = HostPort(*transport.get_extra_info("sockname")[:2])
    try:
        yield server
    finally:
        transport.close()
