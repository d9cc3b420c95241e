"""Puts on the bus what the PBX's live events say of our extensions' calls, as long as the phone runs.

Extensions that come later get a connection of their own, so that nothing is missed of the others meanwhile; what is
told of extensions that are no longer ours is passed over. What goes wrong is told once, and again when it is over.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from softphone import events
from softphone.aio import Tasks
from softphone.bus import Bus, Record
from softphone.config.provider import Provider, is_live_extension
from softphone.config.resolved import ResolvedAccount
from softphone.engine.views_pbx import LiveStatus
from softphone.engine.world import iso_or_none

if TYPE_CHECKING:
    from softphone.kavkom.live import LiveCalls
    from softphone.kavkom.live_items import CallState, LiveItem

log = logging.getLogger(__name__)


class LivePump:
    """From the first `follow` to `stop`. Belongs to the event loop's thread. `provider.live` must be configured."""

    def __init__(self, provider: Provider, bus: Bus) -> None:
        self._provider, self._bus = provider, bus
        self._tasks = Tasks("live events")
        self._accounts: Mapping[str, str] = {}
        self._asked: set[str] = set()
        self._clients: list[LiveCalls] = []
        self._connected: set[str] = set()
        self._lost_s: dict[str, float] = {}
        self._state = "starting"
        self._since_s: float | None = None
        self._cause = ""
        self._retry_in_s: float | None = None
        self._counts = dict.fromkeys(("calls", "gaps", "unreadable"), 0)
        self._problems: list[str] = []
        self._end_listening = bus.listen(self._hear)

    def follow(self, accounts: Iterable[ResolvedAccount]) -> None:
        """The accounts that this phone is now; those that were pulled from this PBX are followed."""
        wanted = self._provider.live.extensions if self._provider.live else ()
        pulled = {a.username: a.id for a in accounts if a.origin == "provider" and (not wanted or a.username in wanted)}
        self._accounts = pulled
        strange = [name for name in pulled if not is_live_extension(name)]
        self._problems = [f"{pulled[name]} has no live events: its extension is no plain number" for name in strange]
        fresh = sorted(pulled.keys() - self._asked - set(strange))
        if fresh and not self._tasks.closed:
            self._asked |= set(fresh)
            self._tasks.spawn(self._pump(fresh), f"extensions {fresh[0]}...")

    def covers(self, account: str) -> bool:
        """Whether live events of this account come now."""
        extension = account.partition("@")[0]
        return extension in self._connected and self._accounts.get(extension) == account

    async def stop(self) -> None:
        self._end_listening()
        await self._tasks.close()

    async def _pump(self, extensions: list[str]) -> None:
        from softphone.kavkom.live import LiveCalls

        async with LiveCalls.of(self._provider, extensions) as live:
            self._clients.append(live)
            async for item in live:
                self._take(item)

    def _hear(self, record: Record) -> None:
        """Whose CDR came is over, whatever live events were missed."""
        if isinstance(record.event, events.PbxCdr):
            for client in self._clients:
                client.forget(record.event.call_uuid)

    # ---- what comes

    def _take(self, item: LiveItem) -> None:
        match item.kind:
            case "call":
                self._call(item)
            case "connected":
                self._came(item.extensions)
            case "gap":
                self._counts["gaps"] += 1
                self._went(item.extensions, item.cause, None)
            case "trouble":
                self._retry_in_s, self._cause = item.retry_in_s, item.cause
                self._went(item.extensions, item.cause, item.retry_in_s)
            case "unreadable":
                self._counts["unreadable"] += 1
            case "reported":
                log.warning("the live service says: %s", item.message)

    def _call(self, call: CallState) -> None:
        if call.extension and call.extension not in self._accounts:
            return
        self._counts["calls"] += 1
        self._bus.publish(
            events.PbxCall(
                call_uuid=call.call_uuid,
                state=call.state,
                direction=call.direction,
                number=call.number,
                extension=call.extension,
                account=self._accounts.get(call.extension, ""),
                created_s=call.created_epoch_s,
                answered_s=call.answered_epoch_s,
                duration_s=call.duration_s,
            )
        )

    def _came(self, extensions: Iterable[str]) -> None:
        names = list(extensions)
        now_s = time.time()
        gaps_s = [now_s - self._lost_s.pop(name) for name in names if name in self._lost_s]
        self._connected |= set(names)
        if self._connected >= self._asked:
            self._state, self._since_s, self._cause, self._retry_in_s = "connected", now_s, "", None
        self._bus.publish(events.PbxLiveConnected(extensions=names, gap_s=round(max(gaps_s, default=0.0), 3)))

    def _went(self, extensions: Iterable[str], cause: str, retry_in_s: float | None) -> None:
        """Told once for each outage, also where it was never connected."""
        names = [name for name in extensions if name not in self._lost_s]
        if not names:
            return
        now_s = time.time()
        self._connected -= set(names)
        self._lost_s |= dict.fromkeys(names, now_s)
        self._state, self._since_s, self._cause = "lost", now_s, cause
        self._bus.publish(events.PbxLiveLost(extensions=names, cause=cause, retry_in_s=retry_in_s))

    def status(self) -> LiveStatus:
        """Counts since the start."""
        return LiveStatus(
            state=self._state,
            cause=self._cause,
            extensions=len(self._asked),
            since=iso_or_none(self._since_s),
            retry_in_s=self._retry_in_s,
            problems=list(self._problems),
            **self._counts,
        )
