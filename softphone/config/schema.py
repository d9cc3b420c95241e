"""The configuration as JSON Schema, for editors that complete and check YAML."""

from __future__ import annotations

from typing import Any

from softphone.config.model import Config

# Short forms that the loader takes beside the mapping
_SHORT_FORMS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("Audio", {"type": "null"}),
    ("RtpPorts", {"type": "string", "pattern": "^[0-9]{1,5} *- *[0-9]{1,5}$"}),
)


def json_schema() -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of the configuration file, with a description of every key."""
    schema: dict[str, Any] = _without_titles(Config.model_json_schema(by_alias=True))
    parts = schema["$defs"]
    for name, short in _SHORT_FORMS:
        description = parts[name].pop("description")
        parts[name] = {"description": description, "anyOf": [short, parts[name]]}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "softphone configuration",
        **schema,
        # A place for anchors that several accounts share; the loader ignores these keys
        "patternProperties": {"^x-": {}},
    }


def _without_titles(node: Any) -> Any:
    """Drops pydantic's titles, which only repeat the key (a key called `title` would be a mapping, and stays)."""
    if isinstance(node, dict):
        kept = ((k, v) for k, v in node.items() if k != "title" or not isinstance(v, str))
        return {key: _without_titles(value) for key, value in kept}
    return [_without_titles(item) for item in node] if isinstance(node, list) else node
