"""What the live service tells, as typed items: states of calls, and how sure they are.

A stream of them is complete in this sense: every change that the service sent arrives once, and wherever something may
have been missed a `Gap` says so before anything newer comes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from softphone.kavkom.fields import epoch_of, seconds_of, text_of
from softphone.kavkom.models import Extra, wrap_secrets

T = TypeVar("T")

RINGING, ACTIVE, HELD, FINISHED = "ringing", "active", "held", "finished"
_KNOWN_FIELDS = frozenset(
    "callUuid state direction number presenceId extension createdEpoch answeredEpoch duration".split()
)


class _Item(BaseModel):
    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)


class CallState(_Item):
    """A call of one extension, as the PBX sees it.

    `state` is ringing, active, held or finished, or another word of the service. Epochs are seconds since 1970, None
    while it has not happened or is not said. `extension` is the user part of `presence_id`, whose domain need not be
    the account's. `late`: it came out of its turn, after the call had moved on. `problems` names fields that made no
    sense and were left out; `extra` holds fields that we do not know, secrets wrapped.
    """

    kind: Literal["call"] = "call"
    call_uuid: str
    state: str
    extension: str = ""
    direction: str = ""
    number: str = ""
    presence_id: str = ""
    created_epoch_s: float | None = None
    answered_epoch_s: float | None = None
    duration_s: float | None = None
    late: bool = False
    problems: tuple[str, ...] = ()
    extra: Extra = Field(default_factory=dict, repr=False)

    @property
    def finished(self) -> bool:
        return self.state == FINISHED


class Confirmed(_Item):
    """After a gap: the service still says of this call what it said before. Nothing new happened to its state."""

    kind: Literal["confirmed"] = "confirmed"
    call: CallState


class Connected(_Item):
    """Events of these extensions arrive from now on. `again`: not for the first time."""

    kind: Literal["connected"] = "connected"
    extensions: tuple[str, ...]
    again: bool


class Gap(_Item):
    """Events of these extensions may be missed from now on, until the next `Connected` of theirs.

    `unknown` are their calls that were not finished: what the PBX says of them is not known any more. The service sends
    neither what was missed nor a snapshot, so a call may have ended unheard: reconcile with SIP and with CDRs.
    """

    kind: Literal["gap"] = "gap"
    extensions: tuple[str, ...]
    cause: str
    unknown: tuple[CallState, ...] = ()


class Trouble(_Item):
    """A try to connect failed; the next follows in `retry_in_s` seconds.

    `refused`: the service said no, to our token or our request; it will hardly change its mind by itself.
    """

    kind: Literal["trouble"] = "trouble"
    extensions: tuple[str, ...]
    cause: str
    retry_in_s: float
    refused: bool = False
    status: int | None = None


class Reported(_Item):
    """The service sent an error message that is about neither the token nor the connection."""

    kind: Literal["reported"] = "reported"
    message: str


class Unreadable(_Item):
    """A message that makes no sense was left out."""

    kind: Literal["unreadable"] = "unreadable"
    cause: str


LiveItem = CallState | Confirmed | Connected | Gap | Trouble | Reported | Unreadable


def read_call(data: object, *, only_extension: str = "") -> CallState:
    """A `call` message's data. Raises ValueError that names the field, never its value.

    only_extension: the one extension that was asked for, where there is just one; it stands in where none is named.
    """
    if not isinstance(data, dict):
        raise ValueError("`data` is not an object")
    read = FieldReader(data)
    call_uuid, state = read.required("callUuid"), read.required("state").lower()
    presence_id, extension = read.text("presenceId"), read.text("extension")
    return CallState(
        call_uuid=call_uuid,
        state=state,
        extension=extension or presence_id.removeprefix("sip:").partition("@")[0] or only_extension,
        direction=read.text("direction").lower(),
        number=read.text("number"),
        presence_id=presence_id,
        created_epoch_s=read.epoch("createdEpoch"),
        answered_epoch_s=read.epoch("answeredEpoch"),
        duration_s=read.seconds("duration"),
        problems=tuple(read.problems),
        extra=wrap_secrets({name: value for name, value in data.items() if name not in _KNOWN_FIELDS}),
    )


class FieldReader:
    """Reads fields of one message. What is optional and makes no sense is left out and named in `problems`.

    names: what a field is called in the message, where it is called differently here.
    """

    def __init__(self, data: Mapping[str, Any], names: Mapping[str, str] | None = None) -> None:
        self._data = data
        self._names = names or {}
        self.problems: list[str] = []

    def required(self, name: str) -> str:
        """Raises ValueError that names the field."""
        try:
            text = text_of(self._data.get(name))
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from None
        if not text:
            raise ValueError(f"{name} is {'empty' if name in self._data else 'missing'}")
        return text

    def text(self, name: str) -> str:
        return self._optional(text_of, name) or ""

    def epoch(self, name: str) -> float | None:
        return self._optional(epoch_of, name)

    def seconds(self, name: str) -> float | None:
        return self._optional(seconds_of, name)

    def _optional(self, read: Callable[[object], T], name: str) -> T | None:
        try:
            return read(self._data.get(name))
        except ValueError as error:
            self.problems.append(f"{self._names.get(name, name)}: {error}")
            return None
