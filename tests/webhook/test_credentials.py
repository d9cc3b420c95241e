"""/v1/sip-credentials: who gets what, and that nobody else does."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest

from softphone.config.resolved import ResolvedAccount
from softphone.config.secrets import Secret
from softphone.config.webhook import SipCredentials
from softphone.errors import NotFound
from softphone.webhook.credentials import CredentialsDoor

TOKEN = "a-token-of-some-length"
PAGE = "https://phone.example.com"


def account(name: str) -> ResolvedAccount:
    if name != "901":
        raise NotFound(f"there is no account {name}")
    return ResolvedAccount(username="901", domain="pbx.example", password=Secret("aB3xY9zK"), auth_username="901")


def play(scene: Callable[[httpx.AsyncClient], Awaitable[None]], **config: Any) -> None:
    async def run() -> None:
        settings = {"listen": "127.0.0.1:0", "token": Secret(TOKEN), "extensions": ["901", "902"]} | config
        door = CredentialsDoor(SipCredentials.model_validate(settings), account)
        await door.start()
        try:
            async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{door.port}", trust_env=False) as client:
                await scene(client)
        finally:
            await door.stop()

    asyncio.run(run())


RIGHT = {"Authorization": f"Bearer {TOKEN}"}
URL = "/v1/sip-credentials"


def test_the_three_values_that_the_page_needs(caplog: pytest.LogCaptureFixture) -> None:
    async def scene(client: httpx.AsyncClient) -> None:
        for url in (URL, f"{URL}?extension=901"):
            reply = await client.get(url, headers=RIGHT)
            assert reply.json() == {"extension": "901", "password": "aB3xY9zK", "user_context": "pbx.example"}
            assert reply.headers["cache-control"] == "no-store"

    with caplog.at_level(logging.DEBUG):
        play(scene)
    assert "aB3xY9zK" not in caplog.text
    assert TOKEN not in caplog.text


@pytest.mark.parametrize(
    ("url", "headers", "status"),
    [
        (URL, {}, 401),
        (URL, {"Authorization": "Bearer wrong"}, 401),
        (URL, {"Authorization": f"Basic {TOKEN}"}, 401),
        (URL, {"Authorization": TOKEN}, 401),
        (f"{URL}?extension=903", RIGHT, 404),
        (f"{URL}?extension=902", RIGHT, 404),
        (f"{URL}?{'a=1&' * 30}", RIGHT, 400),
        ("/", RIGHT, 404),
        (URL, RIGHT | {"Origin": "https://elsewhere.example.com"}, 403),
    ],
)
def test_nobody_else_gets_anything(url: str, headers: dict[str, str], status: int) -> None:
    async def scene(client: httpx.AsyncClient) -> None:
        reply = await client.get(url, headers=headers)
        assert reply.status_code == status
        assert "aB3xY9zK" not in reply.text
        assert "access-control-allow-origin" not in reply.headers

    play(scene, origins=[PAGE])


def test_a_page_that_may_ask() -> None:
    async def scene(client: httpx.AsyncClient) -> None:
        asked = await client.options(URL, headers={"Origin": PAGE, "Access-Control-Request-Method": "GET"})
        assert asked.status_code == 204
        assert asked.headers["access-control-allow-origin"] == PAGE
        assert asked.headers["access-control-allow-headers"] == "Authorization"
        reply = await client.get(URL, headers=RIGHT | {"Origin": PAGE})
        assert (reply.status_code, reply.headers["access-control-allow-origin"]) == (200, PAGE)
        assert reply.headers["vary"] == "Origin"
        assert (await client.post(URL, headers=RIGHT)).status_code == 405

    play(scene, origins=[PAGE])


def test_who_asks_too_often_is_refused() -> None:
    async def scene(client: httpx.AsyncClient) -> None:
        codes = [(await client.get(URL, headers=RIGHT)).status_code for _ in range(6)]
        assert codes[:4] == [200] * 4
        assert codes[-1] == 429

    play(scene, requests_per_min=4)


def test_nothing_of_it_is_in_a_schema_or_a_text() -> None:
    config = SipCredentials.model_validate({"listen": "127.0.0.1:0", "token": Secret(TOKEN), "extensions": ["901"]})
    assert TOKEN not in repr(config)
    assert TOKEN not in json.dumps(config.model_dump(mode="json"), default=str)
