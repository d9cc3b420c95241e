"""Digits as sound: said into a call, and heard in it."""

from __future__ import annotations

import logging
from collections.abc import Callable

from softphone.aio import Timers
from softphone.engine.place import Place
from softphone.engine.world import World
from softphone.errors import MediaError
from softphone.media.ports import Absent, Ear, PcmPort, Port
from softphone.media.tones import dtmf_digit
from softphone.stacks.base import Digit, DigitFailed, DigitSent, MediaChanged

log = logging.getLogger(__name__)

PATIENCE_S = 1.0
"""How much longer than its tone a digit may take to go out."""

HELD_BACK_S = 0.15
"""A digit that was heard waits so long: if it comes by INFO as well, it is one and the same."""


class Speaker:
    """Says digits into one call. `on_done` gets DigitSent or DigitFailed, once for each `say`."""

    def __init__(
        self, name: str, world: World, place: Place, on_done: Callable[[DigitSent | DigitFailed], None]
    ) -> None:
        self._name = name
        self._world = world
        self._place = place
        self._on_done = on_done
        self._timers = Timers()
        self._port: PcmPort | None = None
        self._sink: Port | None = None

    def say(self, digit: str, duration_ms: int) -> None:
        """The tone goes to the far end alone; whatever else our side says is silent meanwhile."""
        if isinstance(self._place.leg, Absent):
            self._on_done(DigitFailed(digit, "the call has no media to send digits in"))
            return
        try:
            self._port = self._world.mixer.open_pcm(f"digits of {self._name}", queue_ms=duration_ms + 100)
            self._place.hush(True)
        except MediaError as error:
            self._over(DigitFailed(digit, str(error)))
            return
        self._port.write(dtmf_digit(digit, duration_ms, self._port.rate_hz))
        self._sink = self._place.leg
        self._world.mixer.connect(self._port, self._sink)
        self._port.on_drained(lambda: self._over(DigitSent(digit)))
        late_s = duration_ms / 1000 + PATIENCE_S
        self._timers.set("late", late_s, lambda: self._over(DigitFailed(digit, "the tone did not go out in time")))

    def _over(self, report: DigitSent | DigitFailed) -> None:
        self.close()
        self._on_done(report)

    def close(self) -> None:
        self._timers.close()
        self._place.hush(False)
        port, self._port = self._port, None
        if port is not None and self._sink is not None:
            self._world.mixer.disconnect(port, self._sink)
        if port is not None:
            port.close()


class Listener:
    """Hears digits in what the far end of one call says, as the account's `dtmf_detect` wants it.

    A digit that comes by RFC 4733 or INFO ends it for this call: its sound, if any, would be the same key again.
    """

    def __init__(self, name: str, wanted: str, world: World, place: Place, on_digit: Callable[[Digit], None]) -> None:
        self._name = name
        self._wanted = wanted
        self._world = world
        self._place = place
        self._on_digit = on_digit
        self._timers = Timers()
        self._heard = 0
        self._ear: Ear | None = None

    def media(self, report: MediaChanged) -> None:
        """What was agreed for sound: with `auto` we listen only where the far end has no events to send."""
        wanted = self._wanted == "on" or (self._wanted == "auto" and not report.events)
        if report.port is None or not wanted:
            self._stop()
        elif self._ear is None:
            self._start()

    def _start(self) -> None:
        try:
            self._ear = self._world.mixer.open_ear(f"digits in {self._name}", self._hear)
        except MediaError as error:
            log.warning("%s: digits are not heard: %s", self._name, error)
            return
        self._world.graph.connect(self._place.shown, self._ear)

    def _stop(self) -> None:
        ear, self._ear = self._ear, None
        if ear is not None:
            self._world.graph.remove(ear)
            ear.close()

    def _hear(self, digit: str, duration_ms: int) -> None:
        self._heard += 1
        self._timers.set(
            f"digit {self._heard}", HELD_BACK_S, lambda: self._on_digit(Digit(digit, "inband", duration_ms))
        )

    def signalled(self) -> None:
        """The far end sends its digits by signalling."""
        self._wanted = "off"
        self.close()

    def close(self) -> None:
        self._timers.close()
        self._stop()
