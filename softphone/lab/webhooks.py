"""Webhooks: calls and CDRs pushed to a tenant's endpoint.

The service documents one flat sample body and no retries. Here a delivery is repeated until it is answered 2xx or the
attempts are used up, in order, one at a time for each tenant: the receiver may thus see one twice, when its 2xx was
lost. Its answer never steers a call.
"""

from __future__ import annotations

import asyncio
import json
import ssl
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from softphone.lab.directory import Directory, Tenant
from softphone.lab.events import EventLog
from softphone.lab.faults import FaultPlan
from softphone.lab.feed import CallFeed, CallState
from softphone.lab.service_options import ServiceOptions, WebhookOptions
from softphone.lab.tasks import TaskOwner

if TYPE_CHECKING:
    import httpx

# What a mapping may name
FIELDS = (
    "event",
    "callUuid",
    "direction",
    "number",
    "state",
    "duration",
    "presenceId",
    "createdEpoch",
    "answeredEpoch",
    "endedEpoch",
    "extension",
    "domain",
    "cause",
    "sentStamp",
)
EVENT_KINDS = ("lose", "delay", "duplicate", "reorder", "garbage")
KEPT = 1000
MAX_WAITING = 100_000


@dataclass(frozen=True)
class Delivery:
    """One attempt, and what came of it. `status` 0 where no answer came."""

    at: float
    domain: str
    event: str
    call: str
    attempt: int
    status: int
    error: str = ""


@dataclass(frozen=True)
class _Push:
    event: str
    call: str
    body: bytes
    delay_s: float = 0.0


class WebhookSender:
    """Pushes what the feed tells to whoever wants it."""

    def __init__(
        self, directory: Directory, faults: FaultPlan, feed: CallFeed, events: EventLog, options: ServiceOptions
    ) -> None:
        self.deliveries: deque[Delivery] = deque(maxlen=KEPT)
        self._directory = directory
        self._faults = faults
        self._events = events
        self._options = options
        self._queues: dict[str, asyncio.Queue[_Push]] = {}
        self._held_back: dict[str, _Push] = {}
        self._clients: dict[tuple[str, str], httpx.AsyncClient] = {}
        self._tasks = TaskOwner()
        feed.listen(self._on_call)

    async def close(self) -> None:
        """Stop; what waits is not sent."""
        await self._tasks.close()
        for client in self._clients.values():
            await client.aclose()
        self._clients.clear()

    async def test(self, tenant: Tenant) -> Delivery:
        """The test button: push one sample now, once, and return what the endpoint said."""
        options = tenant.webhook
        if options is None:
            return Delivery(time.time(), tenant.domain, "test", "", 1, 0, "no webhook is configured")
        sample = {
            "event": "test",
            "callUuid": "00000000-0000-4000-8000-000000000000",
            "direction": "inbound",
            "number": "33612345678",
            "state": "finished",
            "duration": 120,
        }
        push = _Push("test", sample["callUuid"], _body(options, sample))  # type: ignore[arg-type]
        return await self._post(tenant.domain, options, push, 1)

    # what happens

    def _on_call(self, change: CallState) -> None:
        tenant = self._directory.find(change.party.domain)
        if tenant is None or tenant.webhook is None:
            return
        options = tenant.webhook
        if change.party.direction in options.calls:
            self._push(tenant, options, change, "call")
        if change.state == "finished" and "cdr" in options.calls:
            self._push(tenant, options, change, "cdr")

    def _push(self, tenant: Tenant, options: WebhookOptions, change: CallState, event: str) -> None:
        push = _Push(event, change.record.uuid, _body(options, self._fields(change, event)))
        fault = self._faults.strikes("webhook", EVENT_KINDS, path=change.party.extension)
        kind = fault.kind if fault is not None else ""
        if fault is not None and kind == "delay":
            push = _Push(push.event, push.call, push.body, fault.delay_s)
        elif kind == "garbage":
            push = _Push(push.event, push.call, push.body[: len(push.body) // 2])
        held = self._held_back.pop(tenant.domain, None)
        if kind == "reorder" and held is None:
            self._held_back[tenant.domain] = push
            return
        for each in [push] * {"lose": 0, "duplicate": 2}.get(kind, 1) + ([held] if held is not None else []):
            self._enqueue(tenant, each)

    def _fields(self, change: CallState, event: str) -> dict[str, Any]:
        record = change.record
        frame = change.frame(presence_prefix=self._options.presence_prefix, unanswered=self._options.live_unanswered)
        return {
            **frame,
            "event": event,
            "endedEpoch": int(record.ended_at) if record.ended_at is not None else None,
            "extension": change.party.extension,
            "domain": change.party.domain,
            "cause": record.cause,
            "sentStamp": int(time.time() * 1000),
        }

    # sending

    def _enqueue(self, tenant: Tenant, push: _Push) -> None:
        queue = self._queue(tenant)
        if queue.full():
            lost = {"domain": tenant.domain, "event": push.event, "call": push.call, "attempt": 0}
            self._events.emit("webhook_failed", **lost, cause=f"{MAX_WAITING} are waiting already", again=False)
        else:
            queue.put_nowait(push)

    def _queue(self, tenant: Tenant) -> asyncio.Queue[_Push]:
        queue = self._queues.get(tenant.domain)
        if queue is None:
            queue = self._queues[tenant.domain] = asyncio.Queue(MAX_WAITING)
            self._tasks.spawn(self._send_all(tenant, queue), f"webhook {tenant.domain}")
        return queue

    async def _send_all(self, tenant: Tenant, queue: asyncio.Queue[_Push]) -> None:
        while True:
            push = await queue.get()
            if tenant.webhook is not None:
                await asyncio.sleep(push.delay_s)
                await self._send(tenant.domain, tenant.webhook, push)

    async def _send(self, domain: str, options: WebhookOptions, push: _Push) -> None:
        for attempt in range(1, options.attempts + 1):
            delivery = await self._post(domain, options, push, attempt)
            if 200 <= delivery.status < 300:
                return
            if attempt < options.attempts:
                await asyncio.sleep(options.retry_s * 2 ** (attempt - 1))

    async def _post(self, domain: str, options: WebhookOptions, push: _Push, attempt: int) -> Delivery:
        import httpx

        status, error = 0, ""
        headers = {"Content-Type": "application/json", **options.headers}
        try:
            client = self._client(options)
            response = await client.post(options.url, content=push.body, headers=headers, timeout=options.timeout_s)
            status = response.status_code
            error = "" if response.is_success else f"HTTP {status}"
        except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as failure:
            error = f"{type(failure).__name__}: {failure}"
        delivery = Delivery(time.time(), domain, push.event, push.call, attempt, status, error)
        self.deliveries.append(delivery)
        common = {"domain": domain, "event": push.event, "call": push.call, "attempt": attempt}
        if error:
            self._events.emit("webhook_failed", **common, cause=error, again=attempt < options.attempts)
        else:
            self._events.emit("webhook_sent", **common, status=status)
        return delivery

    def _client(self, options: WebhookOptions) -> httpx.AsyncClient:
        import httpx

        key = (options.url, str(options.ca_file))
        if key not in self._clients:
            trusted = ssl.create_default_context(cafile=str(options.ca_file) if options.ca_file else None)
            self._clients[key] = httpx.AsyncClient(verify=trusted, trust_env=False)
        return self._clients[key]


def _body(options: WebhookOptions, fields: Mapping[str, Any]) -> bytes:
    """The tenant's names for the tenant's choice of fields, and its variables."""
    payload = {name: fields[field] for name, field in options.mapping.items() if field in fields}
    return json.dumps(payload | dict(options.variables)).encode()
