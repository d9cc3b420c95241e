"""The lab's events as Server-Sent Events, with replay."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

from starlette.responses import StreamingResponse

from softphone.lab.api.views import event_view
from softphone.lab.events import EventLog, LabEvent

HEARTBEAT_S = 15.0
MAX_WAITING = 20_000

_Queue = asyncio.Queue[LabEvent | None]


class EventStreams:
    """All clients that follow the lab's events."""

    def __init__(self, events: EventLog) -> None:
        self._events = events
        self._queues: set[_Queue] = set()
        self._closed = False

    def close(self) -> None:
        """End every stream: the lab is about to stop."""
        self._closed = True
        for queue in self._queues:
            _end(queue)

    def response(self, since: int) -> StreamingResponse:
        """Events after `since`, then those that happen, until the client leaves or the lab ends."""
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        return StreamingResponse(self._frames(since), media_type="text/event-stream", headers=headers)

    async def _frames(self, since: int) -> AsyncIterator[bytes]:
        queue: _Queue = asyncio.Queue(MAX_WAITING)

        def take(event: LabEvent) -> None:
            try:
                queue.put_nowait(event)
            except asyncio.QueueFull:
                _end(queue)  # a client that reads nothing: it may come again with its last id

        past = [event for event in self._events if event.sequence > since]
        stop = self._events.listen(take)
        self._queues.add(queue)
        try:
            yield b"retry: 1000\n\n"
            for event in past:
                yield _frame(event)
            while not self._closed:
                try:
                    following = await asyncio.wait_for(queue.get(), HEARTBEAT_S)
                except TimeoutError:
                    yield b": alive\n\n"
                    continue
                if following is None:
                    return
                yield _frame(following)
        finally:
            stop()
            self._queues.discard(queue)


def _end(queue: _Queue) -> None:
    if queue.full():
        queue.get_nowait()
    queue.put_nowait(None)


def _frame(event: LabEvent) -> bytes:
    data = json.dumps(event_view(event), separators=(",", ":"), default=str)
    return f"id: {event.sequence}\nevent: {event.name}\ndata: {data}\n\n".encode()
