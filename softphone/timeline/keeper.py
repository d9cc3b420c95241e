"""Keeps book and store in step with what happens, and tells of differences and of timelines that are closed.

News is taken from the bus as it comes and dealt with some tenths of a second later, many at a time. A store that fails
is told of once, tried again, and what it missed is written then; meanwhile all can be read from memory.
"""

from __future__ import annotations

import asyncio
import heapq
import logging
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

from softphone import events
from softphone.aio import Tasks
from softphone.bus import Bus, Record
from softphone.engine.views_pbx import TimelineStatus
from softphone.errors import NotFound
from softphone.timeline.book import Book
from softphone.timeline.differences import Policy
from softphone.timeline.facts import Fact, Reader
from softphone.timeline.joining import WINDOW_S, Joined
from softphone.timeline.query import Query, StoreFailed
from softphone.timeline.record import changes_at_s, tell
from softphone.timeline.store import Row, Store
from softphone.timeline.views import TimelineView

log = logging.getLogger(__name__)

TICK_S = 0.2
"""News that comes within so long is dealt with together."""

RETRY_S = 30.0
"""How often a store that failed is tried again."""

LINGER_COMPLETE_S, LINGER_S = 60.0, 1000.0
"""How long closed timelines stay in memory, where something late finds them without the store."""

MOST_IN_MEMORY = 5_000


@dataclass(frozen=True, slots=True)
class _Told:
    """What was last told of a timeline."""

    view: TimelineView
    kinds: frozenset[str]


