"""A port of the mixer that hears dialled digits (native/src/digits.hpp)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pjsua2 as pj

from softphone.stacks.pjsip.mixer_port import BridgePort


class PjEar(BridgePort):
    """`on_digit(digit, duration_ms)` runs on the loop when a digit has been heard to its end."""

    def __init__(
        self, name: str, hub: Any, rate_hz: int, on_digit: Callable[[str, int], None], forget: Callable[[int], None]
    ) -> None:
        config = pj.PcmPortConfig()
        config.clockRate = rate_hz
        config.rxBufMs = config.txBufMs = 20
        config.hearDigits = True
        self._pcm = pj.PcmPort()
        self.key: int = self._pcm.open(name, config, hub)
        super().__init__(name, self._pcm)
        self._on_digit: Callable[[str, int], None] | None = on_digit
        self._forget = forget

    def heard(self, pcm: bytes) -> None:
        """It keeps no sound, so none is ever delivered."""

    def happened(self, flags: int) -> None:
        if not flags & pj.PCM_DIGITS:
            return
        for digit, _, duration_ms in self._pcm.takeDigits():
            if self._on_digit is not None:
                self._on_digit(digit, duration_ms)

    def close(self) -> None:
        self._on_digit = None
        if self.media is not None:
            self._forget(self.key)
            self.gone()
            self._pcm.close()
