"""What requests carry, validated; and the small answers that are no view of the engine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from softphone.control.api import DigitMethod, RecordMode
from softphone.engine.views import AudioRoute, HandsetMode, HandsetView

HeaderName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9!%'*+.^_`|~-]{1,100}$")]
"""A token, RFC 3261 section 25.1."""
HeaderValue = Annotated[str, StringConstraints(pattern=r"^[^\x00-\x08\x0a-\x1f\x7f]*$", max_length=1000)]
HeaderLines = Annotated[dict[HeaderName, HeaderValue], Field(max_length=50)]
Line = Annotated[str, StringConstraints(pattern=r"^[^\x00-\x1f\x7f]*$")]
"""Text without control characters: nobody smuggles a line break into SIP."""
GainDb = Annotated[float, Field(ge=-30, le=20)]
FileName = Annotated[str, StringConstraints(pattern=r"^[^\x00]+$", max_length=4096)]


class Request(BaseModel):
    """Base of all bodies: unknown keys are errors, and no type is guessed."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False, use_attribute_docstrings=True)


class AudioRequest(Request):
    """Where a call's sound goes to and comes from."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"route": "null"}, {"route": "device", "input": "USB Headset"}]}
    )

    route: Annotated[str, StringConstraints(pattern="^(null|device|file)$")]
    """null: nowhere; device: a sound device (see /v1/devices); file: a file is what we say."""
    input: Line | None = None
    """device: the microphone's name, null for the default one."""
    output: Line | None = None
    """device: the loudspeaker's name, null for the default one."""
    file: FileName | None = None
    """file: what is played to the far end, a path on the daemon's machine."""
    loop: bool = False
    """file: whether it starts anew at its end."""
    input_gain_db: GainDb = 0.0
    """device: how much louder the microphone is heard, dB."""
    output_gain_db: GainDb = 0.0
    """device: how much louder the loudspeaker is, dB."""

    @model_validator(mode="after")
    def _fits(self) -> AudioRequest:
        if (self.route == "file") != (self.file is not None):
            raise ValueError("route `file` needs `file`, and no other route takes it")
        if self.route != "device" and (self.input is not None or self.output is not None):
            raise ValueError("only route `device` takes `input` and `output`")
        if self.route != "device" and (self.input_gain_db or self.output_gain_db):
            raise ValueError("only route `device` takes gains")
        return self

    def as_route(self) -> AudioRoute:
        return AudioRoute(**self.model_dump())


class DeviceTestRequest(Request):
    """A sound device to try."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"name": "USB Headset"}]})

    name: Annotated[Line, Field(min_length=1, max_length=512)]
    """As in a route: an ALSA name, or a part of one."""
    listen_s: Annotated[float, Field(ge=0.1, le=30)] = 2.0
    """How long its microphone is listened to."""


class GainRequest(Request):
    """How much louder than they are microphone and loudspeaker shall be, dB; what is left out stays as it is."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"output_db": -6.0}, {"input_db": 6.0}]})

    input_db: GainDb | None = None
    """The microphone, as the far end hears it."""
    output_db: GainDb | None = None
    """The loudspeaker."""


class MeterRequest(Request):
    """What to tell of a call beside who talks."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"interval_ms": 500}]})

    interval_ms: Annotated[int, Field(ge=100, le=60_000)] | None = None
    """How often `audio.level` is told; null: never."""


class DialRequest(Request):
    """Whom to call, and how."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"target": "9196"},
                {"target": "sip:bob@example.com", "account": "901@pbx.example", "ring_timeout_s": 30},
            ]
        }
    )

    target: Annotated[Line, Field(min_length=1, max_length=1000)]
    """A number, an extension or a SIP URI."""
    account: Annotated[Line, Field(min_length=1)] | None = None
    """The account that calls: its id or a unique username. Not needed where there is only one."""
    headers: HeaderLines | None = None
    """Headers for the INVITE."""
    ring_timeout_s: Annotated[float, Field(gt=0, le=3600)] | None = None
    """How long it may ring; null takes the configured time."""
    max_duration_s: Annotated[float, Field(ge=0, le=86_400)] | None = None
    """How long it may last once answered, 0 without end; null takes the configured time."""
    audio: AudioRequest | None = None
    """Where the sound goes; null takes the configured route."""
    trace: bool = False
    """Keep the SIP messages of this call (/v1/calls/{id}/trace), whatever else is traced."""


