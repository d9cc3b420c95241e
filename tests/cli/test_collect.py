"""`softphone collect` against a real control server."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from softphone.cli import exits
from softphone.engine.collecting import CollectPlan
from tests.cli.phone import Phone, running
from tests.cli.shell import softphone


@pytest.fixture(scope="module")
def phone() -> Iterator[Phone]:
    with running() as phone:
        phone.do(phone.agent.add_call)
        yield phone


def test_it_prints_the_digits(phone: Phone) -> None:
    args = ["--max", "4", "--terminators", "#*", "--first", "5s", "--between", "500ms", "--stop-plays", "--fresh"]
    ended = softphone("collect", "c1", *args, socket=phone.path)
    assert (ended.code, ended.out) == (0, "12\n")
    plan = CollectPlan(
        max_digits=4, terminators="#*", first_timeout_s=5, inter_digit_s=0.5, stop_plays=True, typed_ahead=False
    )
    assert phone.commands("start_collect")[-1] == ("start_collect", "c1", plan)


def test_nothing_typed_is_a_failure(phone: Phone) -> None:
    ended = softphone("collect", "c1", socket=phone.path)
    assert (ended.code, ended.out) == (exits.FAILED, "\n")
