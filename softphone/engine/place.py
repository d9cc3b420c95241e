"""The place of a call on the mixer, as everybody else sees it: it stays when the leg's own port changes or is held.

Plays, recordings, devices and other calls are connected to `shown`. On hold that is a stand-in: their time goes on
there unheard, and the leg's port is free for music. Muting belongs to `shown` too: a muted far end hears music.
"""

from __future__ import annotations

from collections.abc import Callable

from softphone.media.graph import MediaGraph
from softphone.media.ports import Absent, Mixer, PcmPort, Port


class Place:
    """`moved(port)` is called whenever `shown` has become another port."""

    def __init__(self, mixer: Mixer, graph: MediaGraph, name: str, moved: Callable[[Port], None]) -> None:
        self._mixer = mixer
        self._graph = graph
        self._name = name
        self._moved = moved
        self._stand_in: PcmPort | None = None
        self._drain: PcmPort | None = None
        self._muted = self._hushed = False
        self.shown: Port = Absent(name)
        self.leg: Port = self.shown

    @property
    def muted(self) -> bool:
        return self._muted

    def change(self, port: Port | None) -> None:
        """The leg has another port now, or none."""
        before, self.leg = self.leg, port or Absent(self._name)
        self._graph.replace(before, self.leg)
        if self._stand_in is None:
            self._show(self.leg)

    def hold(self) -> None:
        """From now on nobody's sound reaches the leg. Raises MediaError."""
        if self._stand_in is None:
            self._stand_in = self._sink("held")
            self._graph.replace(self.leg, self._stand_in)
            self._show(self._stand_in)

    def resume(self) -> None:
        """All connections are back on the leg's port."""
        stand_in, self._stand_in = self._stand_in, None
        if stand_in is not None:
            self._graph.replace(stand_in, self.leg)
            self._show(self.leg)
            stand_in.close()

    def mute(self) -> None:
        """Raises MediaError."""
        self._silence(True, self._hushed)

    def unmute(self) -> None:
        self._silence(False, self._hushed)

    def hush(self, hushed: bool) -> None:
        """Silences our side for a moment, whatever is muted or not. Raises MediaError."""
        self._silence(self._muted, hushed)

    def _silence(self, muted: bool, hushed: bool) -> None:
        wanted = muted or hushed
        if wanted and self._drain is None:
            self._drain = self._sink("muted")
            self._graph.mute(self.shown, self._drain)
        self._muted, self._hushed = muted, hushed
        if not wanted and (drain := self._drain) is not None:
            self._drain = None
            self._graph.unmute(self.shown)
            drain.close()

    def close(self) -> None:
        """The call is over: everything is disconnected."""
        self.resume()
        self._silence(False, False)
        self._graph.remove(self.leg)
        self.leg = Absent(self._name)
        self._show(self.leg)

    def _sink(self, what: str) -> PcmPort:
        """A port that takes sound and makes none; what it takes is forgotten."""
        return self._mixer.open_pcm(f"{self._name}, {what}", queue_ms=100, low_water_ms=20)

    def _show(self, port: Port) -> None:
        self.shown = port
        self._moved(port)
