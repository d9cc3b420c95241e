"""The `media:` part of the configuration: mixer, RTP, codecs, buffers, recordings."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from softphone.config.places import default_recordings
from softphone.config.types import ConfigPath, ExistingFile, GainDb, Line, PortNumber, Strict

_RANGE = re.compile(r"\s*([0-9]{1,5})\s*-\s*([0-9]{1,5})\s*")


class RtpPorts(Strict):
    """Local UDP ports for media. Written as `20000-29999`, or as `{first, last}`."""

    first: PortNumber = Field(default=20000, description="First port (even)")
    last: PortNumber = Field(default=29999, description="Last port; each call needs two")

    @model_validator(mode="before")
    @classmethod
    def _from_text(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        if match := _RANGE.fullmatch(value):
            return {"first": int(match[1]), "last": int(match[2])}
        raise ValueError(f'expected a range such as "20000-29999", got {value[:60]!r}')

    @model_validator(mode="after")
    def _ordered(self) -> RtpPorts:
        if self.first % 2 or self.last < self.first + 1:
            raise ValueError(f"expected an even first port and a larger last one, got {self}")
        return self

    def __str__(self) -> str:
        return f"{self.first}-{self.last}"

    @property
    def calls(self) -> int:
        """How many calls fit: each takes a port for RTP and one for RTCP."""
        return (self.last - self.first + 1) // 2


class Opus(Strict):
    """The Opus encoder."""

    rate_hz: Literal[8000, 12000, 16000, 24000, 48000] = Field(
        default=16000, description="Bandwidth of the sound: 16000 is wideband speech (8000, 12000, 16000, 24000, 48000)"
    )
    bitrate_bps: Annotated[int, Field(strict=True, ge=6000, le=510_000)] = Field(
        default=24_000, description="Bits per second (6000 to 510000)"
    )
    complexity: Annotated[int, Field(strict=True, ge=0, le=10)] = Field(
        default=0, description="Processor time spent for quality (0 least, 10 most)"
    )
    fec: bool = Field(default=True, description="Carry a spare copy of lost frames in later packets (true or false)")
    loss_percent: Annotated[int, Field(strict=True, ge=0, le=100)] = Field(
        default=5, description="Packet loss the encoder prepares for; weighs how much `fec` spends (percent)"
    )
    dtx: bool = Field(default=False, description="Send almost nothing while nobody speaks (true or false)")


class JitterBuffer(Strict):
    """How long received sound waits so that late packets can still be played."""

    prefetch_ms: Annotated[int, Field(strict=True, ge=0, le=2000)] = Field(
        default=0, description="Wait before the first packet is played; 0: learn it (milliseconds)"
    )
    min_ms: Annotated[int, Field(strict=True, ge=0, le=2000)] = Field(
        default=60, description="The wait never shrinks below this once it had to grow (milliseconds)"
    )
    max_ms: Annotated[int, Field(strict=True, ge=20, le=5000)] = Field(
        default=240, description="The wait never grows beyond this (milliseconds)"
    )
    capacity_ms: Annotated[int, Field(strict=True, ge=40, le=10_000)] = Field(
        default=500, description="Sound held at most; older sound is dropped (milliseconds)"
    )

    @model_validator(mode="after")
    def _ordered(self) -> JitterBuffer:
        if not self.min_ms <= self.max_ms <= self.capacity_ms or self.prefetch_ms > self.max_ms:
            raise ValueError("expected min_ms <= max_ms <= capacity_ms, and prefetch_ms not above max_ms")
        return self


class EchoCancel(Strict):
    """Takes the loudspeaker's sound out of the microphone's; only for calls on sound devices."""

    enabled: bool = Field(default=True, description="Cancel echo (true or false)")
    tail_ms: Annotated[int, Field(strict=True, ge=10, le=500)] = Field(
        default=200,
        description="Longest echo that is cancelled if the mixer runs at 8000 Hz; above, it is found (milliseconds)",
    )
    noise_suppression: bool = Field(
        default=False, description="Take steady noise out of the microphone too; from 16000 Hz on (true or false)"
    )


class Talk(Strict):
    """What counts as talking, and whether it is told."""

    events: bool = Field(
        default=False, description="Tell in every call who begins or stops to talk, `audio.talk` (true or false)"
    )
    hangover_ms: Annotated[int, Field(strict=True, ge=0, le=10_000)] = Field(
        default=500, description="A shorter pause is part of what is said (milliseconds)"
    )
    margin_db: Annotated[float, Field(strict=True, ge=3, le=40, allow_inf_nan=False)] = Field(
        default=9.0, description="How far above the noise a voice is (3 to 40 dB)"
    )
    floor_dbfs: Annotated[float, Field(strict=True, ge=-90, le=-10, allow_inf_nan=False)] = Field(
        default=-55.0, description="Below this nobody talks (-90 to -10 dBFS)"
    )


class Ringer(Strict):
    """How incoming calls are heard before anybody answers them."""

    device: Line | None = Field(
        default=None, description="Loudspeaker that rings, whatever the call's own device is; null: none (ALSA name)"
    )
    file: ExistingFile | None = Field(
        default=None, description="Sound file, again and again; null: a ring tone of the phone's own (path)"
    )
    gain_db: GainDb = Field(default=0.0, description="How much louder it rings (-30 to 20 dB)")


class Intercom(Strict):
    """Calls that the phone takes by itself, by a rule of `incoming` that answers."""

    attention: Literal["none", "speaker", "caller", "both"] = Field(
        default="none", description="Who hears a short chime before either side is heard: none, speaker, caller or both"
    )
    file: ExistingFile | None = Field(default=None, description="Sound file in place of the chime (path)")
    microphone: Literal["open", "muted"] = Field(
        default="open",
        description="open, or muted until a talk button opens it (`softphone mute --off`, POST .../unmute)",
    )


class Media(Strict):
    """Sound: the mixer, RTP, codecs and recordings."""

    clock_rate_hz: Literal["auto", 8000, 16000, 48000] = Field(
        default="auto",
        description="Rate of the mixer; auto: 8000 if every account's codecs are narrowband and none cancels echo on a"
        " sound device, else 16000 (Hz)",
    )
    rtp_ports: RtpPorts = Field(
        default=RtpPorts(), description="Local UDP ports for media, two for each call (first-last)"
    )
    opus: Opus = Field(default=Opus(), description="The Opus encoder")
    jitter_buffer: JitterBuffer = Field(default=JitterBuffer(), description="Smooths late packets")
    echo_cancel: EchoCancel = Field(default=EchoCancel(), description="Echo cancellation on sound devices")
    talk: Talk = Field(default=Talk(), description="What counts as talking, and whether it is told")
    prompt_cache_mb: Annotated[int, Field(strict=True, ge=0, le=4096)] = Field(
        default=32,
        description="Memory for sound files that are played again and again, decoded; 0: read them each time (MiB)",
    )
    recordings_dir: ConfigPath = Field(
        default_factory=default_recordings,
        description="Folder of recordings whose file name has no folder; default: $STATE_DIRECTORY/recordings, else"
        " $XDG_STATE_HOME/softphone/recordings, else ~/.local/state/softphone/recordings (path)",
    )
