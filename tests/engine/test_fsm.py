"""The call state machine, read as a dialogue: inputs in, actions out."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from softphone.engine import fsm
from softphone.engine.fsm import (
    AnswerWanted,
    CallState,
    Dialed,
    EndWanted,
    Offered,
    RedirectWanted,
    RejectWanted,
    SendAnswer,
    SendHangUp,
    SendRedirect,
    SendReject,
    SendRinging,
    StartTimer,
    TellAnswered,
    TellEnded,
    TellProgress,
    TimerFired,
    TransferBegun,
    TransferOver,
)
from softphone.stacks.base import Answered, LegEnded, Progress

OUT = CallState("dialing", True, 30.0)
IN = CallState("incoming", False, 60.0)


def play(state: CallState, *inputs: fsm.Input) -> tuple[CallState, list[fsm.Action]]:
    """Feeds all inputs; returns the last state and all actions but stopped timers."""
    actions: list[fsm.Action] = []
    for what in inputs:
        state, more = fsm.step(state, what)
        actions += [a for a in more if not isinstance(a, fsm.StopTimer)]
    return state, actions


def ending(actions: list[fsm.Action]) -> tuple[str, str, str]:
    [told] = [a.ending for a in actions if isinstance(a, TellEnded)]
    return told.reason, told.by, told.phase


def test_an_outgoing_call_that_is_answered_and_hung_up_there() -> None:
    state, actions = play(OUT, Dialed(), Progress(180, "Ringing", False), Answered(), LegEnded(200, "OK", bye=True))
    assert state.over
    assert actions[:3] == [StartTimer("ring", 30.0), TellProgress(180, "Ringing", False), TellAnswered("remote")]
    assert ending(actions) == ("remote_hangup", "remote", "active")


def test_trying_is_progress_but_not_ringing() -> None:
    assert play(OUT, Dialed(), Progress(100, "Trying", False))[0].phase == "dialing"


def test_early_media_stays_early_media_when_180_follows() -> None:
    state, _ = play(OUT, Dialed(), Progress(183, "Session Progress", True), Progress(180, "Ringing", False))
    assert state.phase == "early"


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (486, "busy"),
        (600, "busy"),
        (404, "not_found"),
        (480, "no_answer"),
        (403, "rejected"),
        (603, "rejected"),
        (488, "no_common_media"),
        (302, "redirected"),
        (503, "failed"),
        (499, "failed"),
    ],
)
def test_refusals_have_words(code: int, reason: str) -> None:
    _, actions = play(OUT, Dialed(), LegEnded(code, "whatever"))
    assert ending(actions) == (reason, "remote", "dialing")


def test_nobody_answers_within_the_ring_timeout() -> None:
    state, actions = play(OUT, Dialed(), Progress(180, "Ringing", False), TimerFired("ring"))
    assert state.phase == "ending"
    assert SendHangUp() in actions
    _, actions = play(state, LegEnded(487, "Request Terminated"))
    assert ending(actions) == ("ring_timeout", "local", "ringing")


def test_hanging_up_before_the_answer_is_a_cancel() -> None:
    _, actions = play(OUT, Dialed(), Progress(180, "Ringing", False), EndWanted(), LegEnded(487, ""))
    assert ending(actions) == ("cancelled", "local", "ringing")


def test_an_answer_that_crosses_our_cancel_is_hung_up() -> None:
    state, actions = play(OUT, Dialed(), EndWanted(), Answered())
    assert state.phase == "ending"
    assert actions.count(SendHangUp()) == 2


def test_a_far_end_that_never_confirms_the_end_does_not_hold_the_call() -> None:
    state, actions = play(OUT, Dialed(), Answered(), EndWanted(), TimerFired("end"))
    assert state.over
    assert ending(actions) == ("local_hangup", "local", "active")


def test_the_longest_allowed_call() -> None:
    state, actions = play(CallState("dialing", True, 30.0, max_duration_s=5.0), Dialed(), Answered())
    assert StartTimer("max_duration", 5.0) in actions
    _, actions = play(state, TimerFired("max_duration"), LegEnded(200, "OK"))
    assert ending(actions) == ("max_duration", "local", "active")


def test_a_dead_link_is_the_networks_fault() -> None:
    _, actions = play(OUT, Dialed(), LegEnded(0, "", cause="nothing listens there"))
    assert ending(actions) == ("unreachable", "network", "dialing")


def test_an_incoming_call_rings_and_is_answered() -> None:
    state, actions = play(IN, Offered("ring"), AnswerWanted(), Answered())
    assert state.phase == "active"
    assert actions == [SendRinging(), StartTimer("ring", 60.0), SendAnswer(), TellAnswered("local")]


def test_policy_answers_at_once_or_after_a_while() -> None:
    assert play(IN, Offered("answer"))[1] == [SendAnswer()]
    state, actions = play(IN, Offered("answer", after_s=2.5))
    assert StartTimer("decide", 2.5) in actions
    assert play(state, TimerFired("decide"))[1] == [SendAnswer()]


def test_policy_refuses_at_once_or_after_a_while() -> None:
    assert SendReject(603, "") in play(IN, Offered("reject", code=603))[1]
    state, _ = play(IN, Offered("reject", after_s=1.0, code=603))
    assert SendReject(603, "") in play(state, TimerFired("decide"))[1]


def test_a_command_is_faster_than_the_policy() -> None:
    state, _ = play(IN, Offered("answer", after_s=2.5), RejectWanted(486))
    assert play(state, TimerFired("decide")) == (state, [])


def test_nobody_takes_an_incoming_call() -> None:
    state, actions = play(IN, Offered("ring"), TimerFired("ring"))
    assert SendReject(480, "") in actions
    assert ending(play(state, LegEnded(480, ""))[1]) == ("ring_timeout", "local", "incoming")


def test_the_caller_gives_up() -> None:
    assert ending(play(IN, Offered("ring"), LegEnded(487, "", bye=True))[1]) == ("cancelled", "remote", "incoming")


def test_another_device_took_the_call() -> None:
    report = LegEnded(487, "", bye=True, headers={"Reason": ['SIP;cause=200;text="Call completed elsewhere"']})
    assert ending(play(IN, Offered("ring"), report)[1])[0] == "answered_elsewhere"


def test_declining_by_hanging_up() -> None:
    _, actions = play(IN, Offered("ring"), EndWanted(), LegEnded(603, "Decline"))
    assert SendReject(603, "") in actions
    assert ending(actions) == ("rejected", "local", "incoming")


def test_shutdown_refuses_what_rings_and_hangs_up_what_talks() -> None:
    assert SendReject(480, "") in play(IN, Offered("ring"), EndWanted("shutdown"))[1]
    _, actions = play(OUT, Dialed(), Answered(), EndWanted("shutdown"), LegEnded(200, "OK"))
    assert ending(actions) == ("shutdown", "local", "active")


def test_sending_a_caller_elsewhere() -> None:
    state, actions = play(IN, Offered("ring"), RedirectWanted("sip:903@pbx.test"))
    assert SendRedirect("sip:903@pbx.test") in actions
    assert not [a for a in actions if isinstance(a, SendReject)]
    assert ending(play(state, LegEnded(302, "Moved"))[1]) == ("redirected", "local", "incoming")


def test_a_transfer_that_is_done_ends_the_call() -> None:
    state, actions = play(OUT, Dialed(), Answered(), TransferBegun(), TransferOver(True))
    assert SendHangUp() in actions
    assert ending(play(state, LegEnded(200, "OK"))[1]) == ("transferred", "local", "active")


def test_a_far_end_that_hangs_up_while_it_is_transferred_has_gone_there() -> None:
    _, actions = play(OUT, Dialed(), Answered(), TransferBegun(), LegEnded(200, "", bye=True))
    assert ending(actions) == ("transferred", "remote", "active")


def test_a_failed_transfer_leaves_the_call_as_it_was() -> None:
    before, _ = play(OUT, Dialed(), Answered())
    state, actions = play(before, TransferBegun(), TransferOver(False))
    assert (state, actions) == (before, [])
    assert ending(play(state, LegEnded(200, "", bye=True))[1])[0] == "remote_hangup"


def test_a_transfer_makes_no_sense_before_the_answer() -> None:
    assert play(OUT, TransferBegun(), TransferOver(True)) == (OUT, [])


INPUTS = st.one_of(
    st.sampled_from([TransferBegun(), TransferOver(True), TransferOver(False), RedirectWanted("sip:x@y")]),
    st.sampled_from([Dialed(), AnswerWanted(), RejectWanted(486), EndWanted(), EndWanted("shutdown"), Answered()]),
    st.builds(TimerFired, st.sampled_from(["ring", "decide", "max_duration", "end"])),
    st.builds(Progress, st.integers(100, 199), st.just("x"), st.booleans()),
    st.builds(Offered, st.sampled_from(["ring", "answer", "reject"]), st.floats(0, 3), st.integers(400, 699)),
    st.builds(LegEnded, st.integers(0, 699), st.just("x"), st.booleans(), st.sampled_from(["", "dead"])),
)


@given(st.booleans(), st.lists(INPUTS, max_size=30))
def test_whatever_comes_a_call_ends_once_and_says_nothing_after(outgoing: bool, inputs: list[fsm.Input]) -> None:
    state, ends = (OUT if outgoing else IN), 0
    for what in [*inputs, LegEnded(200, "OK")]:
        over = state.over
        state, actions = fsm.step(state, what)
        ends += sum(isinstance(a, TellEnded) for a in actions)
        assert not (over and actions)
    assert state.over
    assert ends == 1


@pytest.mark.parametrize("progress", [(), (Progress(180, "Ringing", False),)])
def test_a_bye_before_the_answer_is_a_refusal(progress: tuple[fsm.Input, ...]) -> None:
    state, actions = play(OUT, Dialed(), *progress, LegEnded(200, "Normal call clearing", bye=True))
    assert ending(actions) == ("rejected", "remote", "ringing" if progress else "dialing")
    [told] = [a.ending for a in actions if isinstance(a, TellEnded)]
    assert (state.phase, told.code, told.cause) == ("ended", 0, "the far end hung up before it had answered")
