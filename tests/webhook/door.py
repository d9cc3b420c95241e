"""A receiver in the test's loop, and a sender."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx

from softphone.bus import Bus
from softphone.config.secrets import Secret
from softphone.config.webhook import Webhook
from softphone.webhook.http import HttpLimits
from softphone.webhook.receiver import WebhookReceiver

SECRET = "Bearer a-secret-of-some-length"
CDR = {"event": "cdr", "callUuid": "u1", "direction": "outbound", "number": "9196", "state": "finished", "duration": 12}


def body(**fields: Any) -> dict[str, Any]:
    return CDR | fields


class Post:
    """A receiver, the bus behind it, and a client in front."""

    def __init__(self, receiver: WebhookReceiver, bus: Bus, client: httpx.AsyncClient) -> None:
        self.receiver, self.bus, self.client = receiver, bus, client
        self.told: list[dict[str, Any]] = []

    async def send(
        self, content: Any = CDR, *, secret: str = SECRET, path: str = "/webhooks/calls", **more: Any
    ) -> httpx.Response:
        data = content if isinstance(content, bytes) else json.dumps(content).encode()
        headers = {"Authorization": secret, "Content-Type": "application/json"} | more.pop("headers", {})
        return await self.client.post(path, content=data, headers=headers, **more)

    def all(self, type: str) -> list[dict[str, Any]]:
        return [event for event in self.told if event["type"] == type]


async def settled_always() -> bool:
    return True


@asynccontextmanager
async def post(
    folder: Path,
    *,
    settled: Callable[[], Awaitable[bool]] = settled_always,
    limits: HttpLimits | None = None,
    listener: Callable[[dict[str, Any]], None] | None = None,
    **config: Any,
) -> AsyncIterator[Post]:
    bus = Bus()
    told: list[dict[str, Any]] = []
    bus.listen(lambda record: told.append(record.as_dict()))
    settings = Webhook.model_validate({"listen": "127.0.0.1:0", "secret": Secret(SECRET)} | config)
    receiver = WebhookReceiver(
        settings,
        bus,
        folder / "journal",
        account_of=lambda extension: f"{extension}@pbx.example",
        settled=settled,
        limits=limits,
    )
    await receiver.start()
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{receiver.port}", trust_env=False) as client:
            made = Post(receiver, bus, client)
            made.told = told
            yield made
    finally:
        await receiver.stop()


def run(scene: Awaitable[None]) -> None:
    async def play() -> None:
        async with asyncio.timeout(60):
            await scene

    asyncio.run(play())
