"""Who asks to be answered, whom a rule lets decide that, and calls that a program announced."""

from __future__ import annotations

import asyncio

import pytest

from softphone import events
from softphone.bus import Bus
from softphone.config.accounts import IncomingRule
from softphone.engine.autoanswer import asked_s
from softphone.engine.expected import ExpectedCalls
from softphone.engine.fsm import Offered
from softphone.engine.policy import decide
from softphone.errors import NotFound, UsageError


@pytest.mark.parametrize(
    ("name", "value", "delay_s"),
    [
        ("Call-Info", "<sip:pbx.example>;answer-after=0", 0),
        ("call-info", "<sip:pbx.example>; Answer-After = 5", 5),
        ("Call-Info", ";answer-after=0", 0),
        ("Call-Info", "answer-after=0", 0),
        ("Call-Info", "<http://a.example/x,y;z>;purpose=icon, <sip:pbx.example>;answer-after=2", 2),
        ("Call-Info", "<sip:127.0.0.1>;info=alert-autoanswer;delay=3", 3),
        ("Alert-Info", "<http://pbx.example>;info=alert-autoanswer;delay=0", 0),
        ("Alert-Info", "info=alert-autoanswer", 0),
        ("Alert-Info", '<sip:pbx.example>;info="Auto Answer"', 0),
        ("Alert-Info", "<http://pbx.example>;info=RingAnswer", 0),
        ("Alert-Info", "Ring Answer", 0),
        ("Alert-Info", "Auto Answer", 0),
        ("Alert-Info", "Intercom", 0),
        ("Alert-Info", "intercom=true", 0),
        ("Alert-Info", "intercom=false", None),
        ("Call-Info", "sip:pbx.example;answer-after=0", 0),
        ("Alert-Info", "answer-after=1", 1),
        ("Answer-Mode", "Auto", 0),
        ("Priv-Answer-Mode", "auto;require", 0),
        ("P-Auto-Answer", "normal", 0),
        ("X-Auto-Answer", "true", 0),
        ("X-AUTOANSWER", "TRUE", 0),
        ("Call-Info", "<http://www.example/photo.jpg>;purpose=icon", None),
        ("Call-Info", "<http://intercom.example/?answer-after=0>", None),
        ("Call-Info", "<sip:pbx.example>;answer-after=soon", None),
        ("Call-Info", "<sip:pbx.example>;answer-after=-1", None),
        ("Call-Info", "<sip:pbx.example>;answer-after=4000", None),
        ("Alert-Info", "<http://pbx.example>;info=family", None),
        ("Alert-Info", "Bellcore-dr2", None),
        ("Answer-Mode", "Manual", None),
        ("X-Auto-Answer", "false", None),
        ("Subject", "answer-after=0", None),
        ("Call-Info", "", None),
        ("Call-Info", '"<;,=' * 50, None),
    ],
)
def test_what_a_header_asks_for(name: str, value: str, delay_s: float | None) -> None:
    assert asked_s({name: [value]}) == delay_s


def test_manual_overrules_what_asks_for_an_answer() -> None:
    assert asked_s({"Answer-Mode": ["Manual"], "Call-Info": ["<sip:p>;answer-after=0"]}) is None


def test_the_shortest_delay_of_several_counts() -> None:
    assert asked_s({"Alert-Info": ["Auto Answer;delay=9"], "Call-Info": ["<sip:p>;answer-after=4"]}) == 4


@pytest.mark.parametrize(
    ("uri", "delay_s"),
    [
        ("sip:901@pbx;intercom=true", 0),
        ("sip:901@pbx;transport=tls;Intercom=True?x=1", 0),
        ("sip:intercom=true@p", None),
    ],
)
def test_the_request_uri_may_ask_too(uri: str, delay_s: float | None) -> None:
    assert asked_s({}, uri) == delay_s


# ---- the rules


def rules(*given: tuple[str, str, float]) -> list[IncomingRule]:
    return [IncomingRule.model_validate({"from": who, "action": what, "after_s": s}) for who, what, s in given]


HEEDED = rules(("10?", "answer_if_asked", 0), ("20?", "answer_if_asked", 3))


