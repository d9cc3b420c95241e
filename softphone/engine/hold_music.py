"""What a far end hears while our side holds it."""

from __future__ import annotations

import logging
from pathlib import Path

from softphone.engine.world import World
from softphone.errors import SoftphoneError
from softphone.media.files import AudioFile
from softphone.media.player import Player
from softphone.media.ports import PcmPort, Port
from softphone.media.sources import Playlist

log = logging.getLogger(__name__)


class HoldMusic:
    """A file that plays again and again into one port. Without a file it does nothing."""

    def __init__(self, file: Path | None, world: World) -> None:
        self._file = file
        self._world = world
        self._player: Player | None = None
        self._port: PcmPort | None = None

    def start(self, to: Port) -> None:
        if self._file is None or self._port is not None:
            return
        self._port = self._world.mixer.open_pcm("hold music")
        self._player = Player(self._port, Playlist([AudioFile(self._file)], times=None))
        self._world.graph.connect(self._port, to)
        self._world.spawn(self._play(self._player), "hold music")

    async def _play(self, player: Player) -> None:
        try:
            await player.start()
        except SoftphoneError as error:
            if player is self._player:  # else it was stopped before it could begin
                log.warning("calls.hold_music cannot be played: %s", error)
                self.stop()

    def stop(self) -> None:
        player, self._player = self._player, None
        port, self._port = self._port, None
        if player is not None:
            player.stop()
        if port is not None:
            self._world.graph.remove(port)
            port.close()