class Keeper:
    """One phone's timelines, from `start` to `stop`. Belongs to the event loop's thread.

    store: None keeps them in memory only. clock: Unix time.
    """

    def __init__(
        self,
        bus: Bus,
        store: Store | None,
        policy: Policy,
        reader: Reader,
        *,
        window_s: float = WINDOW_S,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._bus, self._store, self._policy, self._reader, self._clock = bus, store, policy, reader, clock
        self._book = Book(window_s)
        self._tasks = Tasks("timeline")
        self._inbox: list[Fact] = []
        self._gaps: list[Record] = []
        self._news = asyncio.Event()
        self._working = asyncio.Lock()
        self._due: list[tuple[float, str]] = []
        self._told: dict[str, _Told] = {}
        self._unwritten: dict[str, Joined] = {}
        self._gone: dict[str, None] = {}
        self._failure = ""
        self._retry_at_s = 0.0
        self._open = False
        self._stored = 0
        self._counts = dict.fromkeys(("closed", "complete", "with_differences", "late"), 0)
        self._end_listening: Callable[[], None] | None = None

    # ---- life

    def start(self) -> None:
        """Listens from now on; the store opens meanwhile."""
        self._end_listening = self._bus.listen(self._hear)
        self._tasks.spawn(self._run(), "keep")

    async def stop(self) -> None:
        """Writes what is left, and lets go of the file."""
        if self._end_listening is not None:
            self._end_listening()
            self._end_listening = None
        await self._tasks.close()
        async with self._working:
            await self._work()
        if self._store is not None:
            await self._store.close()

    def _hear(self, record: Record) -> None:
        if isinstance(record.event, events.PbxLiveLost | events.PbxLiveConnected):
            self._gaps.append(record)
        elif (fact := self._reader.read(record)) is not None:
            self._inbox.append(fact)
        else:
            return
        self._news.set()

    def _of_gap(self, record: Record) -> Iterable[Fact]:
        """Live events ceased, or came back: that is part of every call of these extensions that was up then."""
        event = record.event
        if not isinstance(event, events.PbxLiveLost | events.PbxLiveConnected):
            return
        lost = isinstance(event, events.PbxLiveLost)
        if isinstance(event, events.PbxLiveConnected) and not event.gap_s:
            return
        for joined in list(self._book):
            leg = joined.leg
            if leg is None or leg.first.extension not in event.extensions or leg.first.at_s > record.time_s:
                continue
            if leg.end_s is None or leg.end_s > record.time_s:
                yield Fact(
                    id=f"{record.id}/{joined.id}",
                    source="phone",
                    kind="live_lost" if lost else "live_back",
                    at_s=record.time_s,
                    leg=leg.key,
                    account=leg.first.account,
                    extension=leg.first.extension,
                )

    async def _run(self) -> None:
        while True:
            async with self._working:
                await self._work()
            await self._wait()

    async def _wait(self) -> None:
        """Until there is news, or time alone may change something."""
        pause_s = max(0.0, self._due[0][0] - self._clock()) if self._due else None
        if self._failure:
            retry_s = max(0.0, self._retry_at_s - self._clock())
            pause_s = retry_s if pause_s is None else min(pause_s, retry_s)
        try:
            async with asyncio.timeout(pause_s):
                await self._news.wait()
            await asyncio.sleep(TICK_S)
        except TimeoutError:
            pass

    async def flush(self) -> bool:
        """Deals with all news that came so far. False if the store could not take it."""
        async with self._working:
            await self._work()
        return not self._failure and not self._unwritten

    # ---- work

    async def _work(self) -> None:
        self._news.clear()
        await self._open_store()
        changed = self._joined_anew(())
        news, self._inbox = self._inbox, []
        gaps, self._gaps = self._gaps, []
        await self._recall(news)
        changed |= self._joined_anew(news)
        if gaps:
            changed |= self._joined_anew([fact for record in gaps for fact in self._of_gap(record)])
        now_s = self._clock()
        for id, joined in changed.items():
            self._gone.pop(id, None)
            self._tell(joined, now_s, news=True)
        self._time_passes(now_s)
        await self._write()

    def _joined_anew(self, facts: Iterable[Fact]) -> dict[str, Joined]:
        """Takes facts; returns the timelines that they change."""
        for fact in facts:
            self._book.add(fact)
        changes = self._book.rejoin()
        for id in changes.gone:
            self._told.pop(id, None)
            self._unwritten.pop(id, None)
            self._gone[id] = None
        return {joined.id: joined for joined in changes.changed}

    def _time_passes(self, now_s: float) -> None:
        """What was due is looked at again: patience ended, a timeline closes, or may be forgotten."""
        due: dict[str, None] = {}
        while self._due and self._due[0][0] <= now_s:
            due[heapq.heappop(self._due)[1]] = None
        for id in due:
            if (joined := self._book.get(id)) is None:
                continue
            told = self._told.get(id)
            if told is not None and told.view.state == "closed" and id not in self._unwritten:
                if now_s >= self._forgettable_s(told.view, joined):
                    self._book.forget([id])
                    self._told.pop(id, None)
                    continue
            self._tell(joined, now_s, news=False)
        self._make_room()

    def _forgettable_s(self, view: TimelineView, joined: Joined) -> float:
        return joined.facts[-1].at_s + (LINGER_COMPLETE_S if view.complete else LINGER_S)

    def _make_room(self) -> None:
        """What floods us with news of calls must not fill the memory."""
        over = len(self._book) - MOST_IN_MEMORY
        if over > 0:
            closed = [id for id, told in self._told.items() if told.view.state == "closed"]
            for id in (closed + list(self._told))[:over]:
                self._book.forget([id])
                self._told.pop(id, None)
                self._unwritten.pop(id, None)

    def _tell(self, joined: Joined, now_s: float, *, news: bool) -> None:
        view = tell(joined, self._policy, now_s)
        before = self._told.get(joined.id)
        kinds = frozenset(each.kind for each in view.differences)
        if news or before is None or before.view != view:
            self._unwritten[joined.id] = joined
        self._told[joined.id] = _Told(view, kinds)
        for at_s in changes_at_s(joined, self._policy):
            if at_s > now_s:
                heapq.heappush(self._due, (at_s, joined.id))
        if view.state == "closed":
            heapq.heappush(self._due, (max(now_s, self._forgettable_s(view, joined)) + 0.001, joined.id))
        self._publish(view, before, kinds)

    def _publish(self, view: TimelineView, before: _Told | None, kinds: frozenset[str]) -> None:
        named: dict[str, Any] = {
            "timeline": view.id,
            "account": view.account,
            "call": view.call,
            "call_uuid": view.call_uuid,
        }
        for each in view.differences:
            if before is None or each.kind not in before.kinds:
                self._bus.publish(events.TimelineDifference(kind=each.kind, text=each.text, **named))
        if view.state != "closed":
            return
        verdict: dict[str, Any] = {"complete": view.complete, "differences": sorted(kinds)}
        if before is None or before.view.state != "closed":
            self._counts["closed"] += 1
            self._counts["complete"] += view.complete
            self._counts["with_differences"] += bool(kinds)
            self._bus.publish(events.TimelineClosed(**named, **verdict))
        elif replace(view, entries=[]) != replace(before.view, entries=[]):
            self._counts["late"] += 1
            self._counts["complete"] += view.complete - before.view.complete
            self._counts["with_differences"] += bool(kinds) - bool(before.kinds)
            self._bus.publish(events.TimelineChanged(**named, **verdict))

    # ---- the store

    async def _open_store(self) -> None:
        """If it is not open yet, or failed some time ago."""
        if self._store is None or (self._open and not self._failure) or self._clock() < self._retry_at_s:
            return
        try:
            self._stored = await self._store.open()
            left = [] if self._open else await self._store.unfinished()
        except StoreFailed as error:
            self._fail(str(error))
            return
        self._failure, self._open = "", True
        self._recollect(left)

    def _recollect(self, left: list[Fact]) -> None:
        """What was open at the last stop goes on; calls of this phone do not: they ended with that process."""
        now_s = self._clock()
        ended = {fact.leg for fact in left if fact.kind == "ended"}
        up = {fact.leg: fact for fact in left if fact.leg and fact.leg not in ended}
        lost = {"reason": "lost", "by": "local", "code": 0, "cause": "the phone's process ended before this call did"}
        for fact in left:
            self._book.add(fact)
        for leg, fact in up.items():
            self._book.add(
                Fact(
                    id=f"{leg}/lost",
                    source="phone",
                    kind="ended",
                    at_s=now_s,
                    leg=leg,
                    account=fact.account,
                    extension=fact.extension,
                    detail=lost,
                )
            )
        self._news.set()

    async def _recall(self, news: list[Fact]) -> None:
        """What comes late for a call that is no longer in memory goes to where it belongs all the same."""
        if self._store is None or not self._open or self._failure:
            return
        unknown = list(dict.fromkeys(f.uuid for f in news if f.uuid and not f.leg and not self._book.knows(f.uuid)))
        if not unknown:
            return
        try:
            facts = await self._store.facts(unknown)
        except StoreFailed as error:
            self._fail(str(error))
            return
        for fact in facts:
            self._book.add(fact)
        self._remember(self._book.rejoin().changed)

    def _remember(self, recalled: Iterable[Joined]) -> None:
        """As it was told before it was forgotten."""
        for joined in recalled:
            view = tell(joined, self._policy, self._clock())
            self._told.setdefault(joined.id, _Told(view, frozenset(each.kind for each in view.differences)))

    async def _write(self) -> None:
        if self._store is None:
            self._unwritten.clear()
            self._gone.clear()
            return
        if self._failure or not self._open or not (self._unwritten or self._gone):
            return
        rows = [Row(self._told[id].view, j.facts, j.facts[0].at_s) for id, j in self._unwritten.items()]
        try:
            self._stored = await self._store.put(rows, list(self._gone), self._clock())
        except StoreFailed as error:
            self._fail(str(error))
            return
        self._unwritten.clear()
        self._gone.clear()

    def _fail(self, cause: str) -> None:
        self._retry_at_s = self._clock() + RETRY_S
        if cause != self._failure:
            log.warning("%s", cause)
            self._bus.publish(events.TimelineStoreFailed(cause=cause))
        self._failure = cause

    # ---- reading

    async def get(self, name: str) -> TimelineView:
        """By its id, a call's id or SIP Call-ID, or the PBX's UUID; of several the newest. Raises NotFound."""
        await self.flush()
        now_s = self._clock()
        named = [told.view.id for told in self._told.values() if _goes_by(told.view, name)]
        if here := [joined for id in named if (joined := self._book.get(id))]:
            return tell(max(here, key=lambda joined: joined.facts[0].at_s), self._policy, now_s)
        if self._store is not None and self._open and not self._failure and (found := await self._store.get(name)):
            return found[0]
        raise NotFound(f"there is no timeline {name}: no id, call, Call-ID or UUID of that name is kept")

    async def find(self, query: Query) -> tuple[list[TimelineView], str | None]:
        """A page of timelines, the newest first, without their entries. Raises StoreFailed, UsageError."""
        await self.flush()
        if self._store is not None and not self._failure:
            return await self._store.find(query)
        raise StoreFailed(self._failure or "timelines are not kept on disk")

    def status(self) -> TimelineStatus:
        """Counts since the start."""
        return TimelineStatus(
            state="failed" if self._failure else "ok",
            cause=self._failure,
            open=sum(told.view.state == "open" for told in self._told.values()),
            stored=self._stored,
            **self._counts,
        )


def _goes_by(view: TimelineView, name: str) -> bool:
    return name in (view.id, view.call, view.call_uuid, *view.sip_call_ids)
