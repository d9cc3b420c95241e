"""A web server of a test's own: notes what is posted to it, and answers as it is told."""

from __future__ import annotations

import asyncio
import json
import ssl
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Posted:
    """One request: header names in lower case."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> dict[str, Any]:
        """The body as an object."""
        value: dict[str, Any] = json.loads(self.body)
        return value


@dataclass
class Endpoint:
    """`async with Endpoint() as endpoint:`. `statuses` answer the next requests; then 204, always."""

    tls: ssl.SSLContext | None = None
    statuses: list[int] = field(default_factory=list)
    posted: list[Posted] = field(default_factory=list)
    url: str = ""

    async def __aenter__(self) -> Endpoint:
        self._arrived = asyncio.Condition()
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self.tls)
        port = self._server.sockets[0].getsockname()[1]
        self.url = f"{'https' if self.tls else 'http'}://127.0.0.1:{port}/webhooks/calls"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:] if line)}
            body = await reader.readexactly(int(headers.get("content-length", "0")))
            status = self.statuses.pop(0) if self.statuses else 204
            writer.write(f"HTTP/1.1 {status} X\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode())
            await writer.drain()
        except (asyncio.IncompleteReadError, OSError):
            return
        finally:
            writer.close()
        async with self._arrived:
            self.posted.append(Posted(head[0].split(" ")[1], headers, body))
            self._arrived.notify_all()

    async def wait_for(self, count: int, timeout_s: float = 10) -> list[Posted]:
        """Everything posted, as soon as there are so many."""
        async with asyncio.timeout(timeout_s), self._arrived:
            await self._arrived.wait_for(lambda: len(self.posted) >= count)
        return self.posted
