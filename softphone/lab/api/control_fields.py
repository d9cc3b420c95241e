"""Reading what a client of /lab/v1 sent: numbers, words, a webhook, a fault."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Mapping
from typing import Any, cast

from softphone.lab.api.fields import Fields, storable
from softphone.lab.faults import PARTS, Part
from softphone.lab.service_options import DOCUMENTED_MAPPING, WEBHOOK_CALLS, WebhookOptions

MAX_EXTENSIONS = 5000
MAX_DELAY_S = 3600.0
MAX_ENTRIES = 100
_HEADER = re.compile(r"[A-Za-z0-9]+(-[A-Za-z0-9]+)*")


class ControlFields(Fields):
    """A few kinds more."""

    def optional_uuid(self, name: str) -> str:
        """A UUID v4, or nothing."""
        return self.uuid4(name) if self._values.get(name) is not None else ""

    def numbers(self, name: str) -> list[str]:
        """A list of extension numbers."""
        value = self._values.get(name)
        wanted = value if isinstance(value, list) else []
        good = all(isinstance(each, str) and each.isascii() and each.isalnum() and len(each) <= 32 for each in wanted)
        if (value is not None and not isinstance(value, list)) or not good or len(wanted) > MAX_EXTENSIONS:
            self.errors[name] = f"The {name} field must be a list of at most {MAX_EXTENSIONS} extension numbers."
            return []
        return list(wanted)

    def words(self, name: str, known: Collection[str]) -> list[str] | None:
        """A list of known words; None where it is absent."""
        value = self._values.get(name)
        if value is None:
            return None
        if not isinstance(value, list) or any(each not in known for each in value):
            self.errors[name] = f"The {name} field must be a list of {', '.join(known)}."
            return None
        return list(value)

    def texts(self, name: str) -> dict[str, str]:
        """A map of text to text."""
        value = self._values.get(name)
        if value is None:
            return {}
        good = isinstance(value, dict) and all(isinstance(each, str) and _line(each) for each in value.values())
        if not good or len(value) > MAX_ENTRIES or not all(each and _line(each) for each in value):
            self.errors[name] = f"The {name} field must be a map of text to text."
            return {}
        return dict(value)

    def real(self, name: str, default: float, highest: float) -> float:
        """A number from 0 on."""
        value = self._values.get(name)
        if value is None:
            return default
        good = isinstance(value, int | float) and not isinstance(value, bool)
        if not good or not math.isfinite(value) or not 0 <= value <= highest:
            self.errors[name] = f"The {name} field must be a number between 0 and {highest:g}."
            return default
        return float(value)


def webhook_from(body: Mapping[str, Any]) -> WebhookOptions:
    """Raises ApiError, UsageError."""
    fields = ControlFields(body)
    url = fields.text("url", required=True, longest=2000)
    headers, variables, mapping = (fields.texts(name) for name in ("headers", "variables", "mapping"))
    calls = fields.words("calls", WEBHOOK_CALLS)
    attempts = fields.number("attempts", 5, 20)
    retry_s = fields.real("retry_s", 0.5, 60)
    if not all(_HEADER.fullmatch(name) and text.isascii() for name, text in headers.items()):
        fields.errors["headers"] = "The headers field must hold names and values of HTTP headers."
    fields.check()
    return WebhookOptions(
        url,
        headers=headers,
        variables=variables,
        calls=tuple(calls) if calls is not None else WEBHOOK_CALLS,
        mapping=mapping or dict(DOCUMENTED_MAPPING),
        attempts=attempts,
        retry_s=retry_s,
    )


def fault_from(body: Mapping[str, Any]) -> tuple[Part, str, dict[str, Any]]:
    """Part, kind, and what else `Lab.fault` takes. Raises ApiError."""
    fields = ControlFields(body)
    part = fields.choice("part", PARTS, "")
    kind = fields.text("kind", required=True)
    more: dict[str, Any] = {
        "status": fields.number("status", 500, 599, lowest=400),
        "delay_s": fields.real("delay_s", 30.0, MAX_DELAY_S),
        "times": fields.number("times", 1, 1_000_000) if body.get("times") is not None else None,
        "probability": fields.real("probability", 1.0, 1.0),
        "path": fields.text("path"),
    }
    fields.check()
    return cast(Part, part), kind, more


def _line(text: str) -> bool:
    return storable(text) and len(text) <= 2000
