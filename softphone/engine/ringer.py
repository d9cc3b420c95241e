"""The bell: incoming calls are heard on a loudspeaker of its own until somebody answers them or they are over.

Calls that ring on one device with one sound ring together: one loop, begun by the first and ended with the last. A
device that is missing harms no call: it is told once, and tried again while it rings.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from softphone import events
from softphone.aio import Tasks
from softphone.bus import Bus
from softphone.config.sound import Ringer as RingerSettings
from softphone.errors import SoftphoneError
from softphone.media.files import AudioFile
from softphone.media.graph import MediaGraph
from softphone.media.player import Player
from softphone.media.ports import Device, PcmPort, SoundMixer
from softphone.media.sources import Playlist, Source
from softphone.media.tones import ring

log = logging.getLogger(__name__)

RETRY_S = 2.0


class Ringer:
    """The bells of a phone. `default` is for accounts that say nothing of their own."""

    def __init__(self, bus: Bus, mixer: SoundMixer, graph: MediaGraph, tasks: Tasks, default: RingerSettings) -> None:
        self._bus, self._mixer, self._graph, self._tasks = bus, mixer, graph, tasks
        self.default = default
        self._bells: dict[RingerSettings, _Bell] = {}

    def ring(self, call_id: str, account_id: str, own: RingerSettings | None) -> None:
        """A call rings; `own` are the account's settings, if it has any."""
        settings = self.default if own is None else own
        if settings.device is None or self._tasks.closed:
            return
        bell = self._bells.get(settings)
        if bell is None:
            bell = self._bells[settings] = _Bell(settings, self._mixer, self._graph, self._failed)
            bell.task = self._tasks.spawn(bell.ring(), f"ring on {settings.device}")
        bell.calls[call_id] = account_id

    def stop(self, call_id: str) -> None:
        """The call rings no more. Idempotent."""
        for settings, bell in list(self._bells.items()):
            if bell.calls.pop(call_id, None) is not None and not bell.calls:
                del self._bells[settings]
                bell.silence()

    def _failed(self, bell: _Bell, cause: str) -> None:
        log.warning("the bell on %s is silent: %s", bell.settings.device, cause)
        for call_id, account_id in bell.calls.items():
            self._bus.publish(
                events.RingerFailed(call=call_id, account=account_id, device=bell.settings.device or "", cause=cause)
            )


class _Bell:
    """One sound on one device, for as long as any call wants it."""

    def __init__(
        self,
        settings: RingerSettings,
        mixer: SoundMixer,
        graph: MediaGraph,
        failed: Callable[[_Bell, str], None],
    ) -> None:
        self.settings = settings
        self.calls: dict[str, str] = {}  # call id -> account id
        self.task: asyncio.Task[None] | None = None
        self._mixer, self._graph = mixer, graph
        self._failed = failed

    def silence(self) -> None:
        """Ends the loop, and with it the sound."""
        if self.task is not None:
            self.task.cancel()

    async def ring(self) -> None:
        """Until it is cancelled."""
        told = False
        while True:
            try:
                await self._once()
            except SoftphoneError as error:
                if not told:
                    told = True
                    self._failed(self, str(error))
                await asyncio.sleep(RETRY_S)

    async def _once(self) -> None:
        """Rings until the device is lost."""
        device = await self._mixer.open_loudspeaker(self.settings.device)
        try:
            await self._on(device)
        finally:
            device.close()

    async def _on(self, device: Device) -> None:
        lost = asyncio.Event()
        device.on_lost(lambda _: lost.set())
        port = self._mixer.open_pcm(f"ring on {self.settings.device}", queue_ms=400, low_water_ms=200)
        try:
            await self._play(device, port, lost)
        finally:
            self._graph.remove(port)
            port.close()

    async def _play(self, device: Device, port: PcmPort, lost: asyncio.Event) -> None:
        self._graph.connect(port, device.port)
        self._graph.set_gain(port, device.port, self.settings.gain_db)
        player = Player(port, Playlist([self._sound()], times=None))
        try:
            await player.start()
            await lost.wait()
        finally:
            player.stop()

    def _sound(self) -> Source:
        return ring() if self.settings.file is None else AudioFile(self.settings.file)
