"""The configuration as JSON Schema, for editors that complete and check YAML."""

from __future__ import annotations

from typing import Any

from softphone.config.model import Config


def json_schema() -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of the configuration file, with a description of every key."""
    schema = Config.model_json_schema(by_alias=True)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **schema,
        "title": "softphone configuration",
        # A place for anchors that several accounts share; the loader ignores these keys
        "patternProperties": {"^x-": {}},
    }
