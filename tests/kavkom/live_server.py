"""A live service for tests: it does what the test says, and remembers who came with what."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

import httpx
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from softphone.config import Secret
from softphone.kavkom import AuthApi, Endpoint, Retry
from softphone.kavkom.services import AUTH

REFRESH = "refresh-hunter2-a"
USER = "user-hunter2-b"


class Visit:
    """One connection as the server sees it."""

    def __init__(self, socket: ServerConnection, query: dict[str, str]) -> None:
        self.socket, self.token, self.ext = socket, query.get("t", ""), query.get("ext", "")
        self.received: asyncio.Queue[Any] = asyncio.Queue()
        self.over = asyncio.Event()

    async def say(self, event: str, **data: Any) -> None:
        await self.socket.send(json.dumps({"event": event, "data": data}))

    async def hear(self) -> Any:
        async with asyncio.timeout(10):
            return await self.received.get()


class FakeLive:
    """`refusals`: what the next handshakes are answered with instead of 101; TOKEN stands for the one that was sent."""

    def __init__(self) -> None:
        self.refusals: list[tuple[int, str]] = []
        self.asked: list[str] = []
        self._visits: asyncio.Queue[Visit] = asyncio.Queue()
        self._server: Server | None = None
        self.url = ""

    async def __aenter__(self) -> Self:
        self._server = await serve(self._serve, "127.0.0.1", 0, process_request=self._admit, close_timeout=1)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        await self._server.wait_closed()

    def _admit(self, socket: ServerConnection, request: Request) -> Response | None:
        self.asked.append(request.path)
        if not self.refusals:
            return None
        status, text = self.refusals.pop(0)
        token = parse_qs(urlsplit(request.path).query).get("t", [""])[0]
        answer = socket.respond(HTTPStatus(status), text.replace("TOKEN", token))
        if 300 <= status < 400:
            answer.headers["Location"] = request.path
        return answer

    async def _serve(self, socket: ServerConnection) -> None:
        assert socket.request is not None
        query = {name: values[0] for name, values in parse_qs(urlsplit(socket.request.path).query).items()}
        visit = Visit(socket, query)
        self._visits.put_nowait(visit)
        try:
            async for frame in socket:
                visit.received.put_nowait(json.loads(frame))
        except ConnectionClosed:
            pass
        visit.over.set()

    async def visit(self) -> Visit:
        """The next connection."""
        async with asyncio.timeout(10):
            return await self._visits.get()


class FakeAuth:
    """Hands out `access-hunter2-1`, -2, ... and remembers every request."""

    def __init__(self, life_s: float = 3600.0) -> None:
        self.life_s = life_s
        self.extend = False
        self.asked: list[tuple[str, dict[str, Any], str]] = []
        self.answers: list[httpx.Response | Exception] = []
        self.made = 0
        self.verified = asyncio.Event()

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        await asyncio.sleep(0)  # as every real answer, this one lets others run meanwhile
        self.asked.append((request.url.path, json.loads(request.content), request.headers["authorization"]))
        if self.answers:
            answer = self.answers.pop(0)
            if isinstance(answer, Exception):
                raise answer
            return answer
        if request.url.path.endswith("verify-access"):
            self.verified.set()
            body: dict[str, Any] = {"valid": True}
            return httpx.Response(200, json=body | ({"expiresAt": self._end()} if self.extend else {}))
        if not request.url.path.endswith("acquire-access"):
            return httpx.Response(200, json={"success": True})
        self.made += 1
        return httpx.Response(200, json={"token": f"access-hunter2-{self.made}", "expiresAt": self._end()})

    def _end(self) -> str:
        return (datetime.now(UTC) + timedelta(seconds=self.life_s)).isoformat().replace("+00:00", "Z")

    def paths(self) -> list[str]:
        return [path.rpartition("/")[2] for path, _, _ in self.asked]

    def api(self) -> AuthApi:
        endpoint = Endpoint(
            base_url="https://live.kavkom.com",
            token=Secret(REFRESH),
            retry=Retry(attempts=2, first_s=0.0),
            transport=httpx.MockTransport(self),
            scheme="bearer",
            service=AUTH,
        )
        return AuthApi(endpoint, Secret(USER))
