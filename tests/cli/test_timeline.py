"""`softphone timeline`: the list, and one call from top to bottom."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict

import pytest

from softphone.cli import exits
from softphone.cli.timeline_drawing import drawn
from softphone.timeline.query import Query
from tests.cli.phone import Phone, running
from tests.cli.shell import softphone
from tests.control.fake_pbx import known


@pytest.fixture(scope="module")
def phone() -> Iterator[Phone]:
    with running() as phone:
        yield phone


def test_the_list(phone: Phone) -> None:
    ended = softphone("timeline", "--limit", "5", "--differences", socket=phone.path)
    lines = ended.out.splitlines()
    assert lines[0].split() == "TIMELINE BEGAN DIR EXTENSION FAR END FOR PBX CDR CALL DIFFERENCES".split()
    assert lines[1].split()[-2:] == ["ringing", "never_here"]
    assert lines[2].split()[-2:] == ["c1", "none"]
    assert phone.agent.commands[-1] == ("timelines", Query(limit=5, difference="any"))


def test_a_page_and_the_next(phone: Phone) -> None:
    ended = softphone("timeline", "--limit", "1", socket=phone.path)
    assert len(ended.out.splitlines()) == 2
    assert ended.err == "there are more: --before 1.5:t1\n"
    assert len(softphone("timeline", "--json", socket=phone.path).json["timelines"]) == 2


def test_one_call_is_drawn(phone: Phone) -> None:
    ended = softphone("timeline", "c1", socket=phone.path)
    assert "outgoing call of 901@pbx.example with 9196" in ended.out
    assert ended.out.splitlines()[-7:] == [
        " 0.000 s      ●        phone    calls 9196",
        " 0.300 s      │   ●    live     the PBX rings",
        " 2.000 s      ●   │    phone    answered (remote)",
        " 2.200 s      ┃   ●    live     the PBX has the call as active",
        "62.000 s      ■   ┃    phone    ended: hangup (remote)",
        "62.300 s          ■    live     the PBX has finished the call",
        "64.000 s          □    cdr      CDR: 60 s finished",
    ]


def test_a_call_that_never_came(phone: Phone) -> None:
    out = softphone("timeline", "u2", socket=phone.path).out
    assert "it never came here" in out
    assert "never_here: the PBX tells of a call at extension 901" in out


def test_one_that_nobody_knows(phone: Phone) -> None:
    assert softphone("timeline", "nobody", socket=phone.path).code == exits.REFUSED
    assert softphone("timeline", "u1", "--json", socket=phone.path).json["call"] == "c1"


def test_a_drawing_of_nothing() -> None:
    assert len(drawn([])) == 1
    assert len(drawn([asdict(entry) for view in known() for entry in view.entries])) == 9


def test_click_to_call_by_the_phone_that_runs(phone: Phone) -> None:
    ended = softphone("pbx", "click-to-call", "901", "33612345678", "--here", socket=phone.path)
    assert ended.out == "call      u1\nrecorded  yes\nexpected  x1\n"
    (name, destination, wanted) = phone.agent.commands[-1]
    assert (name, destination, wanted["account"], wanted["answer"]) == ("click_to_call", "33612345678", "901", True)
    ended = softphone("pbx", "click-to-call", "901", "9", "--here", "--no-auto-answer", "--json", socket=phone.path)
    assert ended.json["call_uuid"] == "u1"
    assert phone.agent.commands[-1][2]["answer"] is False
