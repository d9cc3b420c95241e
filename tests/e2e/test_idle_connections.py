"""Connections that say nothing, or half of something, are closed after ten seconds."""

from __future__ import annotations

import asyncio
from pathlib import Path

from tests.support.besieged import besieged

CLOSED_WITHIN_S = 25.0
HALF_REQUEST = b"INVITE sip:901@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/TCP 127"
HALF_HANDSHAKE = bytes.fromhex("16030102000100")  # the head of a ClientHello


async def closed(port: int, begin: bytes) -> None:
    """Returns when the other side has closed the connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(begin)
    async with asyncio.timeout(CLOSED_WITHIN_S):
        try:
            while await reader.read(1000):
                pass
        except ConnectionResetError:
            pass
    writer.close()


def test_connections_that_say_nothing_are_closed(tmp_path: Path) -> None:
    async def play() -> None:
        async with besieged(tmp_path) as target:
            waiting = [closed(port, begin) for port in target.tcp for begin in (b"", HALF_REQUEST, HALF_HANDSHAKE)]
            await asyncio.gather(*waiting)

    asyncio.run(play())
