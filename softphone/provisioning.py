"""Keeps the accounts in step with the PBX's API: at start, on a timer, on command, and when a password is refused.

An API that is down takes nothing away: what was known stays in force, and the next try comes with growing delays.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable

from softphone import events
from softphone.aio import Backoff, Tasks
from softphone.bus import Bus
from softphone.config.model import Config
from softphone.engine.views import ProviderStatus
from softphone.engine.world import iso_or_none
from softphone.errors import ProviderError
from softphone.kavkom.pbx import PbxApi
from softphone.kavkom.select import Fetched, Selection, fetch, resolve

log = logging.getLogger(__name__)

RETRY_MIN_S, RETRY_MAX_S = 2.0, 60.0


class Provisioner:
    """`apply(Selection)` runs after each successful read, and once at start for static accounts."""

    def __init__(self, config: Config, bus: Bus, apply: Callable[[Selection], None]) -> None:
        self._config = config
        self._bus = bus
        self._apply = apply
        self._pbx = PbxApi.of(config.provider) if self.pulls(config) and config.provider else None
        self._tasks = Tasks("provisioner")
        self._backoff = Backoff(RETRY_MIN_S, RETRY_MAX_S)
        self._reading: asyncio.Task[bool] | None = None
        self._fetched: Fetched | None = None
        self._cause = ""
        self._failed = False
        self._last_s: float | None = None
        self._next_at_s: float | None = None
        self._selection = Selection()

    @staticmethod
    def pulls(config: Config) -> bool:
        """Whether any account comes from the API."""
        return any(account.pulled for account in config.accounts)

    def start(self, *, again: bool = False) -> None:
        """Static accounts at once, the API's as soon as it answers.

        again: accounts of an earlier configuration are up; they stay as they are until the API has answered.
        """
        if self._pbx is None or not again:
            self._select()
        if self._pbx is not None:
            self._tasks.spawn(self._keep_in_step(), "read the extension list")

    async def stop(self) -> None:
        await self._tasks.close()
        if self._pbx is not None:
            await self._pbx.aclose()

    async def refresh(self) -> bool:
        """Reads the list now; whoever asks meanwhile shares the same read. False if the API did not deliver."""
        if self._pbx is None:
            return False
        if self._reading is None:
            self._reading = self._tasks.spawn(self._read(self._pbx), "read")
            self._reading.add_done_callback(self._read_over)
        return await asyncio.shield(self._reading)

    def _read_over(self, _: asyncio.Task[bool]) -> None:
        self._reading = None

    async def _keep_in_step(self) -> None:
        refresh_s = self._config.provider.refresh_s if self._config.provider else 0
        while True:
            if await self.refresh():
                if refresh_s <= 0:
                    self._next_at_s = None
                    return
                delay_s = refresh_s
            else:
                delay_s = max(0.0, (self._next_at_s or 0) - time.monotonic())
            self._next_at_s = time.monotonic() + delay_s
            await asyncio.sleep(delay_s)

    async def _read(self, pbx: PbxApi) -> bool:
        try:
            self._fetched = await fetch(pbx, self._config.accounts)
        except ProviderError as error:
            self._tell_failure(error)
            return False
        self._backoff.reset()
        self._failed, self._cause, self._last_s = False, "", time.time()
        self._select()
        found = sum(account.origin == "provider" for account in self._selection.accounts)
        self._bus.publish(events.ProviderFetched(extensions=found, problems=self._problems()))
        return True

    def _tell_failure(self, error: ProviderError) -> None:
        retry_in_s = self._backoff.next_s()
        self._failed, self._cause = True, str(error)
        self._next_at_s = time.monotonic() + retry_in_s
        log.warning("the extension list could not be read: %s", error)
        self._bus.publish(events.ProviderFailed(cause=str(error), status=error.status, retry_in_s=round(retry_in_s, 1)))

    def _select(self) -> None:
        self._selection = resolve(self._config.accounts, self._fetched)
        self._apply(self._selection)

    def _problems(self) -> list[str]:
        return [skipped.text for skipped in self._selection.skipped] + list(self._selection.problems)

    def status(self) -> ProviderStatus | None:
        """None where every account is static."""
        if self._pbx is None:
            return None
        retry_in_s = None if self._next_at_s is None else round(max(0.0, self._next_at_s - time.monotonic()), 1)
        return ProviderStatus(
            state="failed" if self._failed else "ok" if self._last_s else "starting",
            cause=self._cause,
            extensions=sum(account.origin == "provider" for account in self._selection.accounts),
            last_success=iso_or_none(self._last_s),
            retry_in_s=retry_in_s,
            problems=self._problems(),
        )
