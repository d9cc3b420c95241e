"""`softphone expect` against a real control server."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from softphone.cli import exits
from tests.cli.phone import ACCOUNT, Phone, running
from tests.cli.shell import softphone


@pytest.fixture(scope="module")
def phone() -> Iterator[Phone]:
    with running() as phone:
        yield phone


def test_it_stays_until_the_call_has_come(phone: Phone) -> None:
    ended = softphone("expect", "call", "901", "--from", "9*", "--within", "1m", "--after", "2s", socket=phone.path)
    assert (ended.code, ended.out.strip()) == (0, "x1: c7 has come")
    assert phone.commands("expect_call")[-1] == ("expect_call", ACCOUNT, "9*", 60.0, 2.0, False)


def test_a_call_that_does_not_come_is_a_failure(phone: Phone) -> None:
    assert softphone("expect", "call", "901", "--from", "486", socket=phone.path).code == exits.FAILED


def test_it_lists_and_takes_back(phone: Phone) -> None:
    assert "x1" in softphone("expect", socket=phone.path).out
    assert softphone("expect", "cancel", "x1", socket=phone.path).code == 0
    assert phone.commands("forget_expected") == [("forget_expected", "x1")]
    assert softphone("expect", "cancel", "x9", socket=phone.path).code == exits.REFUSED
