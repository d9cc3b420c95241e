"""Whose word counts for how long a call may ring and last."""

from __future__ import annotations

import pytest

from softphone.config.accounts import Limits
from softphone.config.model import Calls
from softphone.config.resolved import ResolvedAccount
from softphone.config.secrets import Secret
from softphone.engine import limits
from softphone.errors import UsageError

CALLS = Calls(ring_timeout_s=60, answer_timeout_s=120, max_duration_s=600)


def account(**own: float) -> ResolvedAccount:
    return ResolvedAccount(
        username="901",
        domain="pbx.example",
        password=Secret("x"),
        auth_username="901",
        limits=Limits.model_validate(own),
    )


def test_the_ones_for_all_calls_unless_the_account_has_its_own() -> None:
    state = limits.outgoing(account(), CALLS)
    assert (state.ring_timeout_s, state.max_duration_s) == (60, 600)
    state = limits.outgoing(account(ring_timeout_s=20, max_duration_s=0), CALLS)
    assert (state.ring_timeout_s, state.max_duration_s) == (20, 0)
    state = limits.incoming(account(answer_timeout_s=30), CALLS)
    assert (state.ring_timeout_s, state.max_duration_s) == (30, 600)


def test_the_caller_has_the_last_word() -> None:
    state = limits.outgoing(account(ring_timeout_s=20, max_duration_s=90), CALLS, ring_timeout_s=5, max_duration_s=0)
    assert (state.ring_timeout_s, state.max_duration_s) == (5, 0)


@pytest.mark.parametrize("wrong", [{"ring_timeout_s": 0}, {"ring_timeout_s": -1}, {"max_duration_s": -1}])
def test_no_such_time(wrong: dict[str, float]) -> None:
    with pytest.raises(UsageError, match=next(iter(wrong))):
        limits.outgoing(account(), CALLS, **wrong)
