"""Which calls ring where: one loop for each device and sound, begun by the first call and ended with the last."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from softphone.aio import Tasks
from softphone.bus import Bus
from softphone.config.sound import Ringer as Settings
from softphone.engine import ringer as module
from softphone.engine.ringer import Ringer
from softphone.errors import MediaError
from softphone.media.graph import MediaGraph
from softphone.media.ports import Level, Lost, Meter, Port, TalkSettings
from tests.media.fakes import FakeMixer, FakePort, turns, until


class FakeDevice:
    def __init__(self, name: str) -> None:
        self.port: Port = FakePort(name)
        self.closed = False
        self.lost: Callable[[Lost], None] | None = None

    def on_lost(self, callback: Callable[[Lost], None] | None) -> None:
        self.lost = callback

    def close(self) -> None:
        self.closed = True


class FakeMeter(FakePort):
    def read(self) -> Level:
        return Level(-96, -96, talking=False)

    def close(self) -> None:
        """Nothing to give back."""


class Sound(FakeMixer):
    """A mixer whose loudspeakers are opened, and may be missing."""

    def __init__(self) -> None:
        super().__init__()
        self.opened: list[FakeDevice] = []
        self.missing = False

    async def open_loudspeaker(self, playback: str | None) -> FakeDevice:
        if self.missing:
            raise MediaError("not plugged in")
        self.opened.append(FakeDevice(playback or "default"))
        return self.opened[-1]

    async def open_device(self, capture: str | None, playback: str | None) -> FakeDevice:
        raise MediaError("a bell needs no microphone")

    async def device_fault(self, capture: str | None, playback: str | None) -> str:
        return ""

    def open_meter(
        self, name: str, *, talk: TalkSettings | None = None, on_talk: Callable[[bool], None] | None = None
    ) -> Meter:
        return FakeMeter(name)

    def levels(self, port: Port) -> tuple[float, float]:
        return -96, -96

    def open(self) -> list[str]:
        return [d.port.name for d in self.opened if not d.closed]


HALL, DOOR = Settings(device="hall"), Settings(device="door", gain_db=6)


def scene(play: Callable[[Ringer, Sound, Bus], Awaitable[None]]) -> None:
    """Runs it with a phone whose `ringer` is the hall's."""

    async def run() -> None:
        sound, bus, tasks = Sound(), Bus(), Tasks("test")
        ringer = Ringer(bus, sound, MediaGraph(sound), tasks, HALL)
        await play(ringer, sound, bus)
        await tasks.close()
        assert sound.open() == []
        assert all(port.closed for port in sound.pcm_ports)

    asyncio.run(run())


def test_an_account_rings_on_its_own_device_or_on_the_phones_or_not_at_all() -> None:
    async def play(ringer: Ringer, sound: Sound, bus: Bus) -> None:
        ringer.ring("c1", "901", None)
        ringer.ring("c2", "902", DOOR)
        ringer.ring("c3", "903", Settings())
        ringer.ring("c4", "901", None)
        await until(lambda: len(sound.edges) == 2)
        assert sorted(sound.open()) == ["door", "hall"]
        assert list(sound.gains.values()) == [6]
        ringer.stop("c1")
        ringer.stop("c1")
        await turns()
        assert sorted(sound.open()) == ["door", "hall"]
        ringer.stop("c4")
        await turns()
        assert sound.open() == ["door"]
        ringer.default = Settings()
        ringer.ring("c5", "901", None)
        ringer.stop("c2")
        await turns()
        assert sound.open() == []

    scene(play)


def test_a_missing_device_is_told_once_and_a_lost_one_is_opened_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RETRY_S", 0.05)

    async def play(ringer: Ringer, sound: Sound, bus: Bus) -> None:
        told: list[str] = []
        bus.listen(lambda record: told.append(record.event.type))
        sound.missing = True
        ringer.ring("c1", "901", None)
        await until(lambda: told == ["ringer.failed"])
        sound.missing = False
        await until(lambda: len(sound.opened) == 1)
        await until(lambda: bool(sound.edges))
        first = sound.opened[0]
        assert first.lost is not None
        first.lost(Lost("hall", "a call needs it"))
        await until(lambda: len(sound.opened) == 2)
        assert first.closed
        assert told == ["ringer.failed"]

    scene(play)
