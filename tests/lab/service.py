"""A client of the lab's service, for tests: the first tenant's token and domain unless told otherwise."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx
from websockets.asyncio.client import ClientConnection, connect

from softphone.lab import Lab, LabOptions
from softphone.lab.directory import Tenant


class Client:
    """Speaks to one tenant's service."""

    def __init__(self, lab: Lab, http: httpx.AsyncClient, tenant: Tenant | None = None) -> None:
        self.lab = lab
        self.http = http
        self.tenant = tenant or lab.tenant

    async def get(self, path: str, *, token: str | None = None, **query: Any) -> httpx.Response:
        params = {"domain_uuid": self.tenant.uuid} | query
        headers = {"X-API-TOKEN": self.tenant.api_token if token is None else token}
        wanted = {name: value for name, value in params.items() if value is not None}
        return await self.http.get(path, params=wanted, headers=headers)

    async def post(self, path: str, *, token: str | None = None, **body: Any) -> httpx.Response:
        whole = {"domain_uuid": self.tenant.uuid} | body
        headers = {"X-API-TOKEN": self.tenant.api_token if token is None else token}
        wanted = {name: value for name, value in whole.items() if value is not None}
        return await self.http.post(path, json=wanted, headers=headers)

    async def order(self, kind: str, **body: Any) -> httpx.Response:
        return await self.post("/api.php", route="order", type=kind, **body)

    async def did_orders(self, **query: Any) -> httpx.Response:
        return await self.get("/api.php", route="order", type="didlist", **query)

    async def auth(self, what: str, *, bearer: str | None = None, **body: Any) -> httpx.Response:
        token = self.tenant.refresh_token if bearer is None else bearer
        return await self.http.post(f"/api/auth/{what}", headers={"Authorization": f"Bearer {token}"}, json=body)

    async def acquire(self, *extensions: int, **more: Any) -> dict[str, Any]:
        wanted = {
            "userUuid": self.tenant.user_uuid,
            "extensions": list(extensions),
            "scope": "calls",
            "application": "tests",
        }
        response = await self.auth("acquire-access", **(wanted | more))
        assert response.status_code == 200, response.text
        token: dict[str, Any] = response.json()
        return token

    @asynccontextmanager
    async def live(self, *extensions: int, token: str = "") -> AsyncIterator[Live]:
        """The live events of some extensions."""
        access = token or (await self.acquire(*extensions))["token"]
        wanted = ",".join(map(str, extensions))
        async with connect(f"{self.lab.live_url}/calls?t={access}&ext={wanted}", ping_interval=None) as socket:
            yield Live(socket)


class Live:
    """A WebSocket, frame by frame."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket

    async def frame(self, timeout_s: float = 10) -> dict[str, Any]:
        frame: dict[str, Any] = json.loads(await self.text(timeout_s))
        return frame

    async def text(self, timeout_s: float = 10) -> str:
        return str(await asyncio.wait_for(self.socket.recv(), timeout_s))

    async def until_closed(self) -> None:
        """Read on until the connection is over. Raises ConnectionClosed."""
        while True:
            await self.text()

    async def call(self, timeout_s: float = 10) -> dict[str, Any]:
        """The data of the next `call` frame."""
        while (frame := await self.frame(timeout_s))["event"] != "call":
            pass
        data: dict[str, Any] = frame["data"]
        return data


def with_service(test: Callable[[Client], Awaitable[None]], options: LabOptions | None = None) -> None:
    """Run a test against a lab of its own."""

    async def run() -> None:
        async with Lab(options) as lab, httpx.AsyncClient(base_url=lab.api_url) as http:
            await test(Client(lab, http))

    asyncio.run(run())
