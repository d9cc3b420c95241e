"""RFC 4733 events as PJSIP tells them become key presses, each once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from softphone.stacks.base import Digit, DigitBegun, LegReport
from softphone.stacks.pjsip import digits
from softphone.stacks.pjsip.digits import LegDigits

UPDATE, END = 1, 2


def told(*packets: tuple[str, int, int, int]) -> list[LegReport]:
    """What is reported of packets: digit, time stamp, duration so far, flags."""

    async def run() -> list[LegReport]:
        reports: list[LegReport] = []
        found = LegDigits(lambda what, call: False, reports.append, lambda delay_s, call: None)
        for packet in packets:
            found.event(*packet)
        found.close()
        return reports

    return asyncio.run(run())


def press(digit: str, stamp: int, *durations: int) -> list[tuple[str, int, int, int]]:
    first, *others = durations
    return [(digit, stamp, first, 0), *((digit, stamp, d, UPDATE) for d in others), (digit, stamp, 160, UPDATE | END)]


def test_a_key_is_told_when_it_goes_down_and_when_it_is_let_go() -> None:
    assert told(*press("5", 1000, 20, 40, 60)) == [DigitBegun("5", "rfc4733"), Digit("5", "rfc4733", 160)]


def test_the_same_key_twice_is_two_presses() -> None:
    reports = told(*press("5", 1000, 20, 40), *press("5", 1400, 20, 40))
    assert [r for r in reports if isinstance(r, Digit)] == [Digit("5", "rfc4733", 160)] * 2


def test_packets_that_come_late_or_again_are_no_new_press() -> None:
    late = [("5", 1000, 40, 0), ("5", 1000, 160, UPDATE | END), ("5", 1000, 60, UPDATE)]
    assert told(*press("5", 1000, 20, 60), *late) == [DigitBegun("5", "rfc4733"), Digit("5", "rfc4733", 160)]


def test_an_older_packet_in_between_changes_nothing() -> None:
    packets = [("5", 1000, 40, 0), ("5", 1000, 20, 0), ("5", 1000, 60, UPDATE | END)]
    assert told(*packets) == [DigitBegun("5", "rfc4733"), Digit("5", "rfc4733", 60)]


def test_a_next_key_ends_one_whose_end_was_lost() -> None:
    reports = told(("5", 1000, 80, 0), *press("6", 2000, 20))
    assert [r for r in reports if isinstance(r, Digit)] == [Digit("5", "rfc4733", 80), Digit("6", "rfc4733", 160)]


def test_a_sender_that_moves_the_time_stamp_on_presses_one_key() -> None:
    packets = [("5", 1000, 20, 0), ("5", 1020, 40, UPDATE), ("5", 1040, 60, UPDATE | END)]
    assert told(*packets) == [DigitBegun("5", "rfc4733"), Digit("5", "rfc4733", 60)]


def test_only_the_end_may_arrive() -> None:
    assert told(("5", 1000, 160, END)) == [DigitBegun("5", "rfc4733"), Digit("5", "rfc4733", 160)]


def test_an_event_without_an_end_is_over_after_a_while() -> None:
    async def run() -> None:
        over = asyncio.Event()
        reports: list[LegReport] = []

        def heard(report: LegReport) -> None:
            reports.append(report)
            if isinstance(report, Digit):
                over.set()

        after: Callable[[float, Callable[[], None]], None] = lambda delay_s, call: None  # noqa: E731
        found = LegDigits(lambda what, call: False, heard, after)
        found.event("5", 1000, 80, 0)
        async with asyncio.timeout(digits.LOST_END_S + 5):
            await over.wait()
        assert reports == [DigitBegun("5", "rfc4733"), Digit("5", "rfc4733", 80)]

    asyncio.run(run())


@pytest.mark.parametrize(
    ("said", "digit"), [("5", "5"), ("#", "#"), ("d", "D"), ("!", ""), ("\udc80", ""), ("", ""), ("12", "")]
)
def test_what_an_info_says_is_a_digit_or_nothing(said: str, digit: str) -> None:
    async def run() -> list[LegReport]:
        reports: list[LegReport] = []
        LegDigits(lambda what, call: False, reports.append, lambda delay_s, call: None).info(said, 100)
        return reports

    assert asyncio.run(run()) == ([Digit(digit, "info", 100)] if digit else [])


def test_flash_is_no_digit() -> None:
    assert told(("R", 1000, 20, 0), ("R", 1000, 160, UPDATE | END)) == []
