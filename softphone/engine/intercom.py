"""A call that the phone has taken by itself: whoever is in the room is warned before they are heard.

A chime sounds at the loudspeaker, to the caller, or both; only then do the two sides hear each other. The microphone
may stay shut even then, until somebody presses a talk button: that is the call's mute.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from softphone.config.sound import Intercom as Settings
from softphone.engine.device_line import DeviceLine
from softphone.engine.world import World
from softphone.errors import Conflict, MediaError
from softphone.media.files import AudioFile
from softphone.media.player import Player
from softphone.media.ports import PcmPort, Port
from softphone.media.sources import Source
from softphone.media.tones import attention


class Intercom:
    """What is special about the beginning of one call. `mute()` shuts its microphone."""

    def __init__(self, settings: Settings, world: World, mute: Callable[[], None]) -> None:
        self._settings, self._world, self._mute = settings, world, mute
        self._player: Player | None = None

    def before(self, line: DeviceLine) -> None:
        """Before the device is opened: nothing passes yet."""
        line.silence(self._settings.attention != "none")

    async def begin(self, line: DeviceLine, call: Port) -> None:
        """Sounds the chime and lets the two sides hear each other. Raises MediaError if the chime cannot be had."""
        try:
            await self._chime(list(self._hearers(line, call)))
        finally:
            if self._settings.microphone == "muted":
                self._mute()
            line.silence(False)

    def stop(self) -> None:
        """The call is over."""
        if self._player is not None:
            self._player.stop()

    def _hearers(self, line: DeviceLine, call: Port) -> Iterable[Port]:
        if self._settings.attention in ("speaker", "both") and line.device is not None:
            yield line.device.port
        if self._settings.attention in ("caller", "both"):
            yield call

    async def _chime(self, hearers: list[Port]) -> None:
        if not hearers:
            return
        port = self._world.mixer.open_pcm("attention")
        try:
            for hearer in hearers:
                self._world.graph.connect(port, hearer)
            await self._play(port)
        finally:
            self._world.graph.remove(port)
            port.close()

    async def _play(self, port: PcmPort) -> None:
        sound: Source = attention() if self._settings.file is None else AudioFile(self._settings.file)
        self._player = Player(port, sound)
        try:
            await self._player.start()
        except Conflict:  # the call ended meanwhile
            return
        end = await self._player.wait()
        if end.reason == "failed":
            raise MediaError(end.error)
