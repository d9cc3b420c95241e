"""Switches the trace, keeps what belongs to it, and knows whose each message is.

A stack hands over raw messages; secrets are masked before anything else sees them. Whose a message is comes from the
events of calls (which carry the Call-ID), and for the rest from the addresses in it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Protocol

from softphone import events
from softphone.aio import Timers
from softphone.bus import Bus, Record
from softphone.config.trace import Trace
from softphone.tracing.collector import Collector
from softphone.tracing.masking import masked
from softphone.tracing.message import Parts, SipMessage, parts, user_and_host
from softphone.tracing.store import Dialog, Entry, Store
from softphone.tracing.views import CollectorView, TraceStatus

log = logging.getLogger(__name__)

LINGER_S = 35.0
"""A call that was traced by itself is traced on for so long after its end: 64*T1, in which SIP may repeat itself."""

Receiver = Callable[[Sequence[SipMessage]], None]


class Tap(Protocol):
    """Where messages come from: a stack."""

    def tap(self, receiver: Receiver | None) -> None:
        """From now on `receiver` gets each message, in order, on the loop's thread; None: nobody does."""

    def tap_lost(self) -> int:
        """Messages that could not be handed over, since the process began."""


class Phonebook(Protocol):
    """What the tracer asks of the agent."""

    def account_at(self, user: str, host: str) -> str:
        """The id of the account of this address, '' if it is nobody's."""

    def sip_call_id(self, call: str) -> str:
        """The Call-ID of a call's present leg, '' if there is none."""


