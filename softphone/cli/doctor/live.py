"""The PBX's live events: whether a token is to be had, and whether the WebSocket opens with it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from websockets.exceptions import ConnectionClosed

from softphone.cli.doctor.findings import NETWORK_LIMIT_S, Area, Finding
from softphone.cli.durations import show_duration
from softphone.config.provider import is_live_extension
from softphone.errors import ProviderError, ProviderRefused, ProviderUnreadable
from softphone.kavkom import AccessToken, AuthApi, Retry
from softphone.kavkom.frames import ErrorFrame, read_frame
from softphone.kavkom.hiding import Hider
from softphone.kavkom.http import trust
from softphone.kavkom.livesocket import LiveAddress, closed, open_socket

if TYPE_CHECKING:
    from softphone.config import Provider, ResolvedAccount

LIVE = Area("live events")
COMPLAINT_WITHIN_S = 0.5
"""A service that complains by a message does so at once."""


def check_live(provider: Provider, accounts: Sequence[ResolvedAccount]) -> list[Finding]:
    """Nothing where they are not configured. The token that is made for this is revoked again."""
    if provider.live is None:
        return []
    pulled = [account.username for account in accounts if account.origin == "provider"]
    names = [name for name in provider.live.extensions or pulled if is_live_extension(name)]
    if not names:
        return [LIVE.info("extensions", "none has a plain number, so there is nothing to follow")]
    return list(_told(provider, names[0]))


def _told(provider: Provider, extension: str) -> Iterator[Finding]:
    try:
        access, failure = asyncio.run(_tried(provider, extension))
    except ProviderError as error:
        yield LIVE.fail("token", str(error), _cure(error))
        return
    yield LIVE.ok("token", f"an access token is given, and holds for {show_duration(access.life_s)}")
    if failure is None:
        yield LIVE.ok("connection", f"the WebSocket opens for extension {extension}")
    else:
        yield LIVE.fail("connection", str(failure), _cure(failure))


def _cure(error: ProviderError) -> str:
    if isinstance(error, ProviderRefused):
        return "compare provider.live with the PBX: refresh_token, user_uuid, and the extensions they open"
    return "check provider.live_url, the network, and any firewall or proxy between (a WebSocket needs to pass)"


async def _tried(provider: Provider, extension: str) -> tuple[AccessToken, ProviderError | None]:
    async with AuthApi.of(provider, retry=Retry(attempts=1)) as auth:
        access = await auth.acquire_access([extension])
        try:
            return access, await _opened(provider, access, extension)
        finally:
            with suppress(ProviderError):  # it ends by itself soon
                await auth.revoke_access(access.token)


async def _opened(provider: Provider, access: AccessToken, extension: str) -> ProviderError | None:
    """What is wrong with the connection, if anything."""
    address = LiveAddress(provider.live_url, trust(provider.ca_file), NETWORK_LIMIT_S)
    try:
        socket = await open_socket(address, access.token, (extension,))
    except ProviderError as error:
        return error
    try:
        async with asyncio.timeout(COMPLAINT_WITHIN_S):
            frame = read_frame(await socket.recv(), hide=Hider((access.token,)))
    except (TimeoutError, ProviderUnreadable):
        return None
    except ConnectionClosed as error:
        return closed(error, address, access.token)
    finally:
        await socket.close()
    if isinstance(frame, ErrorFrame) and frame.about != "other":
        return ProviderRefused(f"{address.where} says: {frame.message}", service="live")
    return None
