"""Answers about calls that the PBX starts or hangs up."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from softphone.errors import OutcomeUnknown
from softphone.kavkom.envelope import Payload
from softphone.kavkom.fields import text_of
from softphone.kavkom.models import Extra, wrap_secrets
from softphone.kavkom.services import PBX

_ENVELOPE = frozenset(("success", "message", "data", "error", "status"))


class StartedCall(BaseModel):
    """A call that the PBX is setting up. `recording` is the switch's own word; such calls are always recorded."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    call_uuid: str
    recording: str = ""
    message: str = ""
    extra: Extra = Field(default_factory=dict, repr=False)

    @property
    def recorded(self) -> bool:
        """Whether the switch says that it records."""
        return self.recording.startswith("+OK")


class Killed(BaseModel):
    """A call that was hung up by command."""

    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)

    call_uuid: str
    message: str = ""
    extra: Extra = Field(default_factory=dict, repr=False)


def read_started(payload: Payload, where: str) -> StartedCall:
    """Raises OutcomeUnknown where the answer names no call: it was started and cannot be found by us."""
    fields = _fields(payload)
    call_uuid = _text(fields.get("call_uuid"))
    if not call_uuid:
        text = f"{where} answered without a call_uuid, so the call may have been started all the same"
        raise OutcomeUnknown(text, service=PBX.name)
    taken = {"call_uuid", "recording"} | _ENVELOPE
    return StartedCall(
        call_uuid=call_uuid,
        recording=_text(fields.get("recording")),
        message=payload.message,
        extra=wrap_secrets({name: value for name, value in fields.items() if name not in taken}),
    )


def read_killed(payload: Payload, call_uuid: str) -> Killed:
    """Any answer that is no error means that it is done."""
    extra = {name: value for name, value in _fields(payload).items() if name not in _ENVELOPE | {"call_uuid"}}
    return Killed(call_uuid=call_uuid, message=payload.message, extra=wrap_secrets(extra))


def _fields(payload: Payload) -> Mapping[str, Any]:
    """The answer's fields, whether bare or under `data`."""
    inner = payload.data if isinstance(payload.data, dict) else {}
    return {**payload.raw, **inner}


def _text(value: object) -> str:
    try:
        return text_of(value)
    except ValueError:
        return ""
