"""Meters on the mixer: native ports that measure by themselves (native/src/level.hpp), and the bell they share."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from typing import Any

import pjsua2 as pj

from softphone.errors import MediaError
from softphone.media.ports import Level, TalkSettings
from softphone.stacks.pjsip.mixer_port import BridgePort

SILENCE_DBFS = -96.0


def dbfs(share: float) -> float:
    """Decibels of an amplitude from 0 to 1."""
    return max(SILENCE_DBFS, round(20 * math.log10(share), 1)) if share > 0 else SILENCE_DBFS


class PjMeter(BridgePort):
    """A port that measures what it hears."""

    def __init__(self, meters: Meters, name: str, config: Any, on_talk: Callable[[bool], None] | None) -> None:
        self._meter = pj.MeterPort()
        self.key = self._meter.open(name, config, meters.bell)
        super().__init__(name, self._meter)
        self._meters = meters
        self._on_talk = on_talk
        self._changes = 0

    def read(self) -> Level:
        stat = self._meter.stat()
        return Level(dbfs(stat.rms), dbfs(stat.peak), bool(stat.talking))

    def look(self) -> None:
        """The bell rang, for this meter or another one."""
        stat = self._meter.stat()
        missed = stat.changes - self._changes
        self._changes = stat.changes
        if missed and self._on_talk is not None:
            self._on_talk(bool(stat.talking))

    def close(self) -> None:
        self._on_talk = None
        if self.media is not None:
            self._meters.forget(self)
            self.gone()
            self._meter.close()


class Meters:
    """All meters of one mixer. Belongs to the event loop's thread."""

    def __init__(self, rate_hz: int) -> None:
        self._rate_hz = rate_hz
        self.bell: Any = None
        self._meters: dict[int, PjMeter] = {}

    def start(self) -> None:
        """Call on the loop, once the endpoint is initialised."""
        self.bell = pj.MeterBell()
        asyncio.get_running_loop().add_reader(self.bell.fileno(), self._rung)

    def stop(self) -> None:
        """Closes what is still open; before libDestroy."""
        if self.bell is None:
            return
        asyncio.get_running_loop().remove_reader(self.bell.fileno())
        for meter in list(self._meters.values()):
            meter.close()
        self.bell = None

    def open(self, name: str, talk: TalkSettings | None, on_talk: Callable[[bool], None] | None) -> PjMeter:
        """Raises MediaError."""
        if self.bell is None:
            raise MediaError(f"cannot open {name}: the mixer is not running")
        config = pj.MeterConfig()
        config.clockRate = self._rate_hz
        config.talk = talk is not None
        if talk is not None:
            config.hangoverMs, config.marginDb, config.floorDbfs = talk.hangover_ms, talk.margin_db, talk.floor_dbfs
        try:
            meter = PjMeter(self, name, config, on_talk)
        except pj.Error as error:
            raise MediaError(f"cannot open {name} on the mixer: {error.reason}") from None
        self._meters[meter.key] = meter
        return meter

    def forget(self, meter: PjMeter) -> None:
        self._meters.pop(meter.key, None)

    def _rung(self) -> None:
        self.bell.take()
        for meter in list(self._meters.values()):
            meter.look()
