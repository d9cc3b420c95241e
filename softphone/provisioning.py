"""Keeps the accounts in step with the PBX's API: at start, on a timer, on command, and when a password is refused.

An API that is down takes nothing away: what was known stays in force, and the next try comes with growing delays.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from softphone import events
from softphone.aio import Backoff, Tasks, Timers
from softphone.bus import Bus
from softphone.config.model import Config
from softphone.config.resolved import ResolvedAccount
from softphone.engine.views import ProviderStatus
from softphone.engine.world import iso_or_none
from softphone.errors import ProviderError
from softphone.kavkom.pbx import PbxApi
from softphone.kavkom.select import Fetched, Selection, fetch, resolve, searches

log = logging.getLogger(__name__)

RETRY_MIN_S, RETRY_MAX_S = 2.0, 60.0


@dataclass(frozen=True, slots=True)
class _Failure:
    """Why the list could not be read; `status` is the HTTP status, None where there was no answer."""

    cause: str
    status: int | None = None


_OWN_FAULT = _Failure("the phone itself failed on what the API sent; its log says where")


class Provisioner:
    """`apply(Selection)` runs after each successful read, and once at start for static accounts."""

    def __init__(self, config: Config, bus: Bus, apply: Callable[[Selection], None]) -> None:
        self._config = config
        self._bus = bus
        self._apply = apply
        self._pbx = PbxApi.of(config.provider) if self.pulls(config) and config.provider else None
        self._tasks = Tasks("provisioner")
        self._timers = Timers()
        self._backoff = Backoff(RETRY_MIN_S, RETRY_MAX_S)
        self._reading: asyncio.Task[_Failure | None] | None = None
        self._fetched: Fetched | None = None
        self._failure: _Failure | None = None
        self._last_s: float | None = None
        self._next_at_s: float | None = None
        self._selection = Selection()

    @staticmethod
    def pulls(config: Config) -> bool:
        """Whether any account comes from the API."""
        return any(account.pulled for account in config.accounts)

    def start(self, *, before: Provisioner | None = None) -> None:
        """Static accounts at once, the API's as soon as it answers.

        before: who kept the accounts that are up, by an earlier configuration. What it knew of the PBX serves until
        the API answers; where that does not suffice, all accounts stay as they are until then.
        """
        if before is not None and self._same_pbx(before):
            self._fetched, self._last_s = before._fetched, before._last_s
        if before is None or self._pbx is None or self._knows_enough():
            self._select()
        if self._pbx is not None:
            self._begin()

    def _same_pbx(self, other: Provisioner) -> bool:
        ours, theirs = self._config.provider, other._config.provider
        return bool(ours and theirs and (ours.api_url, ours.domain_uuid) == (theirs.api_url, theirs.domain_uuid))

    def _knows_enough(self) -> bool:
        return self._fetched is not None and set(searches(self._config.accounts)) <= set(self._fetched)

    async def stop(self) -> None:
        self._timers.close()
        await self._tasks.close()
        if self._pbx is not None:
            await self._pbx.aclose()

    async def refresh(self) -> bool:
        """Reads the list now; whoever asks meanwhile shares the same read. False if the API did not deliver."""
        if self._pbx is None or self._tasks.closed:
            return False
        reading = self._begin()
        await asyncio.wait({reading})  # not `await reading`: a read that is given up must not cancel who waits for it
        return not self._tasks.closed and self._failure is None

    def _begin(self) -> asyncio.Task[_Failure | None]:
        if self._reading is None:
            self._timers.close()
            self._reading = self._tasks.spawn(self._read(), "read the extension list")
            self._reading.add_done_callback(self._read_over)
        return self._reading

    def _read_over(self, reading: asyncio.Task[_Failure | None]) -> None:
        """Every read sets the time of the next one, whoever asked for it and however it went."""
        self._reading = None
        if self._tasks.closed:
            return
        self._failure = _OWN_FAULT if reading.cancelled() or reading.exception() else reading.result()
        if self._failure is None:
            self._backoff.reset()
            self._next_in(self._config.provider.refresh_s if self._config.provider else 0)
            self._bus.publish(events.ProviderFetched(extensions=self._count(), problems=self._problems()))
            return
        retry_in_s = self._backoff.next_s()
        self._next_in(retry_in_s)
        cause, status = self._failure.cause, self._failure.status
        log.warning("the extension list could not be read: %s", cause)
        self._bus.publish(events.ProviderFailed(cause=cause, status=status, retry_in_s=round(retry_in_s, 1)))

    def _next_in(self, delay_s: float) -> None:
        """0: on command only."""
        if delay_s <= 0:
            self._next_at_s = None
            return
        self._next_at_s = time.monotonic() + delay_s
        self._timers.set("next", delay_s, self._due)

    def _due(self) -> None:
        self._begin()

    async def _read(self) -> _Failure | None:
        if self._pbx is None:
            return _OWN_FAULT
        try:
            self._fetched = await fetch(self._pbx, self._config.accounts)
        except ProviderError as error:
            return _Failure(str(error), error.status)
        self._last_s = time.time()
        self._select()
        return None

    def _select(self) -> None:
        fresh = resolve(self._config.accounts, self._fetched)
        self._selection = replace(fresh, accounts=fresh.accounts + self._untold(fresh))
        self._apply(self._selection)

    def _untold(self, fresh: Selection) -> tuple[ResolvedAccount, ...]:
        """Accounts of ours that the new lists neither name nor rule out, since they are damaged there."""
        told = {account.id for account in fresh.accounts} | {skipped.id for skipped in fresh.skipped}
        lists = (self._fetched or {}).values()
        return tuple(
            account
            for account in self._selection.accounts
            if account.origin == "provider"
            and account.id not in told
            and any(not listed.complete or account.username in listed.unreadable for listed in lists)
        )

    def _count(self) -> int:
        return sum(account.origin == "provider" for account in self._selection.accounts)

    def _problems(self) -> list[str]:
        return [skipped.text for skipped in self._selection.skipped] + list(self._selection.problems)

    def status(self) -> ProviderStatus | None:
        """None where every account is static."""
        if self._pbx is None:
            return None
        retry_in_s = None if self._next_at_s is None else round(max(0.0, self._next_at_s - time.monotonic()), 1)
        return ProviderStatus(
            state="failed" if self._failure else "ok" if self._last_s else "starting",
            cause=self._failure.cause if self._failure else "",
            extensions=self._count(),
            last_success=iso_or_none(self._last_s),
            retry_in_s=retry_in_s,
            problems=self._problems(),
        )
