"""Keeps one access token in force: extended or renewed before it ends, by one request at a time."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from softphone.config.secrets import Secret
from softphone.errors import ProviderError, ProviderRefused
from softphone.kavkom.auth import AccessToken, AuthApi, live_extensions
from softphone.kavkom.frames import Ping

log = logging.getLogger(__name__)

MARGIN_S = 60.0
MARGIN_SHARE = 0.25
_PINGS_APART_S = 3.0
_SAME_MOMENT_S = 1.5
RETRY_S = 5.0
"""A renewal that failed while the token still holds is tried again after this."""


@dataclass(frozen=True)
class Held:
    """A token and when it ends and is due for renewal, both in seconds of the keeper's clock."""

    access: AccessToken
    ends_at_s: float
    due_at_s: float

    @property
    def token(self) -> Secret:
        return self.access.token


class ExpiryHint:
    """Finds out what `expiresInSec` of the pings means: the end of the token, or how long we have to answer.

    Undocumented. Two pings that point at the same moment tell when the token ends; where the moment moves along with
    the pings, it is a deadline for the pong.
    """

    def __init__(self) -> None:
        self._before: tuple[float, float] | None = None

    def ends_in_s(self, ping: Ping) -> float | None:
        """Seconds until the token ends, once that is clear."""
        if ping.sent_s is None or ping.expires_in_s is None:
            return None
        before, self._before = self._before, (ping.sent_s, ping.sent_s + ping.expires_in_s)
        if before is None or ping.sent_s - before[0] < _PINGS_APART_S:
            return None
        return ping.expires_in_s if abs(self._before[1] - before[1]) <= _SAME_MOMENT_S else None


class AccessTokens:
    """The access token for one set of extensions. It owns no task and no connection; `auth` belongs to the caller.

    A token is due for renewal when a quarter of its life is left, at most a minute: it is verified first, since that
    may extend it, and acquired anew otherwise.
    """

    def __init__(
        self, auth: AuthApi, extensions: Iterable[str | int], *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Raises UsageError for extensions that the live service does not know."""
        self.extensions = live_extensions(extensions)
        self._auth = auth
        self._clock = clock
        self._held: Held | None = None
        self._renewing = asyncio.Lock()

    @property
    def held(self) -> Held | None:
        """What is held now, if anything; it may be due."""
        return self._held

    def due_in_s(self) -> float:
        """Seconds until `get` would ask the service again; 0 when it would now."""
        return max(0.0, self._held.due_at_s - self._clock()) if self._held else 0.0

    async def get(self) -> Held:
        """A token that holds. Raises ProviderDown or ProviderRefused when there is none and none can be had.

        Whoever asks while it is renewed waits for that renewal. One that fails is no error while the old token holds.
        """
        if (held := self._fresh()) is not None:
            return held
        async with self._renewing:
            held = self._fresh()  # who waited finds it done
            if held is None:
                held = self._held = await self._renewed(self._held)
            return held

    def _fresh(self) -> Held | None:
        return self._held if self.due_in_s() > 0 else None

    def refused(self, token: Secret) -> None:
        """The service did not accept this token: the next `get` acquires another one."""
        if self._held is not None and self._held.token == token:
            self._held = None

    def ends_in(self, token: Secret, seconds: float) -> None:
        """The service hinted that this token ends sooner than it first said."""
        held = self._held
        if held is not None and held.token == token and self._clock() + seconds < held.ends_at_s:
            self._held = self._hold(held.access, seconds)

    async def _renewed(self, held: Held | None) -> Held:
        now_s = self._clock()
        if held is None or now_s >= held.ends_at_s:
            return self._hold(await self._auth.acquire_access(self.extensions))
        try:
            return self._hold(await self._extended(held) or await self._auth.acquire_access(self.extensions))
        except ProviderError as error:
            log.warning("the access token is not renewed yet, and still holds: %s", error)
        now_s = self._clock()
        if now_s >= held.ends_at_s:
            return self._hold(await self._auth.acquire_access(self.extensions))
        return Held(held.access, held.ends_at_s, min(held.ends_at_s, now_s + RETRY_S))

    async def _extended(self, held: Held) -> AccessToken | None:
        """The token with a later end, if the service grants one."""
        try:
            verdict = await self._auth.verify_access(held.token)
        except ProviderRefused:
            return None
        access = verdict.access
        if access is None or not verdict.valid:
            return None
        left_s = held.ends_at_s - self._clock()
        return access if access.token != held.token or access.life_s > left_s + 1.0 else None

    def _hold(self, access: AccessToken, life_s: float | None = None) -> Held:
        now_s = self._clock()
        life_s = access.life_s if life_s is None else life_s
        return Held(access, now_s + life_s, now_s + life_s - min(MARGIN_S, life_s * MARGIN_SHARE))
