"""Bodies that the PBX posts to a webhook, read. Pure: bytes in, `WebhookEvent` out, or an error that names the place.

The PBX lets its administrator choose the names of the fields, so which field is which is configuration here as well:

    mapping = WebhookMapping({"call.id": "call_uuid", "call.secs": "duration_s", "type": "event"})
    event = parse_webhook(body, mapping)

The left side is a path into their body (dots lead into objects, numbers into lists), the right side one of OUR_FIELDS.
What a mapping does not name is looked for under the service's own names.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field

from softphone.config.webhook import WebhookField
from softphone.errors import ProviderUnreadable, UsageError
from softphone.kavkom.live_items import FINISHED, FieldReader
from softphone.kavkom.models import Extra, wrap_secrets

MAX_WEBHOOK_BYTES = 256 * 1024

OUR_FIELDS: tuple[str, ...] = get_args(WebhookField)
_THEIR_NAMES: Mapping[str, tuple[str, ...]] = {
    "event": ("event",),
    "call_uuid": ("callUuid", "call_uuid"),
    "state": ("state",),
    "direction": ("direction",),
    "number": ("number",),
    "extension": ("extension",),
    "presence_id": ("presenceId",),
    "created_epoch_s": ("createdEpoch",),
    "answered_epoch_s": ("answeredEpoch",),
    "ended_epoch_s": ("endedEpoch",),
    "duration_s": ("duration",),
    "cause": ("cause",),
    "recording": ("recording",),
}
Kind = Literal["call", "cdr", "other"]
_MISSING = object()
_MAX_PATH_PARTS = 16


@dataclass(frozen=True)
class WebhookMapping:
    """`fields`: path in their body -> our field. `kinds`: their value of `event` -> `call` or `cdr`.

    Raises UsageError for a field that is not ours, and for two paths to the same one.
    """

    fields: Mapping[str, str] = field(default_factory=dict)
    kinds: Mapping[str, Kind] = field(default_factory=dict)

    def __post_init__(self) -> None:
        named: dict[str, str] = {}
        for path, ours in self.fields.items():
            if ours not in OUR_FIELDS:
                raise UsageError(f"{path!r} is mapped to {ours!r}, which is none of {', '.join(OUR_FIELDS)}")
            if ours in named:
                raise UsageError(f"both {named[ours]!r} and {path!r} are mapped to {ours}")
            if not all(path.split(".")) or len(path.split(".")) > _MAX_PATH_PARTS:
                raise UsageError(f"{path!r} is no path: names with single dots between, such as call.id, are expected")
            named[ours] = path

    def paths(self) -> dict[str, tuple[str, ...]]:
        """Our field -> where to look for it, the first hit counts."""
        chosen = {ours: (path,) for path, ours in self.fields.items()}
        own = {ours: (*names, *(f"data.{name}" for name in names)) for ours, names in _THEIR_NAMES.items()}
        return own | chosen

    def kind_of(self, event: str, state: str) -> Kind:
        """What a body is by its event's name; without a name, a finished call is taken for its CDR."""
        known: dict[str, Kind] = {"cdr": "cdr", "call": "call", **self.kinds}
        if event:
            return known.get(event, known.get(event.lower(), "other"))
        return "cdr" if state == FINISHED else "call"


STANDARD = WebhookMapping()


class WebhookEvent(BaseModel):
    """One webhook: the state of a running call (`call`), the record of a finished one (`cdr`), or something `other`.

    `event` is their own word. Epochs are seconds since 1970, None where not said. `problems` names fields that made no
    sense and were left out; `extra` holds what no field of ours took, secrets wrapped. An `other` need not have a
    `call_uuid`.
    """

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    kind: Kind
    event: str = ""
    call_uuid: str = ""
    state: str = ""
    direction: str = ""
    number: str = ""
    extension: str = ""
    presence_id: str = ""
    created_epoch_s: float | None = None
    answered_epoch_s: float | None = None
    ended_epoch_s: float | None = None
    duration_s: float | None = None
    cause: str = ""
    recording: str = Field(default="", repr=False)
    problems: tuple[str, ...] = ()
    extra: Extra = Field(default_factory=dict, repr=False)


