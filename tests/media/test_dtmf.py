"""Digits: what is one, and its numbers."""

from __future__ import annotations

import pytest

from softphone.errors import UsageError
from softphone.media import dtmf
from softphone.media.dtmf import Run


def test_event_numbers_of_rfc_4733() -> None:
    assert [dtmf.EVENTS[digit] for digit in "0123456789*#ABCD"] == list(range(16))
    assert [dtmf.digit_of(number) for number in range(16)] == list("0123456789*#ABCD")
    assert dtmf.digit_of(16) is None
    assert dtmf.digit_of(-1) is None


def test_frequencies_of_q23() -> None:
    assert dtmf.FREQUENCIES_HZ["1"] == (697, 1209)
    assert dtmf.FREQUENCIES_HZ["0"] == (941, 1336)
    assert dtmf.FREQUENCIES_HZ["#"] == (941, 1477)
    assert dtmf.FREQUENCIES_HZ["D"] == (941, 1633)
    assert len(set(dtmf.FREQUENCIES_HZ.values())) == 16


def test_small_letters_and_the_pause_by_its_other_name() -> None:
    assert dtmf.normalize("12w#a,d") == "12,#A,D"


@pytest.mark.parametrize(
    ("text", "said"), [("12x4", "'x' at place 3"), ("1 2", "' ' at place 2"), ("", "no digits"), ("1" * 129, "129")]
)
def test_what_is_no_digit_is_named(text: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        dtmf.normalize(text)


def test_other_scripts_digits_are_not_digits() -> None:
    with pytest.raises(UsageError):
        dtmf.normalize("١٢")
    with pytest.raises(UsageError):
        dtmf.normalize("ß")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("123", (Run(0, "123"),)),
        ("1,2", (Run(0, "1"), Run(0.5, "2"))),
        (",,12w#,", (Run(1.0, "12"), Run(0.5, "#"), Run(0.5, ""))),
        (",", (Run(0.5, ""),)),
    ],
)
def test_runs_between_pauses(text: str, expected: tuple[Run, ...]) -> None:
    assert dtmf.runs(text) == expected