class Tracer:
    """Belongs to the event loop's thread."""

    def __init__(self, settings: Trace, bus: Bus, tap: Tap, phonebook: Phonebook) -> None:
        self._settings, self._bus, self._tap, self._phonebook = settings, bus, tap, phonebook
        self._store = Store(settings.keep_messages, settings.keep_mb * 1_000_000, settings.keep_s)
        self._all = False
        self._accounts: set[str] = set()
        self._calls: set[str] = set()
        self._open = False
        self._lost = self._lost_before = 0
        self._timers = Timers()
        self._news = asyncio.Event()
        self._collector: Collector | None = None
        self._unlisten = bus.listen(self._hear)

    # ---- life

    def start(self) -> None:
        """Once the stack runs."""
        self._lost = self._lost_before = self._tap.tap_lost()
        self._start_collector()
        if self._settings.sip:
            self.switch(True)

    async def stop(self) -> None:
        self._timers.close()
        self._unlisten()
        if self._open:
            self._tap.tap(None)
            self._open = False
        await self._stop_collector()
        self._news.set()

    async def configure(self, settings: Trace) -> None:
        """Takes new settings. What was switched by hand stays, unless `sip` itself has changed."""
        before, self._settings = self._settings, settings
        self._store.limits(settings.keep_messages, settings.keep_mb * 1_000_000, settings.keep_s)
        if settings.hep != before.hep:
            await self._stop_collector()
            self._start_collector()
        if settings.sip != before.sip:
            self.switch(settings.sip)

    def _start_collector(self) -> None:
        if self._settings.hep is not None:
            self._collector = Collector(self._settings.hep, self._tell_collector)
            self._collector.start()

    async def _stop_collector(self) -> None:
        collector, self._collector = self._collector, None
        if collector is not None:
            await collector.close()

    def _tell_collector(self, cause: str) -> None:
        dropped = self._collector.dropped if self._collector else 0
        self._bus.publish(
            events.TraceCollectorFailed(cause=cause) if cause else events.TraceCollectorBack(dropped=dropped)
        )

    # ---- what is traced

    def switch(self, on: bool, account: str = "") -> None:
        """Traces everything, or one account; off without an account ends all of it. What is kept stays."""
        if account:
            (self._accounts.add if on else self._accounts.discard)(account)
        else:
            self._all = on
            if not on:
                self._accounts.clear()
                self._calls.clear()
        self._adjust()
        self._bus.publish(events.TraceSwitched(on=self._all, accounts=sorted(self._accounts)))

    def follow(self, call: str) -> None:
        """Traces one call, until some time after its end."""
        self._calls.add(call)
        self._adjust()

    def _unfollow(self, call: str) -> None:
        self._calls.discard(call)
        self._adjust()

    def _adjust(self) -> None:
        wanted = bool(self._all or self._accounts or self._calls)
        if wanted == self._open:
            return
        self._open = wanted
        self._tap.tap(self._take if wanted else None)
        if not wanted:
            self._store.settle_all()

    # ---- whose it is

    def _hear(self, record: Record) -> None:
        event = record.event
        if not self._open or not isinstance(event, events.CallEvent):
            return
        match event:
            case events.CallDialing() | events.CallIncoming():
                self._belongs(event.sip_call_id, event)
            case events.CallProgress() | events.CallAnswered() | events.CallUnencrypted() | events.CallRedirected():
                self._belongs(self._phonebook.sip_call_id(event.call), event)  # a leg may have begun anew
            case events.CallEnded():
                self._ended(event)

    def _belongs(self, sip_call_id: str, event: events.CallEvent) -> None:
        if sip_call_id:
            dialog = self._store.dialog(sip_call_id)
            dialog.call, dialog.account = event.call, event.account

    def _ended(self, event: events.CallEnded) -> None:
        self._belongs(self._phonebook.sip_call_id(event.call), event)
        if event.call in self._calls:
            self._timers.set(event.call, LINGER_S, lambda: self._unfollow(event.call))
        if "settle" not in self._timers:  # not put off by each call that ends
            self._timers.set("settle", LINGER_S, self._store.settle_all)

    def _followed(self, sip_call_id: str) -> str:
        """The call that is traced by itself and now has this Call-ID. Its events would say so too late where a leg
        began anew: what was not wanted is gone by then."""
        return next((call for call in self._calls if sip_call_id == self._phonebook.sip_call_id(call) != ""), "")

    def _account_of(self, message: SipMessage, found: Parts) -> str:
        """By the address of our side: From in what we began, To or the Request-URI in what came to us."""
        ours = message.sent != found.start.startswith("SIP/2.0 ")
        places = [found.first("from")] if ours else [found.start, found.first("to")]
        for place in places:
            if account := self._phonebook.account_at(*user_and_host(place)):
                return account
        return ""

    # ---- messages come

    def _take(self, messages: Sequence[SipMessage]) -> None:
        for message in messages:
            self._keep(message)
        lost, self._lost = self._tap.tap_lost() - self._lost, self._tap.tap_lost()
        if lost:
            self._bus.publish(events.TraceLost(messages=lost))
        news, self._news = self._news, asyncio.Event()
        news.set()

    def _keep(self, raw: SipMessage) -> None:
        found = parts(raw.data)
        dialog = self._store.dialog(found.first("call-id"))
        dialog.account = dialog.account or self._account_of(raw, found)
        dialog.call = dialog.call or self._followed(dialog.sip_call_id)
        if not self._wanted(dialog):
            self._store.settle(dialog)
            return
        clean = masked(raw.data, show_digits=self._settings.show_digits)
        message = SipMessage(raw.time_us, raw.sent, raw.transport, raw.local, raw.remote, clean)
        self._store.add(message, dialog)
        if self._collector is not None:
            self._collector.send(message, dialog.sip_call_id)

    def _wanted(self, dialog: Dialog) -> bool:
        return self._all or dialog.account in self._accounts or dialog.call in self._calls

    # ---- messages go

    def entries(self, *, call: str = "", account: str = "", after: int = 0) -> list[Entry]:
        """What is kept, oldest first: of a call, of an account, or everything; numbers above `after` only."""
        also = self._phonebook.sip_call_id(call) if call else ""
        return [
            entry
            for entry in self._store.after(after)
            if (not account or entry.dialog.account == account)
            and (not call or entry.dialog.call == call or entry.dialog.sip_call_id == also != "")
        ]

    async def wait(self, *, call: str = "", account: str = "", after: int = 0, timeout_s: float) -> list[Entry]:
        """The same, as soon as there is any; after `timeout_s` seconds an empty list."""
        try:
            async with asyncio.timeout(timeout_s):
                while not (found := self.entries(call=call, account=account, after=after)):
                    await self._news.wait()
                return found
        except TimeoutError:
            return []

    def knows_call(self, call: str) -> bool:
        """Whether a message of this call is kept."""
        return any(entry.dialog.call == call for entry in self._store)

    @property
    def active(self) -> bool:
        """Whether any message is kept as it comes."""
        return self._open

    def __len__(self) -> int:
        """How many messages are kept."""
        return len(self._store)

    def clear(self) -> None:
        """Forgets every message."""
        self._store.clear()

    def status(self) -> TraceStatus:
        hep, collector = self._settings.hep, self._collector
        view = None
        if hep is not None and collector is not None:
            place = "{}:{}".format(*hep.place)
            view = CollectorView(
                place=place, transport=hep.transport, sent=collector.sent, dropped=collector.dropped,
                cause=collector.cause,
            )  # fmt: skip
        return TraceStatus(
            on=self._all,
            accounts=sorted(self._accounts),
            calls=sorted(self._calls),
            messages=len(self._store),
            bytes=self._store.bytes,
            last=self._store.seq,
            forgotten=self._store.forgotten,
            lost=self._tap.tap_lost() - self._lost_before,
            collector=view,
        )