def parse_webhook(body: bytes, mapping: WebhookMapping = STANDARD) -> WebhookEvent:
    """Reads one body. Raises ProviderUnreadable that names the field and shows nothing of the body."""
    data = _object(body)
    paths = mapping.paths()
    hits = {ours: _hit(data, candidates) for ours, candidates in paths.items()}
    values = {ours: value for ours, (path, value) in hits.items() if path}
    read = FieldReader(values, {ours: path for ours, (path, _) in hits.items() if path})
    event, state = read.text("event"), read.text("state").lower()
    kind = mapping.kind_of(event, state)
    call_uuid = read.text("call_uuid")
    if not call_uuid and kind != "other":
        place = paths["call_uuid"][0]
        found = "is empty or no text" if "call_uuid" in values else "is missing"
        text = f"a webhook's body names no call: `{place}` {found}; see the mapping"
        raise ProviderUnreadable(text, place=place, service="webhook")
    presence_id, extension = read.text("presence_id"), read.text("extension")
    return WebhookEvent(
        kind=kind,
        event=event,
        call_uuid=call_uuid,
        state=state,
        direction=read.text("direction").lower(),
        number=read.text("number"),
        extension=extension or presence_id.removeprefix("sip:").partition("@")[0],
        presence_id=presence_id,
        created_epoch_s=read.epoch("created_epoch_s"),
        answered_epoch_s=read.epoch("answered_epoch_s"),
        ended_epoch_s=read.epoch("ended_epoch_s"),
        duration_s=read.seconds("duration_s"),
        cause=read.text("cause"),
        recording=read.text("recording"),
        problems=tuple(read.problems),
        extra=wrap_secrets(_without(data, [path.split(".") for path, _ in hits.values() if path])),
    )


def _object(body: bytes) -> dict[str, Any]:
    if len(body) > MAX_WEBHOOK_BYTES:
        raise _unreadable(f"is larger than {MAX_WEBHOOK_BYTES // 1024} KiB")
    if not body.strip():
        raise _unreadable("is empty")
    try:
        data = json.loads(body, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        what = f"is broken JSON (line {error.lineno} column {error.colno})"
    except (ValueError, RecursionError):
        what = "is JSON that cannot be read (bad UTF-8, or absurd nesting or numbers)"
    else:
        if isinstance(data, dict):
            return data
        what = "is JSON, but no object"
    raise _unreadable(what)


def _no_constant(_name: str) -> None:
    raise ValueError("NaN and Infinity are not JSON")


def _unreadable(what: str) -> ProviderUnreadable:
    return ProviderUnreadable(f"a webhook's body {what}", service="webhook")


def _hit(data: Mapping[str, Any], paths: tuple[str, ...]) -> tuple[str, Any]:
    """The first path that leads to something, and what is there; ('', None) if none does."""
    for path in paths:
        value = _at(data, path.split("."))
        if value is not _MISSING and value is not None:
            return path, value
    return "", None


def _at(data: Any, parts: list[str]) -> Any:
    for number, part in enumerate(parts):
        if isinstance(data, dict):
            if (whole := ".".join(parts[number:])) in data:
                return data[whole]
            data = data.get(part, _MISSING)
        elif isinstance(data, list) and part.isascii() and part.isdecimal() and len(part) < 6:
            data = data[int(part)] if int(part) < len(data) else _MISSING
        else:
            return _MISSING
    return data


def _without(data: Any, taken: list[list[str]]) -> Any:
    """The body less what was taken; objects that are empty for that reason go too."""
    if not isinstance(data, dict):
        return data
    rest: dict[str, Any] = {}
    for name, value in data.items():
        inner = [path[1:] for path in taken if path and path[0] == name]
        if any(not path for path in inner) or any(".".join(path) == name for path in taken):
            continue
        kept = _without(value, inner) if inner else value
        if kept or not inner:
            rest[name] = kept
    return rest
