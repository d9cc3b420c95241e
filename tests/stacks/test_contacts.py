"""Where a 3xx leads."""

from __future__ import annotations

import pytest

from softphone.config.resolved import ResolvedAccount
from softphone.config.secrets import Secret
from softphone.stacks.pjsip.account import allowed
from softphone.stacks.pjsip.contacts import next_target


@pytest.mark.parametrize(
    ("values", "target"),
    [
        (["<sip:903@pbx.test>"], "sip:903@pbx.test"),
        (["sip:903@pbx.test;q=0.5"], "sip:903@pbx.test"),
        (['<sip:1@a.test>;q=0.2, "Bob, jr" <sip:2@a.test;transport=tcp>;q=0.9'], "sip:2@a.test;transport=tcp"),
        (["<sip:1@a.test>", "<sip:2@a.test>"], "sip:1@a.test"),
        (["<tel:+33123>", "<http://evil.test/>", "<sip:2@a.test?X=1>"], "sip:2@a.test"),
        (["<mailto:a@b.test>"], ""),
        (["<>", ",,", '"', "<sip:"], ""),
        ([], ""),
    ],
)
def test_the_best_contact_that_is_a_sip_uri(values: list[str], target: str) -> None:
    assert next_target({"contact": values}, ()) == target


def test_nobody_is_called_twice() -> None:
    headers = {"Contact": ["<sip:1@a.test>, <sip:2@a.test>"]}
    assert next_target(headers, {"sip:1@a.test"}) == "sip:2@a.test"
    assert next_target(headers, {"sip:1@a.test", "sip:2@a.test"}) == ""


@pytest.mark.parametrize(
    ("policy", "target", "follows"),
    [
        ("refuse", "<sip:902@pbx.test>", False),
        ("domain", "<sip:902@PBX.test?Replaces=a%40b>", True),
        ("domain", "sip:902@elsewhere.test", False),
        ("domain", "tel:+33123", False),
        ("accept", "<sip:902@elsewhere.test>", True),
    ],
)
def test_which_transfers_are_followed(policy: str, target: str, follows: bool) -> None:
    account = ResolvedAccount(
        username="901", domain="pbx.test", password=Secret("x"), auth_username="901", transfers=policy
    )
    assert allowed(account, target) is follows
