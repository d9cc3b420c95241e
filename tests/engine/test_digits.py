from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from softphone.engine.digits import DigitSender, Outcome
from softphone.errors import UsageError
from softphone.stacks.base import DigitFailed, DigitSent


class SlowLeg:
    """Confirms each digit in the next turn of the loop, unless it is one that fails."""

    def __init__(self) -> None:
        self.sent: list[str] = []
        self.said: list[str] = []
        self.bad = ""
        self.auto = "rfc4733"
        self.refuses = False
        self.confirm: Callable[[DigitSent | DigitFailed], None] = lambda _: None

    def dtmf_method(self, wanted: str) -> str:
        return self.auto if wanted == "auto" else wanted

    def say(self, digit: str, duration_ms: int) -> None:
        self.said.append(digit)
        asyncio.get_running_loop().call_soon(lambda: self.confirm(DigitSent(digit)))

    def send_digit(self, digit: str, method: str, duration_ms: int) -> None:
        self.sent.append(digit)
        report = DigitFailed(digit, "no", self.refuses) if digit == self.bad else DigitSent(digit)
        asyncio.get_running_loop().call_soon(lambda: self.confirm(report))


def sending(leg: SlowLeg, *requests: str, stop_after: int | None = None, method: str = "auto") -> list[Outcome]:
    outcomes: list[Outcome] = []

    async def run() -> None:
        done = asyncio.Event()

        def told(outcome: Outcome) -> None:
            outcomes.append(outcome)
            if len(outcomes) == len(requests):
                done.set()

        sender = DigitSender(leg, told, leg.say)  # type: ignore[arg-type]
        leg.confirm = sender.reported
        for digits in requests:
            sender.send(digits, method, 40, 1)
        if stop_after is not None:
            sender.close("the call ended")
        async with asyncio.timeout(5):
            await done.wait()

    asyncio.run(run())
    return outcomes


def test_one_request_after_the_other() -> None:
    leg = SlowLeg()
    assert sending(leg, "12", "3#") == [Outcome("12", "rfc4733", 2), Outcome("3#", "rfc4733", 2)]
    assert leg.sent == ["1", "2", "3", "#"]


def test_a_pause_is_kept_and_not_sent() -> None:
    leg = SlowLeg()
    assert sending(leg, "1,2") == [Outcome("1,2", "rfc4733", 3)]
    assert leg.sent == ["1", "2"]


def test_a_digit_that_fails_ends_its_request_only() -> None:
    leg = SlowLeg()
    leg.bad = "5"
    assert sending(leg, "456", "7") == [Outcome("456", "rfc4733", 1, "no"), Outcome("7", "rfc4733", 1)]


def test_the_end_of_the_call_fails_what_waits() -> None:
    outcomes = sending(SlowLeg(), "12", "3", stop_after=0)
    assert [outcome.cause for outcome in outcomes] == ["the call ended"] * 2


def test_what_is_no_digit_is_refused_before_anything_is_sent() -> None:
    leg = SlowLeg()
    with pytest.raises(UsageError, match="'x' at place 2"):
        sending(leg, "1x")
    assert leg.sent == []


def test_digits_as_sound_are_said_and_not_sent() -> None:
    leg = SlowLeg()
    assert sending(leg, "12", method="inband") == [Outcome("12", "inband", 2)]
    assert (leg.said, leg.sent) == (["1", "2"], [])


def test_where_info_is_refused_automatic_digits_are_said() -> None:
    leg = SlowLeg()
    leg.auto, leg.bad, leg.refuses = "info", "1", True
    assert sending(leg, "12", "1") == [Outcome("12", "inband", 2), Outcome("1", "inband", 1)]
    assert (leg.sent, leg.said) == (["1"], ["1", "2", "1"])  # one refusal is enough to know


def test_what_was_asked_for_by_name_is_not_sent_in_another_way() -> None:
    leg = SlowLeg()
    leg.bad, leg.refuses = "1", True
    assert sending(leg, "12", method="info") == [Outcome("12", "info", 0, "no")]
    assert leg.said == []
