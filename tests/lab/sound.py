"""RTP by hand, for tests."""

from __future__ import annotations

import asyncio
import re
import struct


class Rtp(asyncio.DatagramProtocol):
    """A UDP port that counts and keeps what it receives. Use `async with`."""

    def __init__(self) -> None:
        self.packets: asyncio.Queue[bytes] = asyncio.Queue()
        self.sources: set[tuple[str, int]] = set()
        self.sequence = 100

    async def __aenter__(self) -> Rtp:
        loop = asyncio.get_running_loop()
        self.transport, _ = await loop.create_datagram_endpoint(lambda: self, local_addr=("127.0.0.1", 0))
        self.port: int = self.transport.get_extra_info("sockname")[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self.transport.close()

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self.sources.add(addr)
        self.packets.put_nowait(data)

    def send(
        self,
        port: int,
        payload: bytes,
        *,
        pt: int = 0,
        timestamp: int | None = None,
        marker: bool = False,
        ssrc: int = 0x1234,
    ) -> bytes:
        """Send one packet to a port of this machine."""
        data = packet(self.sequence, payload, pt=pt, timestamp=timestamp, marker=marker, ssrc=ssrc)
        self.sequence += 1
        self.transport.sendto(data, ("127.0.0.1", port))
        return data

    async def receive(self, timeout_s: float = 2.0) -> bytes:
        """The next packet."""
        return await asyncio.wait_for(self.packets.get(), timeout_s)


def packet(
    sequence: int,
    payload: bytes,
    *,
    pt: int = 0,
    timestamp: int | None = None,
    marker: bool = False,
    ssrc: int = 0x1234,
) -> bytes:
    """One RTP packet; the timestamp follows the sequence by 160, unless given."""
    stamp = sequence * 160 if timestamp is None else timestamp
    return struct.pack("!BBHII", 0x80, pt | (0x80 if marker else 0), sequence, stamp, ssrc) + payload


def fields(data: bytes) -> tuple[int, bool, int, int, int, bytes]:
    """Payload type, marker, sequence, timestamp, SSRC, payload."""
    _, second, sequence, timestamp, ssrc = struct.unpack_from("!BBHII", data)
    return second & 0x7F, bool(second & 0x80), sequence, timestamp, ssrc, data[12:]


def media_port(body: bytes) -> int:
    """The port of the first m= line."""
    found = re.search(rb"m=audio (\d+)", body)
    assert found is not None, body
    return int(found[1])
