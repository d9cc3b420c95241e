"""How long a call may ring and last: the caller's word, else the account's, else the one for all calls."""

from __future__ import annotations

from softphone.config.model import Calls
from softphone.config.resolved import ResolvedAccount
from softphone.engine import fsm
from softphone.errors import UsageError


def outgoing(
    account: ResolvedAccount, calls: Calls, *, ring_timeout_s: float | None = None, max_duration_s: float | None = None
) -> fsm.CallState:
    """A call that we place, with its limits in seconds. Raises UsageError."""
    if ring_timeout_s is not None and ring_timeout_s <= 0:
        raise UsageError("ring_timeout_s must be more than 0")
    if max_duration_s is not None and max_duration_s < 0:
        raise UsageError("max_duration_s must be 0 (no limit) or more")
    ring_s = _first(ring_timeout_s, account.limits.ring_timeout_s, calls.ring_timeout_s)
    return fsm.CallState("dialing", True, ring_s, _first(max_duration_s, _longest_s(account, calls)))


def incoming(account: ResolvedAccount, calls: Calls) -> fsm.CallState:
    """A call that comes in, with its limits."""
    answer_s = _first(account.limits.answer_timeout_s, calls.answer_timeout_s)
    return fsm.CallState("incoming", False, answer_s, _longest_s(account, calls))


def _longest_s(account: ResolvedAccount, calls: Calls) -> float:
    return _first(account.limits.max_duration_s, calls.max_duration_s)


def _first(*values: float | None) -> float:
    return next((value for value in values if value is not None), 0.0)
