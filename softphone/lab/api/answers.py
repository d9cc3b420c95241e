"""The two envelopes of the service, for answers and for errors."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Literal

from starlette.responses import Response

MESSAGE_OK = "Action completed successfully"
MESSAGE_INVALID = "Model is not valid"
INVALID_TOKEN = "Invalid token"

Envelope = Literal["pbx", "billing"]


class ApiError(Exception):
    """A refusal; the part that was asked has its own way of writing it down."""

    def __init__(self, status: int, message: str, fields: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.fields = dict(fields or {})

    def response(self, envelope: Envelope = "pbx", *, always_ok: bool = False) -> Response:
        """`{error: true, message, validationErrors}`, or billing's `{status: "error", message}`."""
        body: dict[str, Any] = {"error": True, "message": self.message, "validationErrors": self.fields}
        if envelope == "billing":
            body = {"status": "error", "message": self.message}
        return json_response(body, 200 if always_ok else self.status)


def json_response(body: Any, status: int = 200) -> Response:
    """JSON, compact."""
    return Response(json.dumps(body, separators=(",", ":")), status, media_type="application/json")


def enveloped(data: list[dict[str, Any]]) -> Response:
    """The PBX's answer to a question."""
    return json_response({"data": data, "success": True, "message": MESSAGE_OK})


def done(**more: Any) -> Response:
    """The PBX's answer to a command."""
    return json_response({"success": True, "message": MESSAGE_OK, **more})
