"""What the phone can do with the sound of its calls: files played and recorded, routes, gains, levels, who talks."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Literal

from softphone.engine.call import Call
from softphone.engine.device_test import try_device
from softphone.engine.views import AudioRoute, CallView, DeviceTestView, RecordEndView
from softphone.engine.world import World
from softphone.errors import UsageError

LEAST_GAIN_DB, MOST_GAIN_DB = -30.0, 20.0


class SoundCommands(ABC):
    """Part of `Agent`. A call is named by its id; NotFound and Conflict (it has ended) are raised as everywhere."""

    _world: World

    @abstractmethod
    def _running(self, call_id: str) -> Call: ...

    async def play(self, call_id: str, file: str, *, loop: bool = False) -> str:
        """Plays a sound file to the far end; returns the play's id. Raises MediaError."""
        call = self._running(call_id)
        call.needs_media("play")
        return await call.sounds.play(file, loop=loop)

    def stop_play(self, call_id: str, play_id: str | None = None) -> None:
        self._running(call_id).sounds.stop_play(play_id)

    async def record(
        self,
        call_id: str,
        file: str,
        *,
        mode: Literal["mono", "stereo"] = "mono",
        overwrite: bool = False,
        max_duration_s: float | None = None,
    ) -> str:
        """Records the call into a WAV file; returns the recording's id. Raises MediaError."""
        call = self._running(call_id)
        call.needs_media("record")
        return await call.sounds.record(file, mode=mode, overwrite=overwrite, max_duration_s=max_duration_s)

    async def stop_record(self, call_id: str, record_id: str | None = None) -> list[RecordEndView]:
        return await self._running(call_id).sounds.stop_record(record_id)

    async def set_audio(self, call_id: str, route: AudioRoute) -> None:
        """Moves the call's sound to a device, a file, or nowhere. Raises MediaError."""
        await self._running(call_id).set_audio(route)

    def set_gain(self, call_id: str, *, input_db: float | None = None, output_db: float | None = None) -> CallView:
        """Makes the call's microphone (`input_db`) and loudspeaker louder or quieter, dB; None leaves one as it is.

        Recordings are of what the two sides said: the loudspeaker's gain is not in them. Raises UsageError.
        """
        for gain_db in (input_db, output_db):
            if gain_db is not None and not LEAST_GAIN_DB <= gain_db <= MOST_GAIN_DB:
                raise UsageError(f"a gain is {LEAST_GAIN_DB:g} to {MOST_GAIN_DB:g} dB, not {gain_db:g}; see also mute")
        call = self._running(call_id)
        call.set_gains(input_db, output_db)
        return call.view()

    def start_meter(self, call_id: str, *, interval_ms: int | None = None) -> CallView:
        """Measures the call: `audio.talk` tells who talks, `audio.level` each `interval_ms` how loud both sides are.

        It goes on until `stop_meter` or the call's end; asking again sets another interval. Raises UsageError.
        """
        call = self._running(call_id)
        call.needs_media("be measured")
        call.sounds.metering.begin(interval_ms)
        return call.view()

    def stop_meter(self, call_id: str) -> None:
        """Measures the call no more, unless `media.talk.events` wants it."""
        call = self._running(call_id)
        call.needs_media("be measured")
        call.sounds.metering.stop()

    async def test_device(self, name: str, *, listen_s: float = 2.0) -> DeviceTestView:
        """Plays a chime on a sound device and listens to its microphone for `listen_s`. Raises MediaError."""
        if not 0.1 <= listen_s <= 30:
            raise UsageError(f"a microphone is listened to for 0.1 to 30 s, not {listen_s:g}")
        return await try_device(self._world.mixer, self._world.graph, name, listen_s)
