"""What to do with an incoming call, before anybody is asked: a pure decision from rules and counts."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase

from softphone.addresses import NameAddr
from softphone.config.accounts import IncomingRule
from softphone.engine.fsm import Offered

BUSY = Offered("reject", code=486)


def decide(caller: str, rules: Sequence[IncomingRule], *, room: bool, dnd_code: int | None = None) -> Offered:
    """The first rule whose pattern matches the caller's number or URI wins; without one the phone rings.

    caller: the From URI. room: whether another call may be taken; without room the line is busy.
    dnd_code: the SIP status for every caller while do-not-disturb is on, None while it is off.
    """
    if not room:
        return BUSY
    if dnd_code is not None:
        return Offered("reject", code=dnd_code)
    uri = caller.lower()
    names = (NameAddr(caller).user.lower(), uri, uri.removeprefix("sips:").removeprefix("sip:"))
    for rule in rules:
        if any(fnmatchcase(name, rule.from_.lower()) for name in names):
            return Offered(rule.action, rule.after_s, rule.code)
    return Offered("ring")
