"""Voice ports by VoicePort, the native port that codes and buffers RTP by itself (native/src/voiceport.hpp)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

import pjsua2 as pj

from softphone.errors import MediaError
from softphone.media.voice import VoiceClock, VoiceFigures, VoiceSettings
from softphone.stacks.pjsip.mixer_port import BridgePort

CODECS = {"opus": pj.VOICE_OPUS, "pcmu": pj.VOICE_PCMU, "pcma": pj.VOICE_PCMA}

OPUS_RATES_HZ = (8000, 16000, 24000, 48000)


def pcm_rate_hz(codec: str, mixer_hz: int) -> int:
    """The rate to code at: the mixer's own where the codec can, so that nobody resamples."""
    if codec != "opus":
        return 8000
    return mixer_hz if mixer_hz in OPUS_RATES_HZ else 48000 if mixer_hz > 24000 else 16000


class PjVoicePort(BridgePort):
    """`forget(key)` is called when it has left the mixer."""

    def __init__(self, name: str, settings: VoiceSettings, mixer_hz: int, hub: Any, forget: Callable[[int], None]):
        config = pj.VoicePortConfig()
        config.codec = CODECS[settings.codec]
        config.clockRate = pcm_rate_hz(settings.codec, mixer_hz)
        config.payloadType = settings.payload_type
        config.eventsType = -1 if settings.events_type is None else settings.events_type
        config.eventsRate = settings.events_rate_hz
        config.ssrc = settings.ssrc
        config.bitrate = settings.bitrate_bps
        config.complexity = settings.complexity
        config.leastDelayMs, config.mostDelayMs = settings.least_delay_ms, settings.most_delay_ms
        self._voice = pj.VoicePort()
        self.key = self._voice.open(name, config, hub)
        super().__init__(name, self._voice)
        self._forget = forget
        self._last = VoiceFigures()
        self._on_packet: Callable[[bytes], None] | None = None
        self._on_digit: Callable[[str, int], None] | None = None

    def receive(self, packet: bytes) -> None:
        if (key := self._voice.receive(packet)) and self._on_digit is not None:
            self._on_digit(chr(key & 0xFF), key >> 8)

    def on_packet(self, callback: Callable[[bytes], None] | None) -> None:
        self._on_packet = callback

    def on_digit(self, callback: Callable[[str, int], None] | None) -> None:
        self._on_digit = callback

    def send_digit(self, digit: str, duration_ms: int) -> bool:
        return bool(self._voice.sendDigit(digit, duration_ms))

    def expect_loss(self, percent: int) -> None:
        self._voice.expectLoss(percent)

    def sent(self, packet: bytes) -> None:
        """The mixer made a packet."""
        if self._on_packet is not None:
            self._on_packet(packet)

    def figures(self) -> VoiceFigures:
        if self.media is None:
            return self._last
        s = self._voice.stat()
        return VoiceFigures(
            rx_packets=s.rxPackets,
            rx_bytes=s.rxBytes,
            rx_lost=s.rxLost,
            rx_late=s.rxLate,
            rx_duplicates=s.rxDuplicates,
            rx_reordered=s.rxReordered,
            fec_frames=s.fecFrames,
            concealed_frames=s.concealedFrames,
            underruns=s.underruns,
            overruns=s.overruns,
            jitter_ms=round(s.rxJitter * 1000 / s.rtpClock, 2) if s.rtpClock else 0.0,
            delay_ms=round(s.delayMs, 1),
            target_ms=round(s.targetMs, 1),
            drift_ppm=round(s.driftPpm, 1) if s.driftKnown else None,
            correction_ppm=round(s.correctionPpm, 1),
            tx_packets=s.txPackets,
            tx_bytes=s.txBytes,
            tx_dropped=s.txDropped,
        )

    def clock(self) -> VoiceClock:
        s = self._voice.stat()
        return VoiceClock(
            rtp_time=s.txTimestamp,
            age_s=time.monotonic() - s.txTime if s.txTime else 0.0,
            highest=s.rxHighest,
            lost=s.rxLost,
            expected=s.rxExpected,
            jitter=s.rxJitter,
            ssrc=s.rxSsrc if s.rxExpected else None,
        )

    def close(self) -> None:
        self._on_packet = self._on_digit = None
        if self.media is not None:
            self._last = self.figures()
            self._forget(self.key)
            self.gone()
            self._voice.close()


class Voices:
    """All voice ports of the mixer, and the one descriptor that tells the loop that they have something to send."""

    def __init__(self, mixer_hz: int) -> None:
        self._mixer_hz = mixer_hz
        self._hub: Any = None
        self._ports: dict[int, PjVoicePort] = {}

    def open(self, name: str, settings: VoiceSettings) -> PjVoicePort:
        """Raises MediaError."""
        if self._hub is None:
            self._hub = pj.VoiceHub()  # with the first handset: a phone without any pays nothing
            asyncio.get_running_loop().add_reader(self._hub.fileno(), self._wake)
        try:
            port = PjVoicePort(name, settings, self._mixer_hz, self._hub, self._forget)
        except pj.Error as error:
            raise MediaError(f"cannot open {name} on the mixer: {error.reason}") from None
        self._ports[port.key] = port
        return port

    def stop(self) -> None:
        """Closes what is still open; before libDestroy."""
        for port in list(self._ports.values()):
            port.close()
        if self._hub is not None:
            asyncio.get_running_loop().remove_reader(self._hub.fileno())
            self._hub = None

    def _wake(self) -> None:
        for key, packet in self._hub.take():
            if port := self._ports.get(key):
                port.sent(packet)

    def _forget(self, key: int) -> None:
        self._ports.pop(key, None)
