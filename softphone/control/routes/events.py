"""Events: the stream, and what can come over it."""

from __future__ import annotations

from typing import Annotated

from fastapi import Header, Query, Request
from starlette.responses import Response

from softphone.control.event_schemas import event_schemas
from softphone.control.models import EventType
from softphone.control.routes.base import Agent, Bounds, Client, Responses, problems, reply, router
from softphone.control.stream import GAP, EventStream, Frames
from softphone.errors import UsageError
from softphone.events import event_types

routes = router("events")

STREAM: Responses = {
    200: {
        "description": "Server-Sent Events without end: `id`, `event` (the type) and `data` (JSON).",
        "content": {
            "text/event-stream": {
                "schema": {"type": "string", "contentMediaType": "text/event-stream"},
                "x-event-schema": {"$ref": "#/components/schemas/Event"},
                "example": 'id: 18f0c2-7\nevent: call.answered\ndata: {"id":"18f0c2-7",'
                '"time":"2025-01-01T12:00:00.000Z","type":"call.answered","call":"c1",'
                '"account":"901@pbx.example","by":"remote"}\n\n',
            }
        },
    }
}


@routes.get("/v1/events", response_class=Response, responses=problems(_400="No such event type.") | STREAM)
async def stream_events(
    request: Request,
    agent: Agent,
    client: Client,
    limits: Bounds,
    types: Annotated[
        str,
        Query(
            description="Only these, separated by commas: types or their first parts.", examples=["call,account.failed"]
        ),
    ] = "",
    call: Annotated[str, Query(description="Only events of this call.")] = "",
    after: Annotated[str, Query(description="The id of the last event seen: what came later is sent first.")] = "",
    last_event_id: Annotated[str, Header(description="The same as `after`, as browsers send it.")] = "",
) -> EventStream:
    """What happens, as it happens.

    A reader that comes back with the id of the last event it saw gets all that it missed. If that is no longer known,
    the first event is `stream.gap`, and what is still known follows. A comment comes every 15 s when nothing else
    does. A reader that falls too far behind loses its connection and may come back in the same way.
    """
    frames: Frames = request.app.state.frames
    stream = EventStream(agent.bus, frames, client, limits)
    return stream.select(types=_known(types), call=call or None, after=last_event_id or after or None)


def _known(types: str) -> list[str]:
    """The filter's parts. Raises UsageError for one that no event can ever match."""
    wanted = [part.strip() for part in types.split(",") if part.strip()]
    known = [*event_types(), GAP]
    for part in wanted:
        if not any(name == part or name.startswith(part + ".") for name in known):
            raise UsageError(f"there is no event type {part!r}; /v1/events/types lists them")
    return wanted


@routes.get("/v1/events/types", response_model=list[EventType], responses=problems())
async def list_event_types() -> Response:
    """All types of events, with the schema of their data."""
    found = [EventType(s["properties"]["type"]["const"], s["description"], s) for s in event_schemas().values()]
    return reply(found)