@pytest.mark.parametrize(
    ("caller", "asked", "decision"),
    [
        ("sip:101@pbx", 0, Offered("answer")),
        ("sip:101@pbx", 2, Offered("answer", 2)),
        ("sip:201@pbx", 0, Offered("answer", 3)),
        ("sip:101@pbx", None, Offered("ring")),
        ("sip:301@pbx", 0, Offered("ring")),
    ],
)
def test_only_a_rule_opens_the_microphone(caller: str, asked: float | None, decision: Offered) -> None:
    assert decide(caller, HEEDED, room=True, asked_s=asked) == decision


def test_without_rules_no_header_is_heeded() -> None:
    assert decide("sip:101@pbx", [], room=True, asked_s=0) == Offered("ring")


def test_do_not_disturb_comes_before_a_header_and_after_what_a_program_expects() -> None:
    assert decide("sip:101@pbx", HEEDED, room=True, dnd_code=486, asked_s=0) == Offered("reject", code=486)
    assert decide("sip:101@pbx", HEEDED, room=True, dnd_code=486, expected_s=1) == Offered("answer", 1)
    assert decide("sip:101@pbx", HEEDED, room=False, expected_s=1) == Offered("reject", code=486)


def test_the_decision_tells_why() -> None:
    always = rules(("*", "answer", 0))
    assert decide("sip:101@pbx", HEEDED, room=True, asked_s=0).why == "asked"
    assert decide("sip:101@pbx", always, room=True).why == "rule"
    assert decide("sip:101@pbx", always, room=True, expected_s=0).why == "expected"
    assert decide("sip:301@pbx", HEEDED, room=True).why == ""


# ---- what a program expects


class Announced:
    """Announcements, and what was told of them."""

    def __init__(self) -> None:
        bus = Bus()
        self.told: list[tuple[str, str, str]] = []
        self.over = asyncio.Event()
        bus.listen(lambda record: self._hear(record.event))
        self.calls = ExpectedCalls(bus, lambda prefix: f"{prefix}{len(self.calls.views()) + 1}")

    def _hear(self, event: events.Event) -> None:
        if isinstance(event, events.ExpectEnded):
            self.told.append((event.expect, event.reason, event.call))
            self.over.set()


def test_an_announcement_is_good_for_one_call() -> None:
    async def run() -> None:
        announced = Announced()
        announced.calls.add("901@pbx", "0033*", 30, 2, False)
        assert announced.calls.find("901@pbx", "sip:0044123@pbx", asked=False) is None
        assert announced.calls.find("902@pbx", "sip:0033123@pbx", asked=False) is None
        found = announced.calls.find("901@pbx", "sip:0033123@pbx", asked=False)
        assert found is not None
        assert found.after_s == 2
        announced.calls.met(found, "c1")
        assert announced.calls.find("901@pbx", "sip:0033123@pbx", asked=False) is None
        assert announced.told == [("x1", "met", "c1")]

    asyncio.run(run())


def test_an_announcement_may_insist_on_a_header() -> None:
    async def run() -> None:
        calls = Announced().calls
        calls.add("901@pbx", "*", 30, 0, True)
        assert calls.find("901@pbx", "sip:1@pbx", asked=False) is None
        assert calls.find("901@pbx", "sip:1@pbx", asked=True) is not None
        calls.close()

    asyncio.run(run())


def test_an_announcement_that_nobody_meets_expires() -> None:
    async def run() -> None:
        announced = Announced()
        announced.calls.add("901@pbx", "*", 0.01, 0, False)
        async with asyncio.timeout(5):
            await announced.over.wait()
        assert announced.told == [("x1", "expired", "")]
        assert announced.calls.views() == []

    asyncio.run(run())


def test_an_announcement_can_be_taken_back() -> None:
    async def run() -> None:
        announced = Announced()
        announced.calls.cancel(announced.calls.add("901@pbx", "*", 30, 0, False).id)
        assert announced.told == [("x1", "cancelled", "")]
        with pytest.raises(NotFound):
            announced.calls.cancel("x1")

    asyncio.run(run())


@pytest.mark.parametrize(("within_s", "after_s", "caller"), [(0, 0, "*"), (4000, 0, "*"), (30, -1, "*"), (30, 0, "")])
def test_what_cannot_be_announced(within_s: float, after_s: float, caller: str) -> None:
    async def run() -> None:
        with pytest.raises(UsageError):
            Announced().calls.add("901@pbx", caller, within_s, after_s, False)

    asyncio.run(run())
