"""Digits as sound in one call: who hears them, what is silent meanwhile, and which are heard."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import Any

import pytest

from softphone.engine.inband import Listener, Speaker
from softphone.engine.place import Place
from softphone.media.graph import MediaGraph
from softphone.stacks.base import Digit, DigitFailed, DigitSent, MediaChanged
from tests.media.fakes import FakeMixer, FakePort


class FakeEar(FakePort):
    def __init__(self, name: str, on_digit: Callable[[str, int], None]) -> None:
        super().__init__(name)
        self.hear = on_digit
        self.closed = False

    def close(self) -> None:
        self.closed = True


class EarMixer(FakeMixer):
    """A mixer whose ears hear what the test says."""

    def __init__(self) -> None:
        super().__init__()
        self.ears: list[FakeEar] = []

    def open_ear(self, name: str, on_digit: Callable[[str, int], None]) -> FakeEar:
        self.ears.append(FakeEar(name, on_digit))
        return self.ears[-1]


class Scene:
    def __init__(self, wanted: str = "auto") -> None:
        self.mixer = EarMixer()
        graph = MediaGraph(self.mixer)
        world: Any = SimpleNamespace(mixer=self.mixer, graph=graph)
        self.place = Place(self.mixer, graph, "call c1", lambda port: None)
        self.leg, self.voice = FakePort("leg"), FakePort("voice")
        self.done: list[DigitSent | DigitFailed] = []
        self.heard: list[Digit] = []
        self.speaker = Speaker("call c1", world, self.place, self.done.append)
        self.listener = Listener("call c1", wanted, world, self.place, self.heard.append)
        graph.connect(self.voice, self.place.shown)

    def media(self, *, events: bool, present: bool = True) -> None:
        port = self.leg if present else None
        self.place.change(port)
        self.listener.media(MediaChanged(port, events=events))

    def heard_at_leg(self) -> set[str]:
        return {source.name for source, sink in self.mixer.edges if sink is self.leg}

    def listening(self) -> bool:
        return any(not ear.closed for ear in self.mixer.ears)


def play(scene: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(scene())  # type: ignore[arg-type]


def test_while_a_digit_sounds_nothing_else_is_heard() -> None:
    async def scene() -> None:
        it = Scene()
        it.media(events=True)
        it.speaker.say("5", 100)
        assert it.heard_at_leg() == {"digits of call c1"}
        it.mixer.tick(8)
        assert it.done == [DigitSent("5")]
        assert it.heard_at_leg() == {"voice"}
        assert not it.place.muted

    play(scene)


def test_a_muted_phone_says_digits_and_stays_muted() -> None:
    async def scene() -> None:
        it = Scene()
        it.media(events=True)
        it.place.mute()
        it.speaker.say("5", 60)
        assert it.heard_at_leg() == {"digits of call c1"}
        it.mixer.tick(8)
        assert it.done == [DigitSent("5")]
        assert it.heard_at_leg() == set()
        assert it.place.muted

    play(scene)


def test_without_media_a_digit_fails_at_once() -> None:
    async def scene() -> None:
        it = Scene()
        it.speaker.say("5", 60)
        assert [type(report) for report in it.done] == [DigitFailed]

    play(scene)


@pytest.mark.parametrize(
    ("wanted", "events", "listens"),
    [("auto", False, True), ("auto", True, False), ("on", True, True), ("off", False, False)],
)
def test_when_it_listens(wanted: str, events: bool, listens: bool) -> None:
    async def scene() -> None:
        it = Scene(wanted)
        it.media(events=events)
        assert it.listening() is listens
        it.media(events=events, present=False)
        assert not it.listening()
        it.media(events=events)
        assert it.listening() is listens

    play(scene)


def test_a_digit_is_told_a_moment_after_it_was_heard() -> None:
    async def scene() -> None:
        it = Scene("on")
        it.media(events=False)
        it.mixer.ears[0].hear("5", 80)
        assert it.heard == []
        async with asyncio.timeout(5):
            while not it.heard:  # noqa: ASYNC110 - the listener has no other way to tell
                await asyncio.sleep(0.01)
        assert it.heard == [Digit("5", "inband", 80)]

    play(scene)


def test_a_digit_that_is_signalled_too_is_not_told_twice() -> None:
    async def scene() -> None:
        it = Scene("on")
        it.media(events=True)
        it.mixer.ears[0].hear("5", 80)
        it.listener.signalled()
        await asyncio.sleep(0.3)
        assert it.heard == []
        assert not it.listening()
        it.media(events=False)
        assert not it.listening()

    play(scene)
