"""What a call says and where it is heard: files played, recordings, and the route to a sound device or file.

All of it is ports on the one mixer, connected to the call's port. The call's port may not exist yet, or change in
mid-call; the graph keeps the connections (see MediaGraph.replace).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

from softphone import events
from softphone.engine.device_line import DeviceLine
from softphone.engine.intercom import Intercom
from softphone.engine.metering import Metering
from softphone.engine.views import AudioRoute, RecordEndView, RecordView, SoundView
from softphone.engine.world import World
from softphone.errors import Conflict, MediaError, NotFound, SoftphoneError, UsageError
from softphone.media.player import PlayEnd, Player
from softphone.media.ports import PcmPort, Port
from softphone.media.recorder import RecordEnd, Recorder
from softphone.media.sources import Playlist, Source

log = logging.getLogger(__name__)

T = TypeVar("T")


@dataclass(slots=True)
class _Play:
    file: str
    player: Player
    port: PcmPort


@dataclass(slots=True)
class _Record:
    file: str
    recorder: Recorder
    ports: list[PcmPort] = field(default_factory=list)


class Sounds:
    """The sounds of one call."""

    def __init__(self, call_id: str, account_id: str, world: World, port: Port) -> None:
        self._call, self._account = call_id, account_id
        self._world = world
        self._port = port
        self._plays: dict[str, _Play] = {}
        self._records: dict[str, _Record] = {}
        self._route = AudioRoute()
        self.line = DeviceLine(call_id, account_id, world, port)
        self.metering = Metering(call_id, account_id, world, port)
        self._route_play: str | None = None
        self._over = False
        self._apart = False
        self.intercom: Intercom | None = None  # set before an answer that nobody gave by hand
        self._chiming: Intercom | None = None
        self.on_quiet: Callable[[], None] = _nothing
        """Runs when the last prompt is over: nothing is played any more but the route."""

    # ---- what the call tells

    def moved(self, port: Port) -> None:
        """The call has another port now; the graph has moved the connections already."""
        self._port = port
        self.line.moved(port)
        self.metering.moved(port)

    def answered(self) -> None:
        """From now on the route applies."""
        if self._world.media.talk.events and not self.metering.view():
            self.metering.begin(None)
        self._world.spawn(self._answered(), f"audio of call {self._call}")

    async def _answered(self) -> None:
        intercom, self.intercom = self.intercom, None
        if intercom is not None:
            intercom.before(self.line)
        await self._take_route()
        if intercom is not None and not self._over:
            self._chiming = intercom
            await self._chime(intercom)

    async def _chime(self, intercom: Intercom) -> None:
        try:
            await intercom.begin(self.line, self._port)
        except SoftphoneError as error:
            if self._over:
                return
            log.warning("call %s begins without its chime: %s", self._call, error)
            self._tell(events.AudioFailed(call=self._call, account=self._account, cause=str(error)))

    async def _take_route(self) -> None:
        try:
            await self._apply(self._route)
        except SoftphoneError as error:
            log.warning("call %s goes on without its audio route: %s", self._call, error)
            self._world.bus.publish(events.AudioFailed(call=self._call, account=self._account, cause=str(error)))
            if self._route.route == "device" and not self._over and not self._apart:
                self.line.wait_for(self._route, str(error))

    def call_over(self) -> None:
        """Ends everything; recordings are completed in the background."""
        self._over = True
        self._drop_route()
        if self._chiming is not None:
            self._chiming.stop()
        self.metering.end()
        for play in list(self._plays.values()):
            play.player.stop()
        for record in list(self._records.values()):
            record.recorder.stop()

    # ---- playing

    async def play(self, file: str, *, loop: bool = False) -> str:
        """Plays a file to the far end. Returns the play's id; `play.ended` tells its end. Raises MediaError."""
        path = _existing_path(file)
        source = self._world.prompts.source(path)
        play_id = self._world.new_id("p")
        return await self._play(play_id, file, Playlist([source], times=None) if loop else source)

    async def _play(self, play_id: str, file: str, source: Source) -> str:
        port = self._world.mixer.open_pcm(f"play {play_id}")
        player = Player(port, source, on_end=lambda end: self._play_ended(play_id, end))
        self._plays[play_id] = _Play(file, player, port)
        self._world.graph.connect(port, self._port)
        try:
            await player.start()
        except BaseException:  # given up by the caller too: nothing may stay open
            del self._plays[play_id]
            self._close(port)
            raise
        # only now is it known to be playable; its end cannot have been told yet, since that comes by the loop
        self._tell(events.PlayStarted(call=self._call, account=self._account, play=play_id, file=file))
        return play_id

    def _play_ended(self, play_id: str, end: PlayEnd) -> None:
        play = self._plays.pop(play_id, None)
        if play is None:
            return
        self._close(play.port)
        reason = "call_ended" if self._over and end.reason == "stopped" else end.reason
        self._tell(
            events.PlayEnded(
                call=self._call,
                account=self._account,
                play=play_id,
                file=play.file,
                reason=reason,
                played_s=round(end.played_s, 3),
                error=end.error,
            )
        )
        if not self.prompting():
            self.on_quiet()

    def prompting(self) -> bool:
        """Whether something is played beside the route."""
        return any(play_id != self._route_play for play_id in self._plays)

    def stop_prompts(self) -> None:
        """Silences all plays but the route's own (barge-in)."""
        for play_id, play in list(self._plays.items()):
            if play_id != self._route_play:
                play.player.stop()

    def stop_play(self, play_id: str | None = None) -> None:
        """Silences one play, or all of them. Raises NotFound."""
        for play in self._chosen(self._plays, play_id, "play"):
            play.player.stop()

    # ---- recording

    async def record(
        self, file: str, *, mode: str = "mono", overwrite: bool = False, max_duration_s: float | None = None
    ) -> str:
        """Records the call into a WAV file: `mono` mixes both sides, `stereo` has them left and us right.

        Returns the recording's id; `record.ended` tells its end. Raises MediaError, UsageError.
        """
        path = await self._recording_path(file)
        if self._over:
            raise Conflict(f"call {self._call} ended before the recording could begin")
        record_id = self._world.new_id("r")
        count = {"mono": 1, "stereo": 2}.get(mode)
        if count is None:
            raise UsageError(f"mode {mode!r}: a recording is mono or stereo")
        ports = [self._world.mixer.open_pcm(f"record {record_id}.{n}") for n in range(count)]
        try:
            recorder = Recorder(
                ports,
                path,
                on_end=lambda end: self._record_ended(record_id, end),
                overwrite=overwrite,
                max_duration_s=max_duration_s,
            )
            self._records[record_id] = _Record(str(path), recorder, ports)
            self._world.graph.tap_input(self._port, ports[0])
            self._world.graph.tap_output(self._port, ports[-1])
            await recorder.start()
        except BaseException:
            self._records.pop(record_id, None)
            for port in ports:
                self._close(port)
            raise
        self._tell(events.RecordStarted(call=self._call, account=self._account, record=record_id, file=str(path)))
        return record_id

    async def _recording_path(self, file: str) -> Path:
        path = Path(file)
        if path.is_absolute():
            return path
        if len(path.parts) != 1:
            raise UsageError(f"{file}: give a full path, or a bare name for the folder of recordings")
        folder = self._world.media.recordings_dir
        try:
            await asyncio.to_thread(folder.mkdir, parents=True, exist_ok=True)
        except OSError as error:
            raise MediaError(f"media.recordings_dir {folder} cannot be made: {error.strerror}") from None
        return folder / path

    def _record_ended(self, record_id: str, end: RecordEnd) -> None:
        record = self._records.pop(record_id, None)
        if record is None:
            return
        for port in record.ports:
            self._close(port)
        self._tell(
            events.RecordEnded(
                call=self._call,
                account=self._account,
                record=record_id,
                file=record.file,
                reason=self._record_reason(end),
                duration_s=round(end.duration_s, 3),
                error=end.error,
            )
        )

    def _record_reason(self, end: RecordEnd) -> str:
        return "call_ended" if self._over and end.reason == "stopped" else end.reason

    async def stop_record(self, record_id: str | None = None) -> list[RecordEndView]:
        """Completes one recording, or all of them. Raises NotFound."""
        chosen = {i: r for i, r in self._records.items() if record_id in (None, i)}
        self._chosen(self._records, record_id, "recording")
        views = []
        for key, record in chosen.items():
            end = await record.recorder.stop()
            views.append(
                RecordEndView(
                    record=key,
                    file=record.file,
                    reason=self._record_reason(end),
                    duration_s=round(end.duration_s, 3),
                    error=end.error,
                )
            )
        return views

    # ---- the route

    def plan_route(self, route: AudioRoute) -> None:
        """The route that the answer will put in force."""
        self._route = route

    async def set_route(self, route: AudioRoute, *, live: bool) -> None:
        """Where the call is heard and what it says; applied at once if the call is up (`live`). Raises MediaError."""
        if route.route == "file" and not route.file:
            raise UsageError("an audio route of kind file needs `file`")
        if live:
            await self._apply(route)
        self._route = route

    @property
    def apart(self) -> bool:
        """Whether our side has stepped out."""
        return self._apart

    def set_apart(self, apart: bool) -> None:
        """Our side steps out: the route waits until it is back. What was asked to be played goes on."""
        if apart == self._apart:
            return
        self._apart = apart
        if apart:
            self._drop_route()
        elif not self._over:
            self.answered()

    async def _apply(self, route: AudioRoute) -> None:
        if self._over or self._apart:
            return
        if route.route == "device":
            device = await self.line.find(route)
            if self._over or self._apart:
                device.close()
                return
            self._drop_route()
            self.line.take(device, route)
            return
        self._drop_route()
        if route.route == "file" and route.file:
            self._route_play = await self.play(route.file, loop=route.loop)

    def _drop_route(self) -> None:
        self.line.drop()
        if self._route_play is not None:
            play = self._plays.get(self._route_play)
            self._route_play = None
            if play is not None:
                play.player.stop()

    def set_gains(self, route: AudioRoute, input_db: float | None, output_db: float | None) -> AudioRoute:
        """The route with other gains (None: as they are), in force at once."""
        if input_db is not None:
            route = replace(route, input_gain_db=input_db)
        if output_db is not None:
            route = replace(route, output_gain_db=output_db)
        self._route = route
        self.line.set_gains(route)
        self._tell(
            events.AudioGain(
                call=self._call,
                account=self._account,
                input_db=route.input_gain_db,
                output_db=route.output_gain_db,
            )
        )
        return route

    # ---- small things

    def view(self, leg: Port) -> SoundView:
        far_dbfs, near_dbfs = self._world.mixer.levels(leg)
        return SoundView(
            device=self.line.state,
            cause=self.line.cause,
            far_dbfs=far_dbfs,
            near_dbfs=near_dbfs,
            meter=self.metering.view(),
        )

    def plays(self) -> list[str]:
        return list(self._plays)

    def records(self) -> list[RecordView]:
        return [RecordView(id=key, file=record.file) for key, record in self._records.items()]

    @staticmethod
    def _chosen(table: dict[str, T], key: str | None, what: str) -> list[T]:
        if key is None:
            return list(table.values())
        if key not in table:
            raise NotFound(f"there is no running {what} {key}")
        return [table[key]]

    def _close(self, port: PcmPort) -> None:
        self._world.graph.remove(port)
        port.close()

    def _tell(self, event: events.Event) -> None:
        self._world.bus.publish(event)


def _nothing() -> None:
    pass


def _existing_path(file: str) -> Path:
    path = Path(file)
    if not path.is_absolute():
        raise UsageError(f"{file}: give a full path")
    return path
