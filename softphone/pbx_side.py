"""The phone's ears at the PBX: live events, and the timelines that join what they say with what the phone saw."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from softphone.bus import Bus
from softphone.config.model import Config
from softphone.config.places import default_state, name_of
from softphone.config.resolved import ResolvedAccount
from softphone.engine.views_pbx import LiveStatus, TimelineStatus, WebhookStatus
from softphone.errors import Conflict

if TYPE_CHECKING:
    from softphone.live_events import LivePump
    from softphone.timeline.keeper import Keeper

DAY_S = 86_400.0


class PbxSide:
    """What is not configured is not even loaded."""

    def __init__(self, config: Config, bus: Bus) -> None:
        self._bus = bus
        self._pump = self._pump_of(config)
        self._provider = config.provider
        self._keeper = self._keeper_of(config)
        self._accounts: Sequence[ResolvedAccount] = ()
        self._pulled: Mapping[str, str] = {}
        self.webhook_status: Callable[[], WebhookStatus] | None = None
        """Set by whoever receives webhooks."""

    def _pump_of(self, config: Config) -> LivePump | None:
        if config.provider is None or config.provider.live is None:
            return None
        from softphone.live_events import LivePump

        return LivePump(config.provider, self._bus)

    def _keeper_of(self, config: Config) -> Keeper | None:
        settings = config.timeline
        if not settings.enabled:
            return None
        from softphone.timeline.differences import Policy
        from softphone.timeline.facts import Reader
        from softphone.timeline.keeper import Keeper
        from softphone.timeline.store import Store

        path = settings.file or default_state() / f"timeline-{name_of(config.control.socket)}.sqlite"
        store = Store(path, keep_s=settings.keep_days * DAY_S, keep_count=settings.keep_count)
        expects = {"pbx": self._pump is not None, "cdr": config.webhook is not None and config.webhook.cdrs}
        policy = Policy(
            grace_s=settings.grace_s,
            tolerance_s=settings.tolerance_s,
            settle_s=settings.settle_s,
            expects=frozenset(side for side, wanted in expects.items() if wanted),
        )
        reader = Reader(frozenset(name.lower() for name in settings.uuid_headers), self._covers)
        return Keeper(self._bus, store, policy, reader, window_s=settings.window_s)

    def _covers(self, account: str) -> bool:
        return self._pump is not None and self._pump.covers(account)

    # ---- life

    def start(self) -> None:
        """Timelines listen from now on."""
        if self._keeper is not None:
            self._keeper.start()

    def follow(self, accounts: Sequence[ResolvedAccount]) -> None:
        """The accounts that this phone is now."""
        self._accounts = accounts
        self._pulled = {account.username: account.id for account in accounts if account.origin == "provider"}
        if self._pump is not None:
            self._pump.follow(accounts)

    async def reload(self, config: Config) -> None:
        """Live events by the new `provider:`; timelines keep the settings of the start."""
        if config.provider == self._provider:
            return
        before, self._pump, self._provider = self._pump, self._pump_of(config), config.provider
        if before is not None:
            await before.stop()
        self.follow(self._accounts)

    async def stop(self) -> None:
        if self._pump is not None:
            await self._pump.stop()
        if self._keeper is not None:
            await self._keeper.stop()

    # ---- what it knows

    def account_of(self, extension: str) -> str:
        """The id of the account that was pulled for this extension, '' if none was."""
        return self._pulled.get(extension, "")

    @property
    def keeper(self) -> Keeper:
        """Raises Conflict where timelines are not kept."""
        if self._keeper is None:
            raise Conflict("timelines are not kept; set `timeline: {enabled: true}` in the configuration and restart")
        return self._keeper

    async def settled(self) -> bool:
        """Deals with all that was told so far. False where it should have been kept on disk and could not be."""
        return self._keeper is None or await self._keeper.flush()

    def live(self) -> LiveStatus | None:
        return self._pump.status() if self._pump is not None else None

    def timeline(self) -> TimelineStatus | None:
        return self._keeper.status() if self._keeper is not None else None

    def webhook(self) -> WebhookStatus | None:
        return self.webhook_status() if self.webhook_status is not None else None

    def problems(self) -> list[str]:
        """What is wrong now, one sentence each."""
        found = []
        if (live := self.live()) is not None:
            found += [f"no live events from the PBX: {live.cause}"] if live.state == "lost" else []
            found += live.problems
        for status in (self.timeline(), self.webhook()):
            if status is not None and status.state == "failed":
                found.append(status.cause)
        return found
