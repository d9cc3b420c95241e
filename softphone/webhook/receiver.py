"""The webhook receiver: what the PBX posts becomes events, and none is lost between its 2xx and whoever needs it.

A request is checked (address, secret, size, sense), written to the journal, told on the bus, and then answered. What
the timelines have not stored by the time the phone stops is told once more at the next start. What the PBX sends twice
is told once.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import blake2b
from hmac import compare_digest
from pathlib import Path
from typing import Any

from softphone import events
from softphone.aio import Tasks
from softphone.bus import Bus
from softphone.config.secrets import HIDDEN, Secret
from softphone.config.webhook import Webhook
from softphone.engine.views_pbx import WebhookStatus
from softphone.engine.world import iso_or_none
from softphone.errors import ConfigError, ProviderUnreadable, UsageError
from softphone.kavkom.webhook import WebhookEvent, WebhookMapping, parse_webhook
from softphone.webhook.buckets import Buckets
from softphone.webhook.http import HttpDoor, HttpLimits, Reply, Request
from softphone.webhook.journal import Delivery, Journal

log = logging.getLogger(__name__)

KNOWN_BODIES = 20_000
"""So many bodies are remembered, to know what is sent twice."""

BURST = 5
WRONG_PER_S, WRONG_BURST = 0.2, 10
"""How often one address may show a wrong secret before it is not even looked at."""

SETTLE_S = 0.5
MOST_WAITING = 5000
TELL_PAUSE_S = 10.0
"""Warnings about senders are told at most this often."""


@dataclass(slots=True)
class _Waiting:
    """A body that is on its way to the journal; `written` when it may be answered."""

    received_s: float
    body: str
    event: WebhookEvent
    written: asyncio.Future[None]


class WebhookReceiver:
    """From `start` to `stop`. Belongs to the event loop's thread.

    folder: where the journal is. account_of: extension -> our account's id, or ''. settled: deals with all that was
    told so far, and says whether it is kept.
    """

    name = "webhook"

    def __init__(
        self,
        config: Webhook,
        bus: Bus,
        folder: Path,
        *,
        account_of: Callable[[str], str],
        settled: Callable[[], Awaitable[bool]],
        limits: HttpLimits | None = None,
    ) -> None:
        """Raises ConfigError for a mapping that makes no sense."""
        self._config, self._bus, self._account_of, self._settled = config, bus, account_of, settled
        self._mapping = _mapping(config)
        limits = limits or HttpLimits(max_body_bytes=config.max_body_kb * 1024)
        self._door = HttpDoor(config, self._answer, key="webhook", limits=limits)
        self._journal = Journal(folder, max_bytes=config.journal_mb << 20)
        self._thread = ThreadPoolExecutor(1, "webhook journal")
        self._tasks = Tasks("webhook")
        self._rate = Buckets(config.requests_per_s, config.requests_per_s * BURST)
        self._wrong = Buckets(WRONG_PER_S, WRONG_BURST)
        self._queue: list[_Waiting] = []
        self._news = asyncio.Event()
        self._known: OrderedDict[bytes, None] = OrderedDict()
        self._told = 0
        self._settled_to = 0
        self._unsettled = asyncio.Event()
        self._failure = ""
        self._dropped = 0
        self._last_s: float | None = None
        self._warned_s = 0.0
        self._counts = dict.fromkeys(("received", "duplicates", "refused", "unreadable", "other"), 0)

    # ---- life

    async def start(self) -> None:
        """Tells what the last run did not deal with, then listens. Raises ConfigError where it cannot listen."""
        await self._open_journal()
        self._tasks.spawn(self._write_all(), "write")
        self._tasks.spawn(self._settle_all(), "settle")
        await self._door.start()
        log.info("webhooks are received at port %d, path %s", self._door.port, self._config.path)

    @property
    def port(self) -> int:
        return self._door.port

    @property
    def url(self) -> str:
        return self._door.url(self._config.path)

    async def _open_journal(self) -> None:
        try:
            old, waiting = await self._in_thread(self._journal.open)
        except OSError as error:
            self._fail(error)
            return
        for delivery in (*old, *waiting):
            self._is_new(delivery.body)
        for delivery in waiting:
            self._tell_again(delivery)
        self._told = self._journal.last
        self._settled_to = self._told - len(waiting)
        self._unsettled.set()

    def _tell_again(self, delivery: Delivery) -> None:
        try:
            event = parse_webhook(delivery.body.encode(), self._mapping)
        except ProviderUnreadable as error:  # the mapping is another one now
            self._warn(events.PbxWebhookUnreadable(cause=f"of an earlier run: {error}"))
            return
        self._tell(event, delivery.seq, delivery.received_s, replayed=True)

    async def stop(self) -> None:
        """What was taken is answered and told; the rest of the journal waits for the next start."""
        await self._door.stop()
        await self._tasks.close()
        if self._told > self._settled_to:
            await self._settle()
        await self._in_thread(self._journal.close)
        self._thread.shutdown(wait=False)

    async def _in_thread(self, work: Callable[..., Any], *arguments: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work, *arguments)

    # ---- one request

    async def _answer(self, request: Request) -> Reply:
        if (refused := self._refusal(request)) is not None:
            self._counts["refused"] += 1
            return refused
        try:
            event = parse_webhook(request.body, self._mapping)
        except ProviderUnreadable as error:
            return self._unreadable(error)
        if event.kind == "other":
            self._counts["other"] += 1
            log.info("a webhook that is about no call: %s", event.event[:60] or "no event")
            return Reply(200, {"received": True})
        body = request.body.decode("utf-8", "replace")
        if not self._is_new(body):
            self._counts["duplicates"] += 1
            return Reply(200, {"received": True})
        if len(self._queue) >= MOST_WAITING:
            self._known.pop(_digest(body), None)
            return Reply.problem(503, "too much is waiting to be written; try again", Retry_After="1")
        waiting = _Waiting(time.time(), body, event, asyncio.get_running_loop().create_future())
        self._queue.append(waiting)
        self._news.set()
        await waiting.written
        return Reply(200, {"received": True})

    def _refusal(self, request: Request) -> Reply | None:
        if request.path != self._config.path:
            return Reply.problem(404, "there is nothing here")
        if request.method != "POST":
            return Reply.problem(405, "webhooks are posted", Allow="POST")
        if self._wrong.empty(request.client):
            return Reply.problem(429, "too many requests with a wrong secret", Retry_After="60")
        if not _same(request.headers.get(self._config.header.lower(), ""), self._config.secret):
            self._wrong.take(request.client)
            self._warn(events.PbxWebhookUnreadable(cause=f"a request of {request.client} shows a wrong secret or none"))
            return Reply.problem(401, "the secret header is missing or wrong", WWW_Authenticate="Bearer")
        if (pause_s := self._rate.take(request.client)) > 0:
            return Reply.problem(429, "too many requests", Retry_After=f"{pause_s:.0f}")
        return None

    def _unreadable(self, error: ProviderUnreadable) -> Reply:
        """A body that the sender's settings make: told, and refused, so that it shows on the sender's side too."""
        self._counts["unreadable"] += 1
        self._warn(events.PbxWebhookUnreadable(cause=str(error)))
        return Reply.problem(400, str(error))

    def _is_new(self, body: str) -> bool:
        digest = _digest(body)
        if digest in self._known:
            return False
        self._known[digest] = None
        if len(self._known) > KNOWN_BODIES:
            self._known.popitem(last=False)
        return True

    def _warn(self, event: events.Event) -> None:
        """A sender that floods us does not flood the log."""
        if time.monotonic() - self._warned_s >= TELL_PAUSE_S or not self._warned_s:
            self._warned_s = time.monotonic()
            self._bus.publish(event)

    # ---- journal and bus

    async def _write_all(self) -> None:
        while True:
            self._news.clear()
            while self._queue:
                batch, self._queue = self._queue, []
                await self._write(batch)
            await self._news.wait()

    async def _write(self, batch: Sequence[_Waiting]) -> None:
        """One sync for all that came meanwhile."""
        try:
            written = await self._in_thread(self._journal.append, [(each.received_s, each.body) for each in batch])
            self._failure = ""
        except OSError as error:
            self._fail(error)
            written = [Delivery(0, each.received_s, each.body) for each in batch]
        self._count_dropped()
        for each, delivery in zip(batch, written, strict=True):
            self._counts["received"] += 1
            self._last_s = each.received_s
            self._tell(each.event, delivery.seq, each.received_s, replayed=False)
            self._told = max(self._told, delivery.seq)
            if not each.written.done():
                each.written.set_result(None)
        self._unsettled.set()

    def _tell(self, event: WebhookEvent, seq: int, received_s: float, *, replayed: bool) -> None:
        kind = events.PbxCdr if event.kind == "cdr" else events.PbxWebhookCall
        self._bus.publish(
            kind(
                call_uuid=event.call_uuid,
                state=event.state,
                direction=event.direction,
                number=event.number,
                extension=event.extension,
                account=self._account_of(event.extension) if event.extension else "",
                created_s=event.created_epoch_s,
                answered_s=event.answered_epoch_s,
                duration_s=event.duration_s,
                delivery=seq,
                received_s=received_s,
                replayed=replayed,
                extra=_shown(dict(event.extra)),
            )
        )

    def _fail(self, error: OSError) -> None:
        """Without a journal the news is still told; a restart would lose what nobody has stored by then."""
        cause = f"the journal in {self._journal.folder} cannot be written: {error.strerror or error}"
        if cause != self._failure:
            log.warning("%s", cause)
            self._bus.publish(events.PbxWebhookDropped(dropped=self._dropped, cause=cause))
        self._failure = cause

    def _count_dropped(self) -> None:
        if self._journal.dropped > self._dropped:
            self._dropped = self._journal.dropped
            cause = f"the journal is full (webhook.journal_mb: {self._config.journal_mb}), and its oldest part went"
            self._bus.publish(events.PbxWebhookDropped(dropped=self._dropped, cause=cause))

    async def _settle_all(self) -> None:
        while True:
            await self._unsettled.wait()
            self._unsettled.clear()
            await asyncio.sleep(SETTLE_S)
            if not await self._settle():
                self._unsettled.set()

    async def _settle(self) -> bool:
        """What has been told so far is dealt with, if the timelines say so."""
        told = self._told
        if not await self._settled():
            return False
        self._settled_to = told
        try:
            await self._in_thread(self._journal.done, told)
        except OSError as error:
            self._fail(error)
        return True

    def status(self) -> WebhookStatus:
        """Counts since the start."""
        return WebhookStatus(
            state="failed" if self._failure else "ok",
            cause=self._failure,
            port=self._door.port,
            waiting=self._told - self._settled_to,
            dropped=self._dropped,
            last=iso_or_none(self._last_s),
            **self._counts,
        )


def _mapping(config: Webhook) -> WebhookMapping:
    try:
        return WebhookMapping(config.mapping, config.events)
    except UsageError as error:
        raise ConfigError(str(error), key="webhook.mapping") from None


def _same(shown: str, secret: Secret) -> bool:
    """Takes as long for every wrong one."""
    return compare_digest(shown.encode("latin-1"), secret.reveal().encode())


def _digest(body: str) -> bytes:
    return blake2b(body.encode(), digest_size=16).digest()


def _shown(value: Any) -> Any:
    """What else the body carried, secrets left out, as JSON."""
    if isinstance(value, Secret):
        return HIDDEN
    if isinstance(value, dict):
        return {str(name): _shown(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_shown(item) for item in value]
    return value
