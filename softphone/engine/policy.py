"""What to do with an incoming call, before anybody is asked: a pure decision from rules and counts."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase

from softphone.addresses import NameAddr
from softphone.config.accounts import IncomingRule
from softphone.engine.fsm import Offered

BUSY = Offered("reject", code=486)
RING = Offered("ring")


def decide(
    caller: str,
    rules: Sequence[IncomingRule],
    *,
    room: bool,
    dnd_code: int | None = None,
    expected_s: float | None = None,
    asked_s: float | None = None,
) -> Offered:
    """The first rule whose pattern matches the caller's number or URI wins; without one the phone rings.

    caller: the From URI. room: whether another call may be taken; without room the line is busy.
    dnd_code: the SIP status for every caller while do-not-disturb is on, None while it is off.
    expected_s: after how long a call that a program announced is answered; it was asked for, so it may disturb.
    asked_s: after how long the caller's headers ask to be answered; only a rule that says so heeds them.
    """
    if not room:
        return BUSY
    if expected_s is not None:
        return Offered("answer", expected_s, why="expected")
    if dnd_code is not None:
        return Offered("reject", code=dnd_code)
    for rule in rules:
        if fits(caller, rule.from_):
            return _by_rule(rule, asked_s)
    return RING


def _by_rule(rule: IncomingRule, asked_s: float | None) -> Offered:
    if rule.action == "answer_if_asked":
        return RING if asked_s is None else Offered("answer", max(rule.after_s, asked_s), why="asked")
    return Offered(rule.action, rule.after_s, rule.code, why="rule" if rule.action == "answer" else "")


def fits(caller: str, pattern: str) -> bool:
    """Whether a pattern (`*`, `?`, `[...]`) is of this From URI's number, or of the URI with or without its scheme."""
    uri = caller.lower()
    names = (NameAddr(caller).user.lower(), uri, uri.removeprefix("sips:").removeprefix("sip:"))
    return any(fnmatchcase(name, pattern.lower()) for name in names)
