"""What travels over the WebSocket, version 1: JSON texts, one object each (docs/webrtc.md has the tables).

A page sends commands: `{"id": 7, "do": "dial", "target": "9196"}`. `id` is the page's own number for the answer, which
is `{"type": "answer", "re": 7, "result": …}` or `{"type": "error", "re": 7, "error": {…}}`. Everything else comes
without being asked for: `hello` first, then `event`, `call`, `account`, `handsets` and `figures`.
"""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, TypeAdapter, ValidationError
from pydantic_core import to_json

from softphone.engine.views import HandsetMode

VERSION = 1
SUBPROTOCOL = f"softphone.v{VERSION}"

Id = Annotated[int, Field(ge=0, le=2**53 - 1)]
Name = Annotated[str, StringConstraints(pattern=r"^[^\x00-\x1f\x7f]*$", min_length=1, max_length=200)]
Target = Annotated[str, StringConstraints(pattern=r"^[^\x00-\x1f\x7f]*$", min_length=1, max_length=1000)]
Sdp = Annotated[str, StringConstraints(min_length=1, max_length=60_000)]
Digits = Annotated[str, StringConstraints(pattern=r"^[0-9A-Da-d*#,]+$", max_length=256)]


class Command(BaseModel):
    """Base of all commands: unknown keys are errors, and no type is guessed."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False, frozen=True)

    id: Id


class OnCall(Command):
    call: Name


class Dial(Command):
    """With a handset, the call's sound is there from the start."""

    do: Literal["dial"]
    target: Target
    account: Name | None = None
    handset: Name | None = None


class Answer(OnCall):
    do: Literal["answer"]
    handset: Name | None = None


class Reject(OnCall):
    do: Literal["reject"]


class HangUp(OnCall):
    do: Literal["hangup"]


class Hold(OnCall):
    do: Literal["hold"]
    on: bool


class Mute(OnCall):
    do: Literal["mute"]
    on: bool


class SendDigits(OnCall):
    do: Literal["digits"]
    digits: Digits


class Transfer(OnCall):
    """Blind."""

    do: Literal["transfer"]
    target: Target


class TransferTo(OnCall):
    """Attended: to the far end of `other`."""

    do: Literal["transfer_to"]
    other: Name


class SetAudio(OnCall):
    """Moves the call's sound: to a sound device of the phone's machine, or nowhere."""

    do: Literal["audio"]
    route: Literal["null", "device"]
    input: Name | None = None
    output: Name | None = None


class OpenHandset(Command):
    """An offer of one audio stream with all its candidates (there is no trickle)."""

    do: Literal["handset_open"]
    sdp: Sdp
    name: Annotated[str, StringConstraints(pattern=r"^[^\x00-\x1f\x7f]*$", max_length=100)] = ""


class CloseHandset(Command):
    do: Literal["handset_close"]
    handset: Name


class AttachHandset(OnCall):
    """Also changes the mode. `take_over`: the call's sound device or file is let go."""

    do: Literal["handset_attach"]
    handset: Name
    mode: HandsetMode = "talk"
    take_over: bool = False


class DetachHandset(OnCall):
    do: Literal["handset_detach"]
    handset: Name


class Register(Command):
    do: Literal["register"]
    account: Name


class SetDnd(Command):
    do: Literal["dnd"]
    account: Name
    on: bool


class Devices(Command):
    """The sound devices of the phone's machine."""

    do: Literal["devices"]


class Figures(Command):
    """Levels and quality of all running calls, again and again, or no more."""

    do: Literal["figures"]
    on: bool


AnyCommand = (
    Dial
    | Answer
    | Reject
    | HangUp
    | Hold
    | Mute
    | SendDigits
    | Transfer
    | TransferTo
    | SetAudio
    | OpenHandset
    | CloseHandset
    | AttachHandset
    | DetachHandset
    | Register
    | SetDnd
    | Devices
    | Figures
)

_COMMANDS: TypeAdapter[AnyCommand] = TypeAdapter(Annotated[AnyCommand, Field(discriminator="do")])


class BadMessage(Exception):
    """What came is no command. `re` is its id, as far as there is one."""

    def __init__(self, text: str, re: int | None = None) -> None:
        super().__init__(text)
        self.re = re


def parse(text: str) -> AnyCommand:
    """A message as a command. Raises BadMessage, whose text never repeats a value that was sent."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        raise BadMessage("the message is not JSON") from None
    if not isinstance(found, dict):
        raise BadMessage("a message is a JSON object")
    try:
        return _COMMANDS.validate_python(found)
    except ValidationError as error:
        raise BadMessage(_wording(error), _id_of(found)) from None


def _id_of(found: dict[str, Any]) -> int | None:
    given = found.get("id")
    return given if isinstance(given, int) and not isinstance(given, bool) and 0 <= given < 2**53 else None


def _wording(error: ValidationError) -> str:
    return "; ".join(_finding(dict(found)) for found in error.errors(include_url=False, include_input=False)[:5])


def _finding(found: dict[str, Any]) -> str:
    kind, place = found["type"], [str(part) for part in found["loc"][1:]]
    if kind == "union_tag_not_found":
        return "`do` is needed: it says what to do"
    if kind == "union_tag_invalid":
        return f"`do`: there is no such command; there are {found['ctx']['expected_tags']}"
    words = {"missing": "this is needed", "extra_forbidden": "there is no such key"}
    return f"`{'.'.join(place) or 'message'}`: {words.get(kind, found['msg'])}"


def encode(message: dict[str, Any]) -> str:
    """A message for the page."""
    return to_json(message, inf_nan_mode="null", fallback=str).decode()