class ExpectRequest(Request):
    """A call that will come because a program asked the PBX for it: it is answered by itself."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"account": "901@pbx.example", "caller": "0033*", "within_s": 30}]}
    )

    account: Annotated[Line, Field(min_length=1)]
    """The account that will ring: its id or a unique username."""
    caller: Annotated[Line, Field(min_length=1, max_length=200)] = "*"
    """Pattern for the caller's number or URI: * any text, ? one character, [0-9] one of a set."""
    within_s: Annotated[float, Field(gt=0, le=3600)] = 30.0
    """For how long it is expected."""
    after_s: Annotated[float, Field(ge=0, le=3600)] = 0.0
    """How long it rings first."""
    asked_only: bool = False
    """Whether the call must ask to be answered by a header, too."""


class ClickRequest(Request):
    """A call that the PBX shall make: it rings an extension of this phone, and then calls."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"account": "901", "destination": "33612345678"}]})

    destination: Annotated[Line, Field(min_length=1, max_length=500)]
    """Whom the PBX calls then: an extension, a number or a SIP URI."""
    account: Annotated[Line, Field(min_length=1)] | None = None
    """The account that rings: its id or a unique username; null for the first that can."""
    answer: bool = True
    """Whether the phone answers by itself."""
    caller: Annotated[Line, Field(max_length=200)] = ""
    """Pattern of whom the PBX shows as the caller of the first call; empty: `src_cid_number`."""
    asked_only: bool = False
    """Whether the first call must ask to be answered by a header, too."""
    within_s: Annotated[float, Field(gt=0, le=3600)] = 30.0
    """For how long the first call is expected."""
    src_cid_number: Annotated[Line, Field(max_length=100)] = ""
    """The number that the phone sees as the caller; empty: a random one, by which it knows the call again."""
    ignore_early: bool | None = None
    """What the PBX calls so."""


class CommandRequest(Request):
    """What goes along with a command."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"headers": {"X-Agent": "42"}}]})

    headers: HeaderLines | None = None
    """Headers for the message that carries the command out (200, BYE, re-INVITE)."""


class RejectRequest(CommandRequest):
    """How to turn a call down."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"code": 603, "reason": "Not today"}]})

    code: Annotated[int, Field(ge=400, le=699)] = 486
    """The SIP status (RFC 3261 sections 21.4 to 21.6): 486 busy here, 603 decline."""
    reason: Annotated[Line, Field(max_length=200)] = ""
    """The reason phrase; empty takes the RFC's."""


class DigitsRequest(Request):
    """Digits to send. `call.digits_sent` or `call.digits_failed` says how it went."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"digits": "1234#"}]})

    digits: Annotated[Line, Field(min_length=1, max_length=256)]
    """0 to 9, *, #, A to D."""
    method: DigitMethod = "auto"
    """rfc4733: in the media stream; info: SIP INFO; inband: as sound; auto: the first that the far end takes."""
    duration_ms: Annotated[int, Field(ge=40, le=6000)] = 160
    """How long each sounds."""
    pause_ms: Annotated[int, Field(ge=0, le=6000)] = 80
    """Between two of them."""


class CollectRequest(Request):
    """How to put together what the far end types. `digits.collected` tells the result."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"max_digits": 4, "terminators": "#", "stop_plays": True}]}
    )

    max_digits: Annotated[int, Field(ge=1, le=128)] = 1
    """So many end it."""
    terminators: Annotated[str, StringConstraints(pattern="^[0-9A-D*#]*$", max_length=16)] = "#"
    """Digits that end it and are not part of the result."""
    first_timeout_s: Annotated[float, Field(gt=0, le=3600)] = 10.0
    """Until the first digit, counted from the end of what is being played."""
    inter_digit_s: Annotated[float, Field(gt=0, le=3600)] = 3.0
    """Between two digits."""
    total_s: Annotated[float, Field(gt=0, le=3600)] = 60.0
    """For all of it, from now."""
    stop_plays: bool = False
    """Whether the first digit silences what is being played (barge-in)."""
    typed_ahead: bool = True
    """Whether digits that came before count; false forgets them."""


class RedirectRequest(Request):
    """Where the caller of an incoming call is sent (302)."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"target": "902"}]})

    target: Annotated[Line, Field(min_length=1, max_length=1000)]
    """A number, an extension or a SIP URI."""


class TransferRequest(Request):
    """Where the far end is sent: to a `target` (blind), or to the far end of another `call` of ours (attended)."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"target": "902"}, {"call": "c2"}, {"target": "902", "headers": {"X-Queue": "7"}}]
        }
    )

    target: Annotated[Line, Field(min_length=1, max_length=1000)] | None = None
    """A number, an extension or a SIP URI."""
    call: Annotated[Line, Field(min_length=1, max_length=100)] | None = None
    """The id of an answered call."""
    headers: HeaderLines | None = None
    """Headers for the REFER."""

    @model_validator(mode="after")
    def _one(self) -> TransferRequest:
        if (self.target is None) == (self.call is None):
            raise ValueError("expected either `target` or `call`")
        return self


class ConferenceRequest(Request):
    """Which calls to merge."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"calls": ["c1", "c2"]}]})

    calls: Annotated[list[Annotated[Line, Field(min_length=1, max_length=100)]], Field(min_length=2, max_length=1000)]
    """Answered calls, none of them in a conference."""
    local: bool = True
    """Whether our side takes part; false connects the calls with each other alone (a bridge)."""


