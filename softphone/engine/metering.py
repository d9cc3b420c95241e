"""How loud the two sides of a call are, and who talks: told as events to those who asked for it.

The measuring is done by native ports on the mixer; Python reads figures, never samples.
"""

from __future__ import annotations

import asyncio
from functools import partial

from softphone import events
from softphone.engine.views import MeterView
from softphone.engine.world import World
from softphone.errors import UsageError
from softphone.media.ports import Meter, Port, TalkSettings

LEAST_INTERVAL_MS = 100
MOST_INTERVAL_MS = 60_000


class Metering:
    """The meters of one call; there are none until somebody asks."""

    def __init__(self, call_id: str, account_id: str, world: World, port: Port) -> None:
        self._call, self._account = call_id, account_id
        self._world = world
        self._port = port
        self._meters: dict[str, Meter] = {}
        self._interval_ms = 0
        self._ticking: asyncio.Task[None] | None = None

    def moved(self, port: Port) -> None:
        """The call has another port now; the graph has moved the connections already."""
        self._port = port

    def view(self) -> MeterView | None:
        """None while nothing is measured."""
        if not self._meters:
            return None
        far, near = self._meters["far"].read(), self._meters["near"].read()
        return MeterView(
            interval_ms=self._interval_ms or None,
            far_dbfs=far.rms_dbfs,
            far_peak_dbfs=far.peak_dbfs,
            far_talking=far.talking,
            near_dbfs=near.rms_dbfs,
            near_peak_dbfs=near.peak_dbfs,
            near_talking=near.talking,
        )

    def begin(self, interval_ms: int | None) -> None:
        """Tells who talks, and each `interval_ms` how loud both are (None: not that). Raises UsageError, MediaError."""
        if interval_ms is not None and not LEAST_INTERVAL_MS <= interval_ms <= MOST_INTERVAL_MS:
            raise UsageError(f"levels are told every {LEAST_INTERVAL_MS} to {MOST_INTERVAL_MS} ms, not {interval_ms}")
        if not self._meters:
            self._open()
        self._stop_ticking()
        self._interval_ms = interval_ms or 0
        if interval_ms is not None and not self._world.tasks.closed:
            self._ticking = self._world.tasks.spawn(self._tick(interval_ms / 1000), f"levels of {self._call}")

    def _open(self) -> None:
        talk = self._world.media.talk
        settings = TalkSettings(talk.hangover_ms, talk.margin_db, talk.floor_dbfs)
        for side in ("far", "near"):
            self._meters[side] = self._world.mixer.open_meter(
                f"{side} level of {self._call}", talk=settings, on_talk=partial(self._talk, side)
            )
        self._world.graph.tap_input(self._port, self._meters["far"])
        self._world.graph.tap_output(self._port, self._meters["near"])

    def stop(self) -> None:
        """Nobody asks any more; what the configuration wants told goes on."""
        if self._world.media.talk.events:
            self.begin(None)
        else:
            self.end()

    def end(self) -> None:
        """Nothing is measured any more."""
        self._stop_ticking()
        meters, self._meters = self._meters, {}
        self._interval_ms = 0
        for meter in meters.values():
            self._world.graph.remove(meter)
            meter.close()

    def _stop_ticking(self) -> None:
        if self._ticking is not None:
            self._ticking.cancel()
            self._ticking = None

    def _talk(self, side: str, talking: bool) -> None:
        self._world.bus.publish(events.AudioTalk(call=self._call, account=self._account, side=side, talking=talking))

    async def _tick(self, interval_s: float) -> None:
        while True:
            await asyncio.sleep(interval_s)
            far, near = self._meters["far"].read(), self._meters["near"].read()
            self._world.bus.publish(
                events.AudioLevel(
                    call=self._call,
                    account=self._account,
                    far_dbfs=far.rms_dbfs,
                    far_peak_dbfs=far.peak_dbfs,
                    far_talking=far.talking,
                    near_dbfs=near.rms_dbfs,
                    near_peak_dbfs=near.peak_dbfs,
                    near_talking=near.talking,
                )
            )
