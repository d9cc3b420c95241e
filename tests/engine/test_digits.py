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
        self.bad = ""
        self.confirm: Callable[[DigitSent | DigitFailed], None] = lambda _: None

    def dtmf_method(self, wanted: str) -> str:
        return "rfc4733" if wanted == "auto" else wanted

    def send_digit(self, digit: str, method: str, duration_ms: int) -> None:
        self.sent.append(digit)
        report = DigitFailed(digit, "no") if digit == self.bad else DigitSent(digit)
        asyncio.get_running_loop().call_soon(lambda: self.confirm(report))


def sending(leg: SlowLeg, *requests: str, stop_after: int | None = None) -> list[Outcome]:
    outcomes: list[Outcome] = []

    async def run() -> None:
        done = asyncio.Event()

        def told(outcome: Outcome) -> None:
            outcomes.append(outcome)
            if len(outcomes) == len(requests):
                done.set()

        sender = DigitSender(leg, told)  # type: ignore[arg-type]
        leg.confirm = sender.reported
        for digits in requests:
            sender.send(digits, "auto", 40, 1)
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
