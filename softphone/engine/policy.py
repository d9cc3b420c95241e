"""What to do with an incoming call, before anybody is asked: a pure decision from rules and counts."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import Protocol

from softphone.addresses import NameAddr
from softphone.engine.fsm import Offered


class Rule(Protocol):
    """One line of an account's `incoming` list: what to do with callers that match `pattern` (a glob)."""

    @property
    def pattern(self) -> str: ...
    @property
    def action(self) -> str: ...
    @property
    def after_s(self) -> float: ...
    @property
    def code(self) -> int: ...


BUSY = Offered("reject", code=486)


def decide(caller: str, rules: Sequence[Rule], *, calls: int, max_calls: int) -> Offered:
    """The first rule whose pattern matches the caller's number or URI wins; without one the phone rings.

    calls: calls of this account that are up or ringing, the new one not counted. At `max_calls` it is busy.
    """
    if calls >= max_calls:
        return BUSY
    names = (NameAddr(caller).user.lower(), caller.lower(), caller.lower().removeprefix("sips:").removeprefix("sip:"))
    for rule in rules:
        if any(fnmatchcase(name, rule.pattern.lower()) for name in names):
            return Offered(rule.action, rule.after_s, rule.code)
    return Offered("ring")
