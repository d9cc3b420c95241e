"""PJSIP's conference bridge as our mixer: PCM ports, the ports of calls, and sound devices."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Callable
from typing import Any, Protocol

import pjsua2 as pj

from softphone.errors import MediaError
from softphone.media.ports import Absent, Device, Ear, Meter, PcmPort, Port, TalkSettings
from softphone.media.voice import VoicePort, VoiceSettings
from softphone.stacks.pjsip.ear import PjEar
from softphone.stacks.pjsip.meters import SILENCE_DBFS, Meters, dbfs
from softphone.stacks.pjsip.mixer_port import BridgePort
from softphone.stacks.pjsip.voice_port import Voices

__all__ = ["BridgePort", "Opener", "PjMixer", "PjPcmPort"]

log = logging.getLogger(__name__)

_SINE = math.pi / math.sqrt(8)  # a sine's RMS to the mean of its absolute samples


class PjPcmPort(BridgePort):
    """A PCM port by PcmPort, the native port with lock-free rings (native/src/pcmport.hpp)."""

    def __init__(self, mixer: PjMixer, name: str, queue_ms: int, low_water_ms: int) -> None:
        config = pj.PcmPortConfig()
        config.clockRate = mixer.rate_hz
        config.rxBufMs = config.txBufMs = queue_ms
        config.txLowMs = low_water_ms
        self._pcm = pj.PcmPort()
        self.key = self._pcm.open(name, config, mixer.hub)
        super().__init__(name, self._pcm)
        self._mixer = mixer
        self._on_low: Callable[[], None] | None = None
        self._on_drained: Callable[[], None] | None = None
        self._on_pcm: Callable[[bytes], None] | None = None

    @property
    def rate_hz(self) -> int:
        return self._mixer.rate_hz

    def write(self, pcm: bytes) -> int:
        return int(self._pcm.write(pcm))

    def writable(self) -> int:
        return int(self._pcm.writable())

    def flush(self) -> None:
        self._pcm.flushTx()

    def on_low(self, callback: Callable[[], None] | None) -> None:
        self._on_low = callback

    def on_drained(self, callback: Callable[[], None] | None) -> None:
        self._on_drained = callback
        if callback is not None:
            self._pcm.notifyDrained()

    def on_pcm(self, callback: Callable[[bytes], None] | None) -> None:
        self._on_pcm = callback

    def heard(self, pcm: bytes) -> None:
        """The mixer delivered sound."""
        if self._on_pcm is not None:
            self._on_pcm(pcm)

    def happened(self, flags: int) -> None:
        """The queue towards the mixer ran low, or dry."""
        if flags & pj.PCM_LOW and self._on_low is not None:
            self._on_low()
        if flags & pj.PCM_DRAINED and (callback := self._on_drained) is not None:
            self._on_drained = None
            callback()

    def close(self) -> None:
        self._on_low = self._on_drained = self._on_pcm = None
        if self.media is not None:
            self._mixer.forget(self)
            self.gone()
            self._pcm.close()


class Opener(Protocol):
    """Who opens sound devices for the mixer."""

    async def open_device(self, capture: str | None, playback: str | None) -> Device: ...

    async def open_loudspeaker(self, playback: str | None) -> Device: ...

    async def device_fault(self, capture: str | None, playback: str | None) -> str: ...


class PjMixer:
    """The one conference bridge, and the one descriptor that tells the loop of all PCM ports."""

    def __init__(self, rate_hz: int, opener: Opener) -> None:
        self.rate_hz = rate_hz
        self._opener = opener
        self._meters = Meters(rate_hz)
        self._voices = Voices(rate_hz)
        self.hub: Any = None
        self._drain: Any = None
        self._ports: dict[int, PjPcmPort | PjEar] = {}

    def start(self) -> None:
        """Call on the loop, once the endpoint is initialised."""
        self.hub = pj.PcmHub(4096)
        self._drain = _open_drain(self.rate_hz)
        asyncio.get_running_loop().add_reader(self.hub.fileno(), self._wake)
        self._meters.start()

    def stop(self) -> None:
        """Closes what is still open; before libDestroy."""
        if self.hub is None:
            return
        asyncio.get_running_loop().remove_reader(self.hub.fileno())
        for port in list(self._ports.values()):
            port.close()
        self._voices.stop()
        self._meters.stop()
        self._drain.close()
        self._drain = self.hub = None

    def keep_read(self, port: BridgePort) -> None:
        """Takes sound out of a call even while nobody listens.

        Else its jitter buffer fills: the figures then speak of loss that is none, and who listens later hears old
        sound.
        """
        if port.media is None or self._drain is None:
            return
        try:
            port.media.startTransmit(self._drain)
        except pj.Error as error:  # the call ended between two turns of the loop
            log.info("%s is not read: %s", port.name, error.reason)

    def _wake(self) -> None:
        for key, pcm in self.hub.drain():
            if port := self._ports.get(key):
                port.heard(pcm)
        for key, flags in self.hub.events():
            if port := self._ports.get(key):
                port.happened(flags)

    def open_pcm(self, name: str, *, queue_ms: int = 1000, low_water_ms: int = 300) -> PcmPort:
        if self.hub is None:
            raise MediaError(f"cannot open {name}: the mixer is not running")
        try:
            port = PjPcmPort(self, name, queue_ms, low_water_ms)
        except pj.Error as error:
            raise MediaError(f"cannot open {name} on the mixer: {error.reason}") from None
        self._ports[port.key] = port
        return port

    def open_ear(self, name: str, on_digit: Callable[[str, int], None]) -> Ear:
        if self.hub is None:
            raise MediaError(f"cannot open {name}: the mixer is not running")
        try:
            ear = PjEar(name, self.hub, self.rate_hz, on_digit, self._forget_ear)
        except pj.Error as error:
            raise MediaError(f"cannot open {name} on the mixer: {error.reason}") from None
        self._ports[ear.key] = ear
        return ear

    def open_voice(self, name: str, settings: VoiceSettings) -> VoicePort:
        if self.hub is None:
            raise MediaError(f"cannot open {name}: the mixer is not running")
        return self._voices.open(name, settings)

    async def open_device(self, capture: str | None, playback: str | None) -> Device:
        return await self._opener.open_device(capture, playback)

    async def open_loudspeaker(self, playback: str | None) -> Device:
        return await self._opener.open_loudspeaker(playback)

    async def device_fault(self, capture: str | None, playback: str | None) -> str:
        return await self._opener.device_fault(capture, playback)

    def open_meter(
        self, name: str, *, talk: TalkSettings | None = None, on_talk: Callable[[bool], None] | None = None
    ) -> Meter:
        return self._meters.open(name, talk, on_talk)

    def levels(self, port: Port) -> tuple[float, float]:
        if not isinstance(port, BridgePort) or port.media is None:
            return SILENCE_DBFS, SILENCE_DBFS
        try:
            found = pj.portLevels(port.media)
        except pj.Error:  # the call ended between two turns of the loop
            return SILENCE_DBFS, SILENCE_DBFS
        return dbfs(found.heard * _SINE), dbfs(found.said * _SINE)

    def _forget_ear(self, key: int) -> None:
        self._ports.pop(key, None)

    def forget(self, port: PjPcmPort) -> None:
        self._ports.pop(port.key, None)

    def connect(self, source: Port, sink: Port) -> None:
        ends = _media(source, sink)
        if ends is None:
            return
        try:
            ends[0].startTransmit(ends[1])
        except pj.Error as error:  # the call ended between two turns of the loop
            log.info("%s was not connected to %s: %s", source.name, sink.name, error.reason)

    def disconnect(self, source: Port, sink: Port) -> None:
        ends = _media(source, sink)
        if ends is None:
            return
        try:
            ends[0].stopTransmit(ends[1])
        except pj.Error as error:
            log.debug("%s was not disconnected from %s: %s", source.name, sink.name, error.reason)

    def set_gain(self, source: Port, sink: Port, gain_db: float) -> None:
        ends = _media(source, sink)
        if ends is None:
            return
        try:
            pj.setConnectionLevel(*ends, 10 ** (gain_db / 20))
        except pj.Error as error:  # the call ended between two turns of the loop
            log.info("the gain of %s to %s was not set: %s", source.name, sink.name, error.reason)


def _media(source: Port, sink: Port) -> tuple[Any, Any] | None:
    if isinstance(source, Absent) or isinstance(sink, Absent):
        return None
    if not isinstance(source, BridgePort) or not isinstance(sink, BridgePort):
        raise TypeError(f"{source!r} and {sink!r} are not on this mixer")
    if source.media is None or sink.media is None:
        return None
    return source.media, sink.media


def _open_drain(rate_hz: int) -> Any:
    """A port that takes sound and drops it. Without a hub it wakes nobody."""
    config = pj.PcmPortConfig()
    config.clockRate = rate_hz
    config.rxBufMs = config.txBufMs = 40
    drain = pj.PcmPort()
    drain.open("drain", config)
    return drain
