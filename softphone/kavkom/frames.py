"""Messages of the live WebSocket, read and written. Pure: `{"event": ..., "data": {...}}` in, typed frames out."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from softphone.errors import ProviderUnreadable
from softphone.kavkom.fields import epoch_of, seconds_of, text_of
from softphone.kavkom.live_items import CallState, read_call

MAX_FRAME_BYTES = 1024 * 1024
_TOKEN = re.compile(r"\btoken\b|\b401\b|unauthor", re.IGNORECASE)
_PARAMETER = re.compile(r"parameter is missing|\b406\b", re.IGNORECASE)


@dataclass(frozen=True)
class Ping:
    """A heartbeat. `data` goes back as it came; `expires_in_s` is the service's hint, if it makes sense."""

    data: Any
    sent_s: float | None
    expires_in_s: float | None


@dataclass(frozen=True)
class ErrorFrame:
    """`about` says what the service complains of: our token, a missing parameter of the address, or something else."""

    message: str
    about: Literal["token", "parameter", "other"]


Frame = CallState | Ping | ErrorFrame


def read_frame(frame: str | bytes, *, only_extension: str = "", hide: Callable[[str], str] = str) -> Frame:
    """One message. Raises ProviderUnreadable that names the place, and shows nothing of the message."""
    body = _object(frame)
    event, data = body.get("event"), body.get("data")
    if event == "call":
        try:
            return read_call(data, only_extension=only_extension)
        except ValueError as error:
            cause = str(error)
        raise _unreadable(f"a `call` message from the live service makes no sense: {cause}", "data")
    if event == "ping":
        return _ping(data)
    if event == "error":
        return _error(data if data is not None else body, hide)
    kind = hide(_shown(event))
    raise _unreadable(f"a message from the live service is of a kind that is not known ({kind})", "event")


def pong(ping: Ping) -> str:
    """The answer to a ping: the same data."""
    return json.dumps({"event": "pong", "data": ping.data}, separators=(",", ":"))


def complaint(message: str) -> Literal["token", "parameter", "other"]:
    """What an error text of the live service is about."""
    if _PARAMETER.search(message):
        return "parameter"
    return "token" if _TOKEN.search(message) else "other"


def _object(frame: str | bytes) -> dict[str, Any]:
    try:
        body = json.loads(frame, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        body = None
        what = "is not JSON"
    else:
        what = "is not an object"
    if isinstance(body, dict):
        return body
    raise _unreadable(f"a message from the live service {what}", "")


def _no_constant(_name: str) -> None:
    raise ValueError("NaN and Infinity are not JSON")


def _ping(data: Any) -> Ping:
    """Every ping is answered, whatever its data are; what makes no sense in them is no hint."""
    fields = data if isinstance(data, dict) else {}
    return Ping(data, _or_none(epoch_of, fields.get("sentStamp")), _or_none(seconds_of, fields.get("expiresInSec")))


def _or_none(read: Callable[[object], float | None], value: object) -> float | None:
    try:
        return read(value)
    except ValueError:
        return None


def _error(data: Any, hide: Callable[[str], str]) -> ErrorFrame:
    value = data.get("message") if isinstance(data, dict) else data
    try:
        message = hide(text_of(hide(value) if isinstance(value, str) else value))[:300]
    except ValueError:
        message = ""
    return ErrorFrame(message or "an error without a text", complaint(message))


def _shown(event: object) -> str:
    return f"`{event}`" if isinstance(event, str) and event.isidentifier() and len(event) <= 40 else "no event name"


def _unreadable(text: str, place: str) -> ProviderUnreadable:
    return ProviderUnreadable(text, place=place, service="live")
