"""GET /v1/events: the bus as Server-Sent Events (WHATWG HTML, section 9.2)."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

from pydantic_core import to_json
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from softphone.bus import Bus, Record, SubscriberTooSlow, Subscription
from softphone.control.connections import Connection
from softphone.control.limits import Limits

GAP = "stream.gap"
RETRY_MS = 1000
YIELD_EVERY = 32
_LINE_ENDS = ((b"\xe2\x80\xa8", b"\\u2028"), (b"\xe2\x80\xa9", b"\\u2029"), (b"\xc2\x85", b"\\u0085"))
"""What JSON lets stand and line readers such as Python's `splitlines` break at."""


def frame(event: str, data: Mapping[str, Any], id: str = "") -> bytes:
    """One event on the wire. JSON has no raw line breaks, so one `data:` line is enough."""
    head = f"id: {id}\nevent: {event}\ndata: " if id else f"event: {event}\ndata: "
    text = to_json(data, inf_nan_mode="null", fallback=str)
    for raw, escaped in _LINE_ENDS:
        text = text.replace(raw, escaped)
    return head.encode() + text + b"\n\n"


def gap_event(bus: Bus, after: str) -> dict[str, Any]:
    """Tells a reader that it missed something it can never be given again."""
    same_run = after.rpartition("-")[0] == bus.boot
    cause = (
        "events after this id are no longer kept"
        if same_run
        else "this id is of an earlier run of the daemon (or none of ours); calls of that run are over"
    )
    return {"type": GAP, "after": after, "cause": cause, "advice": "read /v1/status, /v1/accounts and /v1/calls anew"}


class Frames:
    """Events as bytes, each encoded once however many streams send it. Keeps the last few."""

    def __init__(self, keep: int = 256) -> None:
        self._keep = keep
        self._frames: OrderedDict[str, bytes] = OrderedDict()

    def of(self, record: Record) -> bytes:
        if (found := self._frames.get(record.id)) is not None:
            return found
        made = self._frames[record.id] = frame(record.event.type, record.as_dict(), record.id)
        if len(self._frames) > self._keep:
            self._frames.popitem(last=False)
        return made


class EventStream(Response):
    """The ASGI response: sends until the client goes, the server stops, or the client falls too far behind."""

    def __init__(self, bus: Bus, frames: Frames, connection: Connection, limits: Limits) -> None:
        super().__init__(media_type="text/event-stream", headers={"Cache-Control": "no-store", "Connection": "close"})
        self._bus, self._frames, self._connection, self._limits = bus, frames, connection, limits
        self._types: Sequence[str] = ()
        self._call: str | None = None
        self._after: str | None = None

    def select(self, *, types: Sequence[str], call: str | None, after: str | None) -> EventStream:
        """Which events; see `Bus.subscribe`."""
        self._types, self._call, self._after = types, call, after
        return self

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": self._head()})
        gap = self._after is not None and self._bus.gap(self._after)
        position = self._bus.last_id
        with self._subscribe() as events, self._until_end(events):
            hello = f"retry: {RETRY_MS}\n\n".encode()
            if self._after is None:
                hello += f"id: {position}\n\n".encode()
            elif gap:
                hello += frame(GAP, gap_event(self._bus, self._after))
            await _body(send, hello)
            await self._send_all(events, send)
        await _body(send, b"", more=False)

    def _head(self) -> list[tuple[bytes, bytes]]:
        return [h for h in self.raw_headers if h[0] != b"content-length"]  # there is no end to measure

    def _subscribe(self) -> Subscription:
        return self._bus.subscribe(self._types, after=self._after, call=self._call, limit=self._limits.stream_queue)

    def _until_end(self, events: Subscription) -> AbstractContextManager[None]:
        return self._connection.on_end(events.close)

    async def _send_all(self, events: Subscription, send: Send) -> None:
        sent = 0
        while not self._connection.lost:
            try:
                async with asyncio.timeout(self._limits.heartbeat_s):
                    record = await events.get()
            except TimeoutError:
                await _body(send, self._heartbeat(events))
                continue
            except StopAsyncIteration:
                return
            except SubscriberTooSlow as error:
                await _body(send, f": closed, {error}; come back with Last-Event-ID\n\n".encode())
                return
            await _body(send, self._frames.of(record))
            sent += 1
            if sent % YIELD_EVERY == 0:  # a long replay must not hold up the phone
                await asyncio.sleep(0)

    def _heartbeat(self, events: Subscription) -> bytes:
        """A comment, and the present id: a reader whose filter was silent for long comes back without a gap."""
        position = "" if events.waiting else f"id: {self._bus.last_id}\n"
        return f": heartbeat\n{position}\n".encode()


async def _body(send: Send, body: bytes, *, more: bool = True) -> None:
    await send({"type": "http.response.body", "body": body, "more_body": more})
