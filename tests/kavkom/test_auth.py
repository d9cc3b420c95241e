"""Access tokens: what is asked, what the answers mean, and the keeper that renews them in time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from softphone.config import Secret
from softphone.errors import ProviderDown, TokenRefused, UsageError
from softphone.kavkom import AccessTokens, AuthApi
from softphone.kavkom.frames import Ping
from softphone.kavkom.tokens import ExpiryHint
from tests.kavkom.live_server import REFRESH, USER, FakeAuth

TOKEN = Secret("access-hunter2-1")


def on(auth: FakeAuth, act: Callable[[AuthApi], Awaitable[Any]]) -> Any:
    async def run() -> Any:
        async with auth.api() as api:
            return await act(api)

    return asyncio.run(run())


def answering(*answers: httpx.Response | Exception) -> FakeAuth:
    auth = FakeAuth()
    auth.answers = list(answers)
    return auth


def test_acquire_asks_as_documented() -> None:
    auth = answering(httpx.Response(200, json={"token": "abc", "expiresAt": "2026-01-02T03:04:05Z", "more": 1}))
    access = on(auth, lambda api: api.acquire_access(["1001", 1002]))
    assert auth.asked == [
        (
            "/api/auth/acquire-access",
            {"userUuid": USER, "extensions": [1001, 1002], "scope": "calls", "application": "softphone"},
            f"Bearer {REFRESH}",
        )
    ]
    assert access.token.reveal() == "abc"
    assert access.expires_at == datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert access.extra == {"more": 1}
    assert "abc" not in repr(access)


@pytest.mark.parametrize("extensions", [["door"], [], ["0901"], [-1]])
def test_what_is_no_number_is_never_sent(extensions: list[Any]) -> None:
    auth = FakeAuth()
    with pytest.raises(UsageError):
        on(auth, lambda api: api.acquire_access(extensions))
    assert auth.asked == []


def test_the_life_is_counted_by_the_services_clock() -> None:
    headers = {"date": "Thu, 01 Jan 2015 00:00:00 GMT"}
    body = {"token": "abc", "expiresAt": "2015-01-01T00:10:00.000Z"}
    access = on(answering(httpx.Response(200, json=body, headers=headers)), lambda api: api.acquire_access([1]))
    assert access.life_s == 599.0  # the header is at most a second old


@pytest.mark.parametrize("end", [{}, {"expiresAt": None}, {"expiresAt": "2001-01-01T00:00:00Z"}])
def test_a_token_without_a_sensible_end_is_taken_for_five_minutes(end: dict[str, Any]) -> None:
    access = on(answering(httpx.Response(200, json={"token": "abc", **end})), lambda api: api.acquire_access([1]))
    assert access.life_s == 300.0


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"token": 5},
        {"token": "a\nb"},
        {"token": ""},
        {"data": {"token": ["x"]}},
        {"token": "x", "expiresAt": "soon"},
    ],
)
def test_an_answer_without_sense(body: dict[str, Any]) -> None:
    with pytest.raises(ProviderDown, match=r"live\.kavkom\.com/api/auth/acquire-access answered"):
        on(answering(httpx.Response(200, json=body)), lambda api: api.acquire_access([1]))


def test_an_enveloped_answer_is_understood() -> None:
    body = {"success": True, "data": {"token": "abc"}}
    assert on(answering(httpx.Response(200, json=body)), lambda api: api.acquire_access([1])).token.reveal() == "abc"


def test_a_refused_refresh_token_says_where_to_look_and_shows_nothing() -> None:
    answer = httpx.Response(401, json={"error": True, "message": f"bad token {REFRESH} of {USER}"})
    with pytest.raises(TokenRefused, match=r"provider\.live\.refresh_token") as caught:
        on(answering(answer), lambda api: api.acquire_access([1]))
    assert (caught.value.service, caught.value.status) == ("auth", 401)
    assert "hunter2" not in str(caught.value)


def test_acquire_is_repeated_since_it_does_no_harm() -> None:
    auth = answering(httpx.ConnectError("no"))
    assert on(auth, lambda api: api.acquire_access([1])).token.reveal() == "access-hunter2-1"
    assert len(auth.asked) == 2


@pytest.mark.parametrize(
    ("body", "valid", "token"),
    [
        ({"valid": True}, True, None),
        ({"valid": "false"}, False, None),
        ({"success": True, "expiresAt": "2099-01-01T00:00:00Z"}, True, "access-hunter2-1"),
        ({"token": "other", "expiresAt": "2099-01-01T00:00:00Z"}, True, "other"),
        ({"data": {"valid": 0, "expiresAt": "2099-01-01T00:00:00Z"}}, False, None),
    ],
)
def test_verify(body: dict[str, Any], valid: bool, token: str | None) -> None:
    auth = answering(httpx.Response(200, json=body))
    verdict = on(auth, lambda api: api.verify_access(TOKEN))
    assert verdict.valid is valid
    assert (verdict.access.token.reveal() if verdict.access else None) == token
    assert auth.asked == [("/api/auth/verify-access", {"token": "access-hunter2-1"}, f"Bearer {REFRESH}")]


def test_revoking() -> None:
    auth = FakeAuth()
    on(auth, lambda api: api.revoke_access(TOKEN))
    on(auth, lambda api: api.revoke_refresh())
    assert [(path.rpartition("/")[2], body) for path, body, _ in auth.asked] == [
        ("revoke-access", {"token": "access-hunter2-1"}),
        ("revoke-refresh", {}),
    ]


# ---- the keeper


class Clock:
    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


def keeping(auth: FakeAuth, play: Callable[[AccessTokens, Clock], Awaitable[None]]) -> None:
    async def run() -> None:
        clock = Clock()
        async with auth.api() as api:
            await play(AccessTokens(api, ["1001"], clock=clock), clock)

    asyncio.run(run())


def test_a_token_is_renewed_before_it_ends() -> None:
    auth = FakeAuth(life_s=600)

    async def play(tokens: AccessTokens, clock: Clock) -> None:
        first = await tokens.get()
        assert tokens.due_in_s() == pytest.approx(540, abs=2)
        clock.now_s += 530
        assert await tokens.get() is first
        clock.now_s += 15
        assert (await tokens.get()).token.reveal() == "access-hunter2-2"

    keeping(auth, play)
    assert auth.paths() == ["acquire-access", "verify-access", "acquire-access"]


def test_a_token_that_can_be_extended_stays() -> None:
    auth = FakeAuth(life_s=600)
    auth.extend = True

    async def play(tokens: AccessTokens, clock: Clock) -> None:
        first = await tokens.get()
        clock.now_s += 590
        second = await tokens.get()
        assert second.token == first.token
        assert second.ends_at_s > first.ends_at_s + 500

    keeping(auth, play)
    assert auth.paths() == ["acquire-access", "verify-access"]


def test_an_ended_token_is_not_verified() -> None:
    auth = FakeAuth(life_s=600)

    async def play(tokens: AccessTokens, clock: Clock) -> None:
        await tokens.get()
        clock.now_s += 700
        await tokens.get()

    keeping(auth, play)
    assert auth.paths() == ["acquire-access", "acquire-access"]


def test_one_renewal_at_a_time() -> None:
    auth = FakeAuth(life_s=600)

    async def play(tokens: AccessTokens, clock: Clock) -> None:
        held = await asyncio.gather(*(tokens.get() for _ in range(20)))
        assert len({each.token for each in held}) == 1
        clock.now_s += 700
        await asyncio.gather(*(tokens.get() for _ in range(20)))

    keeping(auth, play)
    assert auth.made == 2


def test_a_failed_renewal_is_no_error_while_the_token_holds() -> None:
    auth = FakeAuth(life_s=600)

    async def play(tokens: AccessTokens, clock: Clock) -> None:
        first = await tokens.get()
        clock.now_s += 550
        auth.answers = [httpx.Response(503)] * 2
        assert (await tokens.get()).token == first.token
        assert 0 < tokens.due_in_s() <= 5
        clock.now_s += 60
        auth.answers = [httpx.Response(503)] * 2
        with pytest.raises(ProviderDown):
            await tokens.get()
        assert (await tokens.get()).token.reveal() == "access-hunter2-2"

    keeping(auth, play)


def test_a_refused_token_is_replaced() -> None:
    async def play(tokens: AccessTokens, clock: Clock) -> None:
        first = await tokens.get()
        tokens.refused(Secret("another"))
        assert await tokens.get() is first
        tokens.refused(first.token)
        assert (await tokens.get()).token.reveal() == "access-hunter2-2"

    keeping(FakeAuth(), play)


def test_a_hint_brings_the_end_nearer_and_never_farther() -> None:
    async def play(tokens: AccessTokens, clock: Clock) -> None:
        first = await tokens.get()
        tokens.ends_in(first.token, 100_000)
        assert tokens.held is first
        tokens.ends_in(first.token, 100)
        assert tokens.due_in_s() == pytest.approx(75)

    keeping(FakeAuth(), play)


def test_what_a_pings_hint_means_is_found_out() -> None:
    def ping(sent_s: float, expires_in_s: float) -> Ping:
        return Ping({}, sent_s, expires_in_s)

    token_life = ExpiryHint()
    assert [token_life.ends_in_s(ping(100 + n * 30, 300 - n * 30)) for n in range(3)] == [None, 270, 240]
    deadline = ExpiryHint()
    assert [deadline.ends_in_s(ping(100 + n * 30, 60)) for n in range(3)] == [None, None, None]
    assert ExpiryHint().ends_in_s(Ping({}, None, None)) is None
