"""The OpenAPI document: what FastAPI makes of the routes, with problems and events put in."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute
from pydantic_core import to_json

from softphone import __version__
from softphone.control.event_schemas import event_schemas, union_schema
from softphone.control.examples import EXAMPLES
from softphone.control.field_docs import describe
from softphone.control.models import ProblemDocument
from softphone.control.routes import ROUTES

DESCRIPTION = """\
Drives a softphone: accounts, calls, their sound, and everything that happens, as Server-Sent Events.

It is served over a Unix socket: `curl --unix-socket PATH http://localhost/v1/status`. Whoever may open the socket
may do everything. Errors are problem documents (RFC 9457); look at `type`, show `detail`.
"""


def document() -> dict[str, Any]:
    """The whole document, OpenAPI 3.1. It is the same for every agent."""
    made = get_openapi(
        title="softphone control API",
        version=__version__,
        description=DESCRIPTION,
        routes=ROUTES,
        servers=[{"url": "http://localhost", "description": "by way of the daemon's Unix socket"}],
    )
    schemas: dict[str, Any] = made["components"]["schemas"]
    describe(schemas, _answers())
    events = event_schemas()
    schemas |= events
    schemas["Event"] = union_schema(events)
    schemas["ProblemDocument"] = ProblemDocument.model_json_schema()
    for name, example in EXAMPLES.items():
        schemas[name]["examples"] = [example]
    return made


def _answers() -> Iterator[Any]:
    """The types of what the routes answer."""
    for route in ROUTES:
        if isinstance(route, APIRoute):
            yield route.response_model
            yield from (answer["model"] for answer in route.responses.values() if "model" in answer)


@cache
def document_json() -> bytes:
    """The document as it is served."""
    return to_json(document())
