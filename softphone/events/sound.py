"""What is played, recorded and heard of a call, and the devices that do it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from softphone.events.base import CallEvent


@dataclass(frozen=True, slots=True, kw_only=True)
class AudioFailed(CallEvent):
    """The call's audio route (sound device or file) could not be opened; the call goes on without it."""

    type: ClassVar[str] = "audio.failed"
    cause: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AudioDeviceLost(CallEvent):
    """The call's sound device stopped working. The call goes on in silence, and takes it again when it is back."""

    type: ClassVar[str] = "audio.device_lost"
    device: str
    cause: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AudioDeviceBack(CallEvent):
    """The call's sound device is there (again) and in use. Names as in the route, empty for the default ones."""

    type: ClassVar[str] = "audio.device_back"
    input: str
    output: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RingerFailed(CallEvent):
    """An incoming call cannot be heard on the ringer's device; it rings in silence; the device is tried again."""

    type: ClassVar[str] = "ringer.failed"
    device: str
    cause: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AudioRouted(CallEvent):
    """The call's sound was moved. `route`: null, device or file; `input`, `output`: the devices' names, empty for the
    default ones; `file`: what is said."""

    type: ClassVar[str] = "audio.routed"
    route: str
    input: str
    output: str
    file: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AudioGain(CallEvent):
    """The gains of the call's microphone and loudspeaker were changed, dB."""

    type: ClassVar[str] = "audio.gain"
    input_db: float
    output_db: float


@dataclass(frozen=True, slots=True, kw_only=True)
class AudioTalk(CallEvent):
    """Somebody began to talk, or stopped. `side`: far (the far end) or near (our side)."""

    type: ClassVar[str] = "audio.talk"
    side: str
    talking: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class AudioLevel(CallEvent):
    """How loud the far end and our side (near) are, dBFS (-96 is silence), as often as it was asked for."""

    type: ClassVar[str] = "audio.level"
    kept = False
    far_dbfs: float
    far_peak_dbfs: float
    far_talking: bool
    near_dbfs: float
    near_peak_dbfs: float
    near_talking: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class PlayStarted(CallEvent):
    type: ClassVar[str] = "play.started"
    play: str
    file: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PlayEnded(CallEvent):
    """`reason`: finished, stopped, failed (see `error`), call_ended."""

    type: ClassVar[str] = "play.ended"
    play: str
    file: str
    reason: str
    played_s: float
    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordStarted(CallEvent):
    type: ClassVar[str] = "record.started"
    record: str
    file: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordEnded(CallEvent):
    """`reason`: stopped, failed (see `error`), call_ended, max_duration."""

    type: ClassVar[str] = "record.ended"
    record: str
    file: str
    reason: str
    duration_s: float
    error: str
