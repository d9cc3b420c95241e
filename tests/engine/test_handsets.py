"""Who hears whom with handsets: worked out anew at each change, on a mixer that moves only when told to."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import pytest

from softphone import events
from softphone.aio import Tasks
from softphone.bus import Bus
from softphone.engine.handsets import Handsets
from softphone.errors import Conflict, NotFound, UsageError
from softphone.media.graph import MediaGraph
from tests.media.fakes import FakeMixer, FakePort


@dataclass
class Figures:
    remote_address: str = "192.0.2.1:5"
    local_candidate: str = "host"
    remote_candidate: str = "host"


class FakeHandset:
    def __init__(self, name: str, sink: Any) -> None:
        self.answer_sdp, self.codec, self.port, self.sink = "v=0", "opus/48000", FakePort(name), sink
        self.digits = ""

    def figures(self) -> Figures:
        return Figures()

    def send_digit(self, digit: str, duration_ms: int) -> bool:
        self.digits += digit
        return digit != "D"

    async def close(self) -> None:
        self.sink.handset_closed("closed", "")


class FakeStack:
    def __init__(self) -> None:
        self.made: list[FakeHandset] = []
        self.closed = False

    async def answer(self, offer: str, sink: Any, name: str) -> FakeHandset:
        if not offer:
            raise UsageError("no offer")
        self.made.append(FakeHandset(name, sink))
        return self.made[-1]

    async def close(self) -> None:
        self.closed = True


class FakeCall:
    def __init__(self, name: str) -> None:
        self.id, self.port = name, FakePort(name)
        self.sounds = SimpleNamespace(apart=False, line=SimpleNamespace(device=None, silenced=False, on_change=None))
        self.typed = ""

    def needs_media(self, what: str) -> None:
        """It is up."""

    def send_digits(self, digits: str, *_: Any) -> None:
        self.typed += digits


class Desk:
    """Handsets with two calls."""

    def __init__(self) -> None:
        self.bus, self.mixer, self.stack = Bus(), FakeMixer(), FakeStack()
        self.calls = {name: FakeCall(name) for name in ("c1", "c2")}
        self.together: list[list[str]] = []
        count = iter(range(1, 1000))
        world: Any = SimpleNamespace(
            bus=self.bus,
            graph=MediaGraph(self.mixer),
            new_id=lambda prefix: f"{prefix}{next(count)}",
            tasks=Tasks("test"),
        )
        self.graph = world.graph
        self.told: list[Any] = []
        self.bus.listen(lambda record: self.told.append(record.event))
        self.handsets = Handsets(world, self.stack, self._call, self._company)  # type: ignore[arg-type]

    def _call(self, call_id: str) -> Any:
        if call_id not in self.calls:
            raise NotFound(call_id)
        return self.calls[call_id]

    def _company(self, call: Any) -> Any:
        group = next((group for group in self.together if call.id in group), [call.id])
        return [self.calls[each] for each in group]

    def edges(self) -> set[tuple[str, str]]:
        return {(source.name, sink.name) for source, sink in self.mixer.edges}


@pytest.fixture
def desk() -> Desk:
    return Desk()


@pytest.fixture
def act() -> Callable[[Callable[[], Awaitable[None]]], None]:
    async def play(scene: Callable[[], Awaitable[None]]) -> None:
        await scene()

    return lambda scene: asyncio.run(play(scene))


async def seats(desk: Desk, *modes: str) -> None:
    for number, mode in enumerate(modes, 1):
        await desk.handsets.open("v=0")
        desk.handsets.attach(f"h{number}", "c1", mode)  # type: ignore[arg-type]


def test_talk_listen_whisper(desk: Desk, act: Any) -> None:
    async def scene() -> None:
        await seats(desk, "talk", "listen", "whisper")
        assert desk.edges() == {
            ("c1", "h1"), ("c1", "h2"), ("c1", "h3"),  # everybody hears the far end
            ("h1", "c1"), ("h1", "h2"), ("h1", "h3"),  # h1 talks
            ("h3", "h1"), ("h3", "h2"),  # h3 whispers
        }  # fmt: skip
        desk.handsets.attach("h3", "c1", "listen")
        assert not {edge for edge in desk.edges() if edge[0] == "h3"}
        desk.handsets.detach("h1", "c1")
        assert desk.edges() == {("c1", "h2"), ("c1", "h3")}

    act(scene)


def test_a_device_is_our_side_too(desk: Desk, act: Any) -> None:
    async def scene() -> None:
        await seats(desk, "whisper")
        line = desk.calls["c1"].sounds.line
        line.device = SimpleNamespace(port=FakePort("headset"))
        line.on_change()
        assert ("h1", "headset") in desk.edges()
        line.silenced = True
        line.on_change()
        assert desk.edges() == {("c1", "h1")}

    act(scene)


def test_members_of_a_conference_are_reached_together(desk: Desk, act: Any) -> None:
    async def scene() -> None:
        await seats(desk, "talk")
        desk.together = [["c1", "c2"]]
        desk.bus.publish(events.ConferenceStarted(conference="f1", calls=["c1", "c2"], local=True))
        assert desk.edges() == {("c1", "h1"), ("c2", "h1"), ("h1", "c1"), ("h1", "c2")}
        for call in desk.calls.values():
            call.sounds.apart = True
        desk.bus.publish(events.ConferenceChanged(conference="f1", calls=["c1", "c2"], local=False))
        assert desk.edges() == set()

    act(scene)


def test_a_call_that_gets_another_port_keeps_its_handsets(desk: Desk, act: Any) -> None:
    async def scene() -> None:
        await seats(desk, "talk")
        call, before = desk.calls["c1"], desk.calls["c1"].port
        call.port = FakePort("c1 anew")
        desk.graph.replace(before, call.port)
        desk.bus.publish(events.CallHold(call="c1", account="a", held=True, by="remote"))
        assert desk.edges() == {("c1 anew", "h1"), ("h1", "c1 anew")}

    act(scene)


def test_the_end_of_a_call_and_of_a_handset(desk: Desk, act: Any) -> None:
    async def scene() -> None:
        await seats(desk, "talk", "talk")
        desk.handsets.attach("h1", "c2", "talk")
        await desk.handsets.close("h2")
        assert desk.edges() == {("c1", "h1"), ("h1", "c1"), ("c2", "h1"), ("h1", "c2")}
        gone = desk.calls.pop("c1")
        desk.graph.remove(gone.port)
        ended: Any = events.CallEnded(
            call="c1",
            account="a",
            reason="x",
            by="x",
            code=0,
            sip_reason="",
            phase="x",
            cause="",
            duration_s=0,
            quality=None,
        )
        desk.bus.publish(ended)
        assert desk.handsets.view("h1").calls == {"c2": "talk"}
        assert [event.reason for event in desk.told if isinstance(event, events.HandsetDetached)] == [
            "closed",
            "call_ended",
        ]
        await desk.handsets.close_all()
        assert desk.edges() == set()
        assert desk.handsets.views() == []
        assert desk.stack.closed

    act(scene)


def test_keys_go_where_the_handset_talks(desk: Desk, act: Any) -> None:
    async def scene() -> None:
        await seats(desk, "talk")
        desk.handsets.attach("h1", "c2", "listen")
        desk.stack.made[0].sink.handset_connected()
        desk.stack.made[0].sink.handset_digit("5", 100)
        assert (desk.calls["c1"].typed, desk.calls["c2"].typed) == ("5", "")
        assert desk.handsets.view("h1").state == "connected"
        desk.handsets.send_digits("h1", "12", 100)
        assert desk.stack.made[0].digits == "12"
        with pytest.raises(Conflict):
            desk.handsets.send_digits("h1", "D", 100)

    act(scene)


def test_an_offer_that_is_refused_leaves_nothing(desk: Desk, act: Any) -> None:
    async def scene() -> None:
        with pytest.raises(UsageError):
            await desk.handsets.open("")
        assert desk.handsets.views() == []
        for number in range(200):
            await desk.handsets.open("v=0", str(number))
        with pytest.raises(Conflict, match="200"):
            await desk.handsets.open("v=0")

    act(scene)
