"""Access tokens and the live WebSocket. What is made here is revoked here."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest

from softphone.config import Provider, Secret
from softphone.errors import ProviderError, TokenRefused
from softphone.kavkom import AccessToken, AccessTokens, AuthApi, Connected, Gap, LiveCalls, PbxApi, Trouble
from softphone.kavkom.auth import live_of
from softphone.kavkom.http import trust
from softphone.kavkom.livesocket import LiveAddress
from tests.contract.account import Account, run

pytestmark = pytest.mark.contract("live")


async def an_extension(provider: Provider) -> str:
    """One that the live service can know."""
    live = live_of(provider)
    if live.extensions:
        return live.extensions[0]
    async with PbxApi.of(provider) as pbx:
        return next(each.extension for each in (await pbx.extensions()).extensions if each.extension.isdecimal())


def test_a_token_is_acquired_verified_and_revoked(provider: Provider) -> None:
    async def live() -> None:
        async with AuthApi.of(provider) as auth:
            access = await auth.acquire_access([await an_extension(provider)])
            assert access.expires_at is not None
            assert access.life_s > 10
            assert (await auth.verify_access(access.token)).valid
            await auth.revoke_access(access.token)
            try:
                verdict = await auth.verify_access(access.token)
            except TokenRefused:
                return
            assert not verdict.valid

    run(live())


def test_a_wrong_refresh_token_is_refused_as_such(provider: Provider) -> None:
    async def acquire() -> None:
        live = live_of(provider).model_copy(update={"refresh_token": Secret("not-a-token-of-anybody")})
        async with AuthApi.of(provider.model_copy(update={"live": live})) as auth:
            await auth.acquire_access([await an_extension(provider)])

    with pytest.raises(TokenRefused):
        run(acquire())


def test_a_connection_stands_as_long_as_its_pings_are_answered(account: Account) -> None:
    async def follow() -> list[Any]:
        provider, items = account.provider, []
        async with LiveCalls.of(provider, [await an_extension(provider)]) as live:
            try:
                async with asyncio.timeout(account.patience_s):
                    async for item in live:
                        items.append(item)
            except TimeoutError:
                assert live.connected
        return items

    items = run(follow())
    assert isinstance(items[0], Connected)
    assert not [item for item in items if isinstance(item, Gap | Trouble)]


def test_a_wrong_access_token_is_refused(provider: Provider) -> None:
    """By the handshake's status or by an error message: both say that it is the token."""

    class Wrong:
        async def acquire_access(self, extensions: object) -> AccessToken:
            return AccessToken(Secret("not-a-token-of-anybody"), None, 300.0)

    async def follow() -> list[Any]:
        tokens = AccessTokens(cast(AuthApi, Wrong()), [await an_extension(provider)])
        address = LiveAddress(provider.live_url, trust(provider.ca_file))
        items = []
        async with LiveCalls(address, tokens) as live:
            async for item in live:
                items.append(item)
                if isinstance(item, Trouble | Gap):
                    break
        return items

    items = run(follow())
    assert "provider.live.refresh_token" in items[-1].cause  # the advice of a refused token
    assert "not-a-token" not in repr(items)


@pytest.mark.parametrize("left_out", ["t", "ext"])
def test_a_missing_parameter_is_refused(provider: Provider, left_out: str) -> None:
    """By the handshake's status 406 or by an error message."""

    class Without(LiveAddress):
        def socket_url(self, token: Secret, extensions: Any) -> str:
            whole = super().socket_url(token, extensions)
            base, _, query = whole.partition("?")
            return f"{base}?{'&'.join(part for part in query.split('&') if not part.startswith(left_out + '='))}"

    async def follow() -> Any:
        async with AuthApi.of(provider) as auth:
            tokens = AccessTokens(auth, [await an_extension(provider)])
            async with LiveCalls(Without(provider.live_url, trust(provider.ca_file)), tokens) as live:
                async for item in live:
                    if isinstance(item, Trouble | Gap):
                        return item

    assert f"{left_out} parameter is missing" in run(follow()).cause


def test_a_token_for_one_extension_opens_no_other(provider: Provider) -> None:
    async def acquire() -> None:
        async with AuthApi.of(provider) as auth:
            await auth.acquire_access([999_999_999])

    with pytest.raises(ProviderError):
        run(acquire())
