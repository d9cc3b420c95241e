"""The place of a call on the mixer, as everybody else sees it: it stays when the leg's own port changes or is held.

Plays, recordings, devices and other calls are connected to `shown`. On hold that is a stand-in: their connections wait
there, and the leg's port is free for music. Muting belongs to `shown` too, so music is heard by a muted far end.
"""

from __future__ import annotations

from collections.abc import Callable

from softphone.media.graph import MediaGraph
from softphone.media.ports import Absent, Port


class Place:
    """`moved(port)` is called whenever `shown` has become another port."""

    def __init__(self, graph: MediaGraph, name: str, moved: Callable[[Port], None]) -> None:
        self._graph = graph
        self._name = name
        self._moved = moved
        self.shown: Port = Absent(name)
        self.leg: Port = self.shown
        self.muted = False

    @property
    def held(self) -> bool:
        return self.shown is not self.leg

    def change(self, port: Port | None) -> None:
        """The leg has another port now, or none."""
        held = self.held
        before, self.leg = self.leg, port or Absent(self._name)
        self._graph.replace(before, self.leg)
        if not held:
            self._show(self.leg)

    def hold(self) -> None:
        """Everybody's connections wait from now on."""
        if not self.held:
            stand_in = Absent(f"{self._name}, held")
            self._graph.replace(self.leg, stand_in)
            self._show(stand_in)

    def resume(self) -> None:
        """They are back on the leg's port."""
        if self.held:
            self._graph.replace(self.shown, self.leg)
            self._show(self.leg)

    def mute(self, muted: bool) -> None:
        self.muted = muted
        if muted:
            self._graph.mute(self.shown)
        else:
            self._graph.unmute(self.shown)

    def close(self) -> None:
        """The call is over: everything is disconnected."""
        for port in {self.shown, self.leg}:
            self._graph.remove(port)
        self.leg = Absent(self._name)
        self._show(self.leg)

    def _show(self, port: Port) -> None:
        self.shown = port
        self._moved(port)
