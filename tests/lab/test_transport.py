"""Sockets that the lab listens on."""

from __future__ import annotations

import asyncio
import socket

from softphone.lab.sip.transport import bind


def test_a_connection_sends_at_once() -> None:
    """Without TCP_NODELAY a message that follows another waits for the far end's delayed acknowledgement, 40 ms."""

    async def accepted_option() -> int:
        found: asyncio.Queue[int] = asyncio.Queue()

        async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            found.put_nowait(writer.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
            writer.close()

        listener = bind("127.0.0.1", 0, socket.SOCK_STREAM)
        async with await asyncio.start_server(serve, sock=listener):
            _, writer = await asyncio.open_connection(*listener.getsockname())
            option = await asyncio.wait_for(found.get(), 5)
            writer.close()
            await writer.wait_closed()
            return option

    assert asyncio.run(accepted_option()) == 1
