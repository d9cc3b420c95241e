from __future__ import annotations

import pytest

from softphone.config.accounts import IncomingRule
from softphone.engine.fsm import Offered
from softphone.engine.policy import decide


def rule(pattern: str, **more: object) -> IncomingRule:
    return IncomingRule.model_validate({"from": pattern, **more})


RULES = (
    rule("+33*", action="reject", code=603),
    rule("9[0-4]?", action="answer", after_s=2),
    rule("*@spam.example", action="reject", code=607),
)


@pytest.mark.parametrize(
    ("caller", "decision"),
    [
        ("sip:+33612345678@pbx.example", Offered("reject", 0, 603)),
        ("sip:912@pbx.example", Offered("answer", 2, 486)),
        ("sips:Bob@SPAM.example", Offered("reject", 0, 607)),
        ("sip:950@pbx.example", Offered("ring")),
        ("nonsense", Offered("ring")),
        ("", Offered("ring")),
    ],
)
def test_the_first_rule_that_matches_decides(caller: str, decision: Offered) -> None:
    assert decide(caller, RULES, room=True) == decision


def test_without_room_the_line_is_busy_whatever_the_rules_say() -> None:
    assert decide("sip:912@pbx.example", RULES, room=False) == Offered("reject", code=486)


def test_do_not_disturb_refuses_everybody() -> None:
    assert decide("sip:912@pbx.example", RULES, room=True, dnd_code=480) == Offered("reject", code=480)