class LocalRequest(Request):
    """Whether our side takes part in a conference."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"local": False}]})

    local: bool


class HandsetRequest(Request):
    """A handset that wants in: a browser's offer, complete with its candidates."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"sdp": "v=0\r\n…", "name": "Ann's browser"}]})

    sdp: Annotated[str, Field(min_length=1, max_length=64_000)]
    """The offer (SDP): one audio stream with ICE, DTLS-SRTP and rtcp-mux; other streams are refused."""
    name: Annotated[Line, Field(max_length=100)] = ""
    """What people shall call it."""


class AttachRequest(Request):
    """How a handset takes part in a call."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"mode": "whisper"}]})

    mode: HandsetMode = "talk"
    """listen: hears both sides; talk: is heard by both as well; whisper: is heard by our side only."""
    take_over: bool = False
    """Whether the call's sound moves here: its sound device or file is let go."""


class HandsetDigitsRequest(Request):
    """Keys for a handset."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"digits": "12#"}]})

    digits: Annotated[str, StringConstraints(pattern=r"^[0-9A-D*#]{1,32}$")]
    duration_ms: Annotated[int, Field(ge=40, le=6000)] = 160


@dataclass(frozen=True, slots=True)
class HandsetAnswer:
    """A handset that was opened, and the SDP for its offerer."""

    handset: HandsetView
    sdp: str


class TraceRequest(Request):
    """Whether SIP messages are kept."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"on": True}, {"on": True, "account": "901@pbx.example"}]}
    )

    on: bool
    """true: from now on; false: no longer. What is kept stays."""
    account: Annotated[Line, Field(min_length=1, max_length=200)] | None = None
    """Only those of this account; null: all (off then ends the trace of every account as well)."""


class DndRequest(Request):
    """Do not disturb."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"on": True}]})

    on: bool
    """true: callers are refused with the account's `dnd_code`."""


class PlayRequest(Request):
    """A file to play to the far end. `play.ended` says when it is over, and why."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"file": "/usr/share/sounds/welcome.wav"}]})

    file: FileName
    """A path on the daemon's machine; wav, mp3, ogg and whatever else FFmpeg reads."""
    loop: bool = False


class RecordRequest(Request):
    """A file to record to."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"file": "/var/lib/softphone/call.wav"}]})

    file: FileName
    """A path on the daemon's machine; a WAV file is written."""
    mode: RecordMode = "mono"
    """mono: both mixed; stereo: them left, us right."""
    overwrite: bool = False
    """Whether a file that exists may be replaced."""
    max_duration_s: Annotated[float, Field(gt=0)] | None = None


@dataclass(frozen=True, slots=True)
class PlayStarted:
    """A file is being played. `id` stops it."""

    id: str
    call: str
    file: str


@dataclass(frozen=True, slots=True)
class RecordStarted:
    """A recording is running. `id` stops it."""

    id: str
    call: str
    file: str


@dataclass(frozen=True, slots=True)
class Health:
    """The loop runs; that is all it says."""

    status: str


@dataclass(frozen=True, slots=True)
class EventType:
    """A kind of event on /v1/events."""

    type: str
    """The wire name."""
    description: str
    fields: dict[str, Any]
    """JSON Schema of the event's data."""


class ProblemDocument(BaseModel):
    """An error (RFC 9457). Further members depend on `type`."""

    model_config = ConfigDict(extra="allow", use_attribute_docstrings=True)

    type: str
    """`urn:softphone:problem:<name>`: what programs should look at."""
    title: str
    """The kind of problem, in words."""
    status: int
    """The HTTP status."""
    detail: str
    """What happened here, to what, and what to do."""
    instance: str = ""
    """The request's path."""
    sip_code: int | None = None
    """The SIP status where the SIP side failed; 0: there was no answer."""
    sip_reason: str | None = None
    """The reason phrase that came with it."""
    errors: list[dict[str, str]] | None = None
    """Each wrong value: `in` (body, query, path), `parameter`, `pointer` (JSON pointer), `detail`."""
    problems: list[str] | None = None
    """What keeps the phone from being ready."""
    reference: str | None = None
    """Where to look in the daemon's log."""
