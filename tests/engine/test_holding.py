"""Hold as a dialogue: inputs in, actions out."""

from __future__ import annotations

import pytest

from softphone.engine.holding import (
    TRIES,
    Action,
    Again,
    HoldState,
    Input,
    NoAnswer,
    Pause,
    Refused,
    Seen,
    Send,
    Tell,
    TellFailed,
    Want,
    step,
)

FREE = HoldState()


def play(state: HoldState, *inputs: Input) -> tuple[HoldState, list[Action]]:
    actions: list[Action] = []
    for what in inputs:
        state, more = step(state, what)
        actions += more
    return state, actions


def test_holding_and_resuming() -> None:
    state, actions = play(FREE, Want(True), Seen("sendonly", True))
    assert (state.local, state.remote, state.wanted) == (True, False, None)
    assert actions == [Send(True), Tell("local", True)]
    state, actions = play(state, Want(False), Seen("sendrecv", False))
    assert state.local is False
    assert actions == [Send(False), Tell("local", False)]


def test_wanting_what_is_so_or_under_way_sends_nothing() -> None:
    assert play(FREE, Want(False)) == (FREE, [])
    state, actions = play(FREE, Want(True), Want(True))
    assert actions == [Send(True)]
    assert state.wanted is True


@pytest.mark.parametrize("direction", ["recvonly", "inactive"])
def test_the_far_end_holds_us(direction: str) -> None:
    state, actions = play(FREE, Seen(direction, False), Seen(direction, False), Seen("sendrecv", False))
    assert actions == [Tell("remote", True), Tell("remote", False)]
    assert state == FREE


def test_both_hold() -> None:
    state, actions = play(FREE, Seen("recvonly", False), Want(True), Seen("inactive", True))
    assert (state.local, state.remote) == (True, True)
    assert actions == [Tell("remote", True), Send(True), Tell("local", True)]
    _, actions = play(state, Want(False), Seen("recvonly", False))
    assert actions == [Send(False), Tell("local", False)]


def test_a_far_end_that_answers_our_hold_by_inactive_does_not_hold_us() -> None:
    state, _ = play(FREE, Want(True), Seen("inactive", True))
    assert (state.local, state.remote) == (True, False)


def test_media_that_changes_for_another_reason_leaves_our_wish_under_way() -> None:
    state, actions = play(FREE, Want(True), Seen("sendrecv", False))
    assert state.wanted is True
    assert actions == [Send(True)]


def test_two_that_cross_are_sent_again_after_a_pause_but_not_for_ever() -> None:
    state, actions = play(FREE, Want(True), Refused(491, "Request Pending"), Again())
    assert actions == [Send(True), Pause(), Send(True)]
    for _ in range(TRIES - 2):
        state, _ = play(state, Refused(491, ""), Again())
    state, actions = play(state, Refused(491, "Request Pending"))
    assert actions == [TellFailed(True, 491, "Request Pending")]
    assert state.wanted is None


def test_a_refusal_and_silence_leave_it_as_it_was() -> None:
    state, actions = play(FREE, Want(True), Refused(488, "Not Acceptable Here"))
    assert actions[-1] == TellFailed(True, 488, "Not Acceptable Here")
    assert state.wanted is None
    held = HoldState(local=True)
    state, actions = play(held, Want(False), NoAnswer())
    assert actions[-1] == TellFailed(False, 0, "")
    assert state.local is True


def test_what_comes_too_late_changes_nothing() -> None:
    for late in (Refused(488, ""), Again(), NoAnswer()):
        assert play(FREE, late) == (FREE, [])
