"""Open sound devices as ports of the mixer, and who holds them."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pjsua2 as pj

from softphone.media.ports import Lost
from softphone.stacks.pjsip.device_faults import Pair, both
from softphone.stacks.pjsip.mixer_port import BridgePort

log = logging.getLogger(__name__)


def close_natively(native: Any) -> None:
    """May block for as long as the sound system likes."""
    try:
        native.close()
    except pj.Error as error:
        log.warning("a sound device was not closed: %s", error.reason)


class Shared:
    """One open pair of devices, used by any number of calls."""

    def __init__(self, pair: Pair, native: Any, places: tuple[int, int]) -> None:
        self.pair, self.places = pair, places
        self.users = 0
        self.lost = False
        self._native = native
        self._holds: list[DevicePort] = []
        self.port = BridgePort(f"device {both(*pair)}", native)

    def hold(self, release: Callable[[Shared], None]) -> DevicePort:
        """One user more."""
        self.users += 1
        held = DevicePort(self, release)
        self._holds.append(held)
        return held

    def let_go(self, held: DevicePort) -> None:
        self.users -= 1
        self._holds.remove(held)

    def lose(self, lost: Lost) -> None:
        """It works no more, and is not shared any more; everybody who holds it is told."""
        self.lost = True
        for held in list(self._holds):
            held.lose(lost)

    def close(self) -> Callable[[], None]:
        """Takes the port away from the loop's side; what is returned closes the device and may block."""
        native, self._native = self._native, None
        self.port.gone()
        return lambda: close_natively(native)


class DevicePort:
    """One user's hold on a pair of devices."""

    def __init__(self, shared: Shared, release: Callable[[Shared], None]) -> None:
        self._shared: Shared | None = shared
        self._release = release
        self._on_lost: Callable[[Lost], None] | None = None
        self.port = shared.port

    def on_lost(self, callback: Callable[[Lost], None] | None) -> None:
        self._on_lost = callback

    def lose(self, lost: Lost) -> None:
        """The device works no more."""
        callback, self._on_lost = self._on_lost, None
        if callback is not None:
            callback(lost)

    def close(self) -> None:
        if (shared := self._shared) is not None:
            self._shared = self._on_lost = None
            shared.let_go(self)
            self._release(shared)
