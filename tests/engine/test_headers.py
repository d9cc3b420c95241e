from __future__ import annotations

import pytest

from softphone.engine.headers import checked, telling
from softphone.errors import UsageError


def test_an_event_shows_what_tells_of_the_caller() -> None:
    found = {"From": ["a"], "P-Asserted-Identity": ["b"], "X-Ticket": ["7"], "Via": ["c"], "Contact": ["d"]}
    assert telling(found) == {"From": ["a"], "P-Asserted-Identity": ["b"], "X-Ticket": ["7"]}


def test_a_flood_of_headers_is_bounded() -> None:
    found = telling({"X-Big": ["x" * 10_000] * 100})
    assert len(found["X-Big"]) == 16
    assert len(found["X-Big"][0]) == 1024


def test_headers_of_our_own_pass() -> None:
    assert checked({"X-Ticket": "7", "Subject": "Grüße"}) == {"X-Ticket": "7", "Subject": "Grüße"}


@pytest.mark.parametrize("name", ["", "X Y", "X:Y", "X\r\nVia", "Via", "cOnTaCt", "f", "Route", "é"])
def test_names_that_would_break_the_message_are_refused(name: str) -> None:
    with pytest.raises(UsageError):
        checked({name: "x"})


@pytest.mark.parametrize("value", ["a\r\nVia: b", "a\nb", "\x00", "x" * 1025])
def test_values_that_would_break_the_message_are_refused(value: str) -> None:
    with pytest.raises(UsageError, match="X-A"):
        checked({"X-A": value})
