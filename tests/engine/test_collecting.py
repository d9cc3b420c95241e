"""Digits put together: what ends it, what time-outs count from, and what was typed ahead."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from softphone import events
from softphone.engine.collecting import Collector, CollectPlan
from softphone.engine.views import CollectView
from softphone.errors import Conflict, NotFound, UsageError


class Scene:
    def __init__(self) -> None:
        self.told: list[events.Event] = []
        self.hushed = 0
        self.prompt = False
        self.collector = Collector("c1", "901@pbx", self.told.append, self._hush, lambda: self.prompt)

    def _hush(self) -> None:
        self.hushed += 1

    def type(self, digits: str) -> None:
        for digit in digits:
            self.collector.digit(digit)

    def start(self, **plan: Any) -> CollectView:
        return self.collector.start("g1", CollectPlan(**plan).checked())

    async def result(self) -> tuple[str, str, str]:
        async with asyncio.timeout(5):
            view = await self.collector.wait("g1")
        ends = [event for event in self.told if isinstance(event, events.DigitsCollected)]
        assert [(end.digits, end.reason, end.terminator) for end in ends] == [
            (view.digits, view.reason, view.terminator)
        ]
        return view.digits, view.reason, view.terminator


def play(scene: Callable[[Scene], Awaitable[None]]) -> None:
    async def run() -> None:
        made = Scene()
        await scene(made)
        made.collector.call_over()

    asyncio.run(run())


@pytest.mark.parametrize(
    ("typed", "plan", "result"),
    [
        ("1234", {"max_digits": 4}, ("1234", "max_digits", "")),
        ("12#", {"max_digits": 4}, ("12", "terminator", "#")),
        ("#", {"max_digits": 4}, ("", "terminator", "#")),
        ("12*3#", {"max_digits": 9, "terminators": "#*"}, ("12", "terminator", "*")),
        ("12#4", {"max_digits": 4, "terminators": ""}, ("12#4", "max_digits", "")),
        ("7", {}, ("7", "max_digits", "")),
    ],
)
def test_what_ends_it(typed: str, plan: dict[str, Any], result: tuple[str, str, str]) -> None:
    async def scene(it: Scene) -> None:
        it.start(**plan)
        it.type(typed)
        assert await it.result() == result

    play(scene)


@pytest.mark.parametrize(
    ("typed", "limits", "result"),
    [
        ("", {"first_timeout_s": 0.02}, ("", "timeout_first", "")),
        ("12", {"inter_digit_s": 0.02}, ("12", "timeout_inter", "")),
        ("12", {"total_s": 0.02}, ("12", "timeout_total", "")),
        ("", {"total_s": 0.02}, ("", "timeout_total", "")),
    ],
)
def test_what_takes_too_long(typed: str, limits: dict[str, float], result: tuple[str, str, str]) -> None:
    async def scene(it: Scene) -> None:
        it.start(max_digits=4, **limits)
        it.type(typed)
        assert await it.result() == result

    play(scene)


def test_the_first_digit_may_take_as_long_as_the_prompt() -> None:
    async def scene(it: Scene) -> None:
        it.prompt = True
        it.start(first_timeout_s=0.02)
        await asyncio.sleep(0.1)
        assert it.collector.view("g1").running
        it.prompt = False
        it.collector.played()
        assert (await it.result())[1] == "timeout_first"

    play(scene)


def test_a_prompt_that_ends_after_the_first_digit_starts_no_clock() -> None:
    async def scene(it: Scene) -> None:
        it.prompt = True
        it.start(max_digits=3, first_timeout_s=0.02, inter_digit_s=5)
        it.type("1")
        it.collector.played()
        await asyncio.sleep(0.1)
        it.type("23")
        assert await it.result() == ("123", "max_digits", "")

    play(scene)


def test_barge_in_begins_with_the_key_that_goes_down() -> None:
    async def scene(it: Scene) -> None:
        it.start(stop_plays=True)
        it.collector.begun()
        assert it.hushed == 1

    play(scene)


def test_without_barge_in_the_prompt_goes_on() -> None:
    async def scene(it: Scene) -> None:
        it.start(max_digits=2)
        it.collector.begun()
        it.type("1")
        assert it.hushed == 0

    play(scene)


def test_what_was_typed_ahead_counts() -> None:
    async def scene(it: Scene) -> None:
        it.type("12#34")
        it.start(max_digits=4, stop_plays=True)
        assert await it.result() == ("12", "terminator", "#")
        assert it.hushed == 1
        it.collector.start("g2", CollectPlan(max_digits=2))  # the rest waits for the next one
        assert (await it.collector.wait("g2")).digits == "34"

    play(scene)


def test_what_was_typed_ahead_can_be_forgotten() -> None:
    async def scene(it: Scene) -> None:
        it.type("12")
        it.start(max_digits=2, typed_ahead=False)
        it.type("34")
        assert (await it.result())[0] == "34"
        it.type("56")
        it.collector.forget()
        assert it.collector.start("g2", CollectPlan()).digits == ""

    play(scene)


def test_it_can_be_stopped_and_ends_with_the_call() -> None:
    async def scene(it: Scene) -> None:
        it.start(max_digits=9)
        it.type("12")
        assert it.collector.stop("g1").digits == "12"
        assert await it.result() == ("12", "stopped", "")
        it.collector.start("g2", CollectPlan(max_digits=9))
        it.type("3")
        it.collector.call_over()
        over = await it.collector.wait("g2")
        assert (over.digits, over.reason, over.running) == ("3", "call_ended", False)

    play(scene)


def test_one_at_a_time() -> None:
    async def scene(it: Scene) -> None:
        it.start(max_digits=9)
        with pytest.raises(Conflict, match="g1"):
            it.collector.start("g2", CollectPlan())
        with pytest.raises(NotFound):
            it.collector.stop("g7")
        with pytest.raises(NotFound):
            await it.collector.wait("g7")

    play(scene)


@pytest.mark.parametrize(
    "plan",
    [{"max_digits": 0}, {"max_digits": 999}, {"terminators": "x"}, {"first_timeout_s": 0}, {"total_s": 1e9}],
)
def test_what_cannot_be_asked_for(plan: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        CollectPlan(**plan).checked()
