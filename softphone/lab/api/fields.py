"""Reading what a client sent: each field checked, all faults told at once."""

from __future__ import annotations

import json
import uuid
from collections.abc import Collection, Mapping
from typing import Any

from starlette.requests import Request

from softphone.lab.api.answers import MESSAGE_INVALID, ApiError

MAX_BODY = 1_000_000
FLAGS = {"1": True, "true": True, "0": False, "false": False}


async def json_body(request: Request) -> dict[str, Any]:
    """The JSON object of a request. Raises ApiError 400, 413, 415."""
    kind = request.headers.get("content-type", "").split(";")[0].strip().lower()
    if kind != "application/json":
        raise ApiError(415, "The Content-Type must be application/json")
    content = bytearray()
    async for chunk in request.stream():
        content += chunk
        if len(content) > MAX_BODY:
            raise ApiError(413, "The request is too large")
    try:
        body = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise ApiError(400, "The request is not valid JSON") from error
    if not isinstance(body, dict):
        raise ApiError(400, "The request must be a JSON object")
    return body


class Fields:
    """The fields of a query or a body. `check` raises what was found wrong with any of them."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        self._values = values
        self.errors: dict[str, str] = {}

    def check(self) -> None:
        """Raises ApiError 422 with one text per field."""
        if self.errors:
            raise ApiError(422, MESSAGE_INVALID, self.errors)

    def missing(self, *names: str) -> list[str]:
        """Those that are absent, null or empty."""
        return [name for name in names if self._values.get(name) in (None, "", {}, [])]

    def text(self, name: str, *, default: str = "", required: bool = False, longest: int = 255) -> str:
        """A string without control characters; null counts as absent."""
        value = self._values.get(name)
        if value is None or value == "":
            if required:
                self.errors[name] = f"The {name} field is required."
            return default
        if not isinstance(value, str) or not storable(value):
            self.errors[name] = f"The {name} field must be a string."
            return default
        if len(value) > longest:
            self.errors[name] = f"The {name} field must not be greater than {longest} characters."
            return default
        return value

    def uuid4(self, name: str) -> str:
        """A required UUID v4, in lower case."""
        text = self.text(name, required=True)
        if text and not _is_uuid4(text):
            self.errors[name] = f"The {name} field must be a valid UUID."
        return text.lower()

    def number(self, name: str, default: int, highest: int, *, lowest: int = 1) -> int:
        """An integer, also as text."""
        value = self._values.get(name)
        if value is None:
            return default
        text = str(value) if not isinstance(value, bool) else ""
        number = int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else lowest - 1
        if not lowest <= number <= highest:
            self.errors[name] = f"The {name} field must be between {lowest} and {highest}."
            return default
        return number

    def choice(self, name: str, choices: Collection[str], default: str) -> str:
        """One of a few words."""
        value = self._values.get(name, default)
        if not isinstance(value, str) or value not in choices:
            self.errors[name] = f"The selected {name} is invalid."
            return default
        return value

    def flag(self, name: str, *, default: bool = False) -> bool:
        """A boolean, as JSON, as 1/0 or as a word."""
        value = self._values.get(name)
        if value is None:
            return default
        text = str(value).lower() if isinstance(value, bool) else str(value)
        if text not in FLAGS or not isinstance(value, bool | int | str):
            self.errors[name] = f"The {name} field must be true or false."
            return default
        return FLAGS[text]


def _is_uuid4(text: str) -> bool:
    try:
        return uuid.UUID(text).version == 4
    except ValueError:
        return False


def storable(text: str) -> bool:
    """Half a surrogate pair is JSON, but no text; control characters have no place in a name."""
    return not any(each < " " or each == "\x7f" or "\ud800" <= each <= "\udfff" for each in text)
