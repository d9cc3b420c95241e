"""WHIP (RFC 9725): offer and answer over HTTP."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import httpx
import pytest

from softphone.errors import Conflict
from tests.web.harness import ANSWER, OFFER, TOKEN, Listening, listening

HEADERS = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/sdp", "User-Agent": "a client"}


async def offer(web: Listening, **how: Any) -> httpx.Response:
    how = {"content": OFFER, "headers": HEADERS} | how
    return await web.http.post("/v1/whip", **how)


def test_an_offer_is_created_and_deleted(tmp_path: Path) -> None:
    async def scene() -> None:
        async with listening(tmp_path) as web:
            answer = await offer(web)
            assert answer.status_code == 201
            assert answer.headers["content-type"] == "application/sdp"
            assert answer.text == ANSWER
            assert web.phone.commands == [("open_handset", "a client")]
            place = answer.headers["location"]
            assert (await web.http.delete(place, headers=HEADERS)).status_code == 200
            assert web.phone.commands[-1] == ("close_handset", "h1")
            assert (await web.http.delete(place, headers=HEADERS)).status_code == 404

    asyncio.run(scene())


@pytest.mark.parametrize(
    ("query", "attached"),
    [
        ("call=c1", ("c1", "talk", False)),
        ("call=c1&mode=whisper", ("c1", "whisper", False)),
        ("call=c1&mode=listen&take_over=true", ("c1", "listen", True)),
    ],
)
def test_an_offer_may_name_its_call(tmp_path: Path, query: str, attached: tuple[Any, ...]) -> None:
    async def scene() -> None:
        async with listening(tmp_path) as web:
            web.phone.add_call(state="active")
            assert (await offer(web, params=query)).status_code == 201
            assert web.phone.commands[-1] == ("attach_handset", "h1", *attached)

    asyncio.run(scene())


@pytest.mark.parametrize("query", ["call=c9", "mode=shout", "take_over=maybe", "cal=c1"])
def test_nothing_is_opened_for_what_cannot_be(tmp_path: Path, query: str) -> None:
    async def scene() -> None:
        async with listening(tmp_path) as web:
            assert (await offer(web, params=query)).status_code in (400, 404)
            assert web.phone.commands == []

    asyncio.run(scene())


def test_a_handset_that_cannot_join_its_call_is_closed_again(tmp_path: Path) -> None:
    async def scene() -> None:
        async with listening(tmp_path) as web:
            web.phone.add_call(state="ending")

            async def refuse(*_: Any, **__: Any) -> Any:
                raise Conflict("the call is ending")

            web.phone.attach_handset = refuse  # type: ignore[method-assign]
            answer = await offer(web, params="call=c1")
            assert answer.status_code == 409
            assert web.phone.handsets() == []

    asyncio.run(scene())


@pytest.mark.parametrize(
    ("changed", "status"),
    [
        ({"content": "nonsense"}, 400),
        ({"content": ""}, 400),
        ({"content": b"v=0\r\n\xff"}, 400),
        ({"headers": HEADERS | {"Content-Type": "application/json"}}, 415),
        ({"headers": {"Content-Type": "application/sdp"}}, 401),
        ({"headers": HEADERS | {"Authorization": "Bearer wrong"}}, 401),
        ({"headers": HEADERS | {"Origin": "https://evil.example"}}, 403),
        ({"content": "v=0" + "x" * 70_000}, 413),
    ],
)
def test_what_is_no_good_offer_is_refused(tmp_path: Path, changed: dict[str, Any], status: int) -> None:
    async def scene() -> None:
        async with listening(tmp_path) as web:
            answer = await offer(web, **changed)
            assert answer.status_code == status
            assert answer.json()["status"] == status
            if status == 401:
                assert answer.headers["www-authenticate"] == "Bearer"

    asyncio.run(scene())


def test_there_is_neither_trickle_nor_restart(tmp_path: Path) -> None:
    async def scene() -> None:
        async with listening(tmp_path) as web:
            place = (await offer(web)).headers["location"]
            patched = await web.http.patch(place, content="a=end-of-candidates", headers=HEADERS)
            assert patched.status_code == 405
            assert "DELETE" in patched.headers["allow"]
            for method in ("GET", "PUT", "POST"):
                assert (await web.http.request(method, place, headers=HEADERS)).status_code == 405
            asked = await web.http.options("/v1/whip")
            assert asked.headers["accept-post"] == "application/sdp"

    asyncio.run(scene())
