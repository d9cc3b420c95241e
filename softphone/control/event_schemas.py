"""JSON Schema of every event, made from the dataclasses in `softphone.events`."""

from __future__ import annotations

import inspect
from functools import cache
from typing import Any

from pydantic import TypeAdapter

from softphone.control.stream import GAP
from softphone.events import Event, event_types

Schema = dict[str, Any]


@cache
def event_schemas() -> dict[str, Schema]:
    """Schemas by component name (`CallEndedEvent`), in the order of the wire names."""
    found = {f"{cls.__name__}Event": _schema(cls) for cls in event_types().values()}
    found["StreamGapEvent"] = _gap_schema()
    return {name: {"title": name} | schema for name, schema in found.items()}


def union_schema(schemas: dict[str, Schema]) -> Schema:
    """The schema `Event`: any of them, told apart by `type`."""
    refs = {s["properties"]["type"]["const"]: f"#/components/schemas/{name}" for name, s in schemas.items()}
    return {
        "title": "Event",
        "description": "The data of one event on /v1/events.",
        "oneOf": [{"$ref": ref} for ref in refs.values()],
        "discriminator": {"propertyName": "type", "mapping": refs},
    }


def _schema(cls: type[Event]) -> Schema:
    made = TypeAdapter(cls).json_schema()
    own: Schema = made.get("properties", {})
    head = {
        "id": {"type": "string", "description": "For Last-Event-ID; unique over restarts."},
        "time": {"type": "string", "format": "date-time", "description": "UTC, in milliseconds."},
        "type": {"type": "string", "const": cls.type},
    }
    properties = head | own
    text = _text(cls) or cls.type
    return {"description": text, "type": "object", "properties": properties, "required": list(properties)}


def _text(cls: type[Event]) -> str:
    """The docstring, unless it is the signature that dataclasses put where there is none."""
    text = inspect.cleandoc(cls.__doc__ or "")
    return "" if text.startswith(cls.__name__ + "(") else text


def _gap_schema() -> Schema:
    text = "Always the first event where it comes: some were missed for good. What is still known follows."
    names = {
        "after": "The id that the reader came with.",
        "cause": "Why it cannot be served.",
        "advice": "What to read anew.",
    }
    fields: Schema = {n: {"type": "string", "description": d} for n, d in names.items()}
    properties = {"type": {"type": "string", "const": GAP}} | fields
    return {"description": text, "type": "object", "properties": properties, "required": list(properties)}
