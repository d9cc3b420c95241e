"""A real control server on a real Unix socket, and ways to talk to it: httpx, or bytes."""

from __future__ import annotations

import asyncio
import json
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from softphone.control.limits import Limits
from softphone.control.server import ControlServer
from tests.control.fakes import FakeAgent

DEADLINE_S = 20.0


@dataclass
class Served:
    """What a test holds of a running server."""

    agent: FakeAgent
    server: ControlServer
    path: Path
    http: httpx.AsyncClient

    async def raw(self, data: bytes = b"") -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A connection that sends exactly these bytes."""
        reader, writer = await asyncio.open_unix_connection(str(self.path))
        writer.write(data)
        await writer.drain()
        return reader, writer

    async def exchange(self, data: bytes) -> tuple[int, dict[str, Any]]:
        """Sends bytes and reads to the end: status and body of the first answer."""
        reader, writer = await self.raw(data)
        async with asyncio.timeout(DEADLINE_S):
            answer = await reader.read()
        writer.close()
        head, _, body = answer.partition(b"\r\n\r\n")
        return int(head.split()[1]), json.loads(body)

    async def connections_fall_to(self, count: int) -> None:
        await until(lambda: self.server.connections == count)


@asynccontextmanager
async def serving(agent: FakeAgent | None = None, limits: Limits | None = None) -> AsyncIterator[Served]:
    """A server from here to the end of the block."""
    folder = Path(tempfile.mkdtemp(prefix="control-"))  # pytest's own paths may be too long for a socket
    path = folder / "control.sock"
    agent = agent or FakeAgent()
    server = ControlServer(agent, path, limits=limits)
    await server.start()
    try:
        async with http_client(path) as http:
            yield Served(agent, server, path, http)
    finally:
        await server.stop()
        shutil.rmtree(folder)


def http_client(path: Path) -> httpx.AsyncClient:
    transport = httpx.AsyncHTTPTransport(uds=str(path), verify=False)  # no TLS here, so no certificates to load
    return httpx.AsyncClient(transport=transport, base_url="http://localhost", timeout=DEADLINE_S)


async def until(condition: Callable[[], bool], deadline_s: float = DEADLINE_S) -> None:
    """Waits for a condition that the loop brings about."""
    async with asyncio.timeout(deadline_s):
        while not condition():  # noqa: ASYNC110 - what is watched belongs to the server and has no event
            await asyncio.sleep(0.005)


class EventReader:
    """Reads a Server-Sent Events stream frame by frame, as text."""

    def __init__(self, lines: AsyncIterator[str]) -> None:
        self._lines = lines

    async def frame(self) -> dict[str, str]:
        """The fields of the next frame; comments are under ''."""
        found: dict[str, str] = {}
        async with asyncio.timeout(DEADLINE_S):
            async for line in self._lines:
                if not line:
                    return found
                name, _, value = line.partition(":")
                found[name] = value.strip()
        raise EOFError

    async def event(self) -> dict[str, Any]:
        """The data of the next event."""
        while True:
            frame = await self.frame()
            if "data" in frame:
                data: dict[str, Any] = json.loads(frame["data"])
                assert frame["event"] == data["type"]
                assert frame.get("id") == data.get("id")
                return data

    async def rest(self) -> list[dict[str, str]]:
        """All frames up to the end of the stream."""
        found = []
        while True:
            try:
                found.append(await self.frame())
            except EOFError:
                return found


@asynccontextmanager
async def stream(http: httpx.AsyncClient, query: str = "", **headers: str) -> AsyncIterator[EventReader]:
    """An open event stream whose greeting has been read, so that nothing published from now on is missed."""
    async with http.stream("GET", f"/v1/events{query}", headers=headers) as response:
        assert response.status_code == 200, await response.aread()
        assert response.headers["content-type"].startswith("text/event-stream")
        reader = EventReader(response.aiter_lines())
        assert "retry" in await reader.frame()
        yield reader
