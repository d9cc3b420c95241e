"""The registration state machine, read as a dialogue."""

from __future__ import annotations

from dataclasses import replace

import pytest

from softphone.engine import registering as reg
from softphone.engine.registering import (
    FetchSecret,
    GiveUp,
    NetworkChanged,
    RegisterWanted,
    RegistrationState,
    ResetConnection,
    RetryAfter,
    SecretStays,
    SeekPreferred,
    SendProbe,
    SendRegister,
    SendUnregister,
    StartTimer,
    TellConnectionLost,
    TellFailed,
    TellPassedOver,
    TellRegistered,
    TellRegistering,
    TellUnregistered,
    TimerFired,
    UnregisterWanted,
)
from softphone.stacks.base import (
    ConnectionLost,
    PreferredAnswers,
    ProbeAnswered,
    RegistrationFailed,
    RegistrationOk,
)

NEW = RegistrationState()
REFUSED = RegistrationFailed(403, "Forbidden", "wrong password", "mend it", auth=True)
SILENT = RegistrationFailed(0, "", "no answer", "check")


def play(state: RegistrationState, *inputs: reg.Input) -> tuple[RegistrationState, list[reg.Action]]:
    actions: list[reg.Action] = []
    for what in inputs:
        state, more = reg.step(state, what)
        actions += [a for a in more if not isinstance(a, reg.StopTimer)]
    return state, actions


def registered() -> RegistrationState:
    return play(NEW, RegisterWanted(), RegistrationOk(300))[0]


def test_it_registers_and_begins_to_probe() -> None:
    state, actions = play(NEW, RegisterWanted(), RegistrationOk(300))
    assert state.phase == "registered"
    assert actions == [
        TellRegistering(),
        SendRegister(),
        StartTimer("answer", 8.0),
        StartTimer("probe", 20.0),
        TellRegistered(300),
    ]


def test_a_refresh_is_not_news() -> None:
    assert TellRegistered(300) not in play(registered(), RegistrationOk(300))[1]


def test_failures_are_retried_with_growing_delays() -> None:
    state, actions = play(NEW, RegisterWanted(), SILENT)
    assert RetryAfter(0, False) in actions
    assert TellFailed(SILENT) in actions
    state, actions = play(state, TimerFired("retry"), SILENT)
    assert RetryAfter(1, False) in actions
    assert play(state, TimerFired("retry"), RegistrationOk(60))[0].failures == 0


def test_no_answer_at_all_means_a_new_connection() -> None:
    assert ResetConnection() in play(NEW, RegisterWanted(), SILENT)[1]
    assert ResetConnection() not in play(NEW, RegisterWanted(), REFUSED)[1]


def test_a_register_that_stays_unanswered_is_given_up() -> None:
    state, _ = play(NEW, RegisterWanted())
    assert play(state, TimerFired("answer"))[1] == [GiveUp(8.0)]


def test_a_refused_secret_is_fetched_anew_once() -> None:
    state, actions = play(RegistrationState(pulled=True), RegisterWanted(), REFUSED)
    assert FetchSecret() in actions
    assert not [a for a in actions if isinstance(a, TellFailed)]
    state, actions = play(state, RegisterWanted(), REFUSED)
    assert RetryAfter(0, True) in actions
    assert FetchSecret() not in actions


def test_a_secret_that_did_not_change_stays_refused() -> None:
    _, actions = play(RegistrationState(pulled=True), RegisterWanted(), REFUSED, SecretStays())
    assert RetryAfter(0, True) in actions
    assert TellFailed(REFUSED) in actions


def test_after_a_success_the_secret_may_be_fetched_again() -> None:
    state, _ = play(RegistrationState(pulled=True), RegisterWanted(), REFUSED, RegisterWanted(), RegistrationOk(60))
    assert FetchSecret() in play(state, RegisterWanted(), REFUSED)[1]


def test_a_broken_link_is_replaced_at_once() -> None:
    state, actions = play(registered(), ConnectionLost("reset"))
    assert state.phase == "registering"
    assert actions[:3] == [TellConnectionLost("reset"), TellRegistering(), SendRegister()]


def test_a_silent_link_is_noticed_by_the_probe() -> None:
    state, actions = play(registered(), TimerFired("probe"))
    assert actions == [SendProbe(), StartTimer("probe_deadline", 8.0)]
    assert play(state, ProbeAnswered())[1] == [StartTimer("probe", 20.0)]
    state, actions = play(state, TimerFired("probe_deadline"))
    assert actions.index(ResetConnection()) < actions.index(SendRegister())
    assert state.phase == "registering"


def test_unregistering_waits_for_the_registrar_and_then_stays_silent() -> None:
    state, actions = play(registered(), UnregisterWanted())
    assert actions == [SendUnregister()]
    state, actions = play(state, RegistrationOk(0))
    assert actions == [TellUnregistered()]
    assert play(state, ConnectionLost("x"), RegistrationOk(60), TimerFired("retry")) == (state, [])


def test_unregistering_what_is_not_registered_is_done_at_once() -> None:
    assert play(NEW, UnregisterWanted())[1] == [TellUnregistered()]


def test_without_probing_there_is_no_probe_timer() -> None:
    _, actions = play(RegistrationState(probe_s=0), RegisterWanted(), RegistrationOk(60))
    assert not [a for a in actions if isinstance(a, StartTimer) and a.name == "probe"]


# ---- several registrars

DEAD = RegistrationFailed(0, "", "refused", "check", address="192.0.2.1:5060", others=1)
AWAY = RegistrationOk(300, "192.0.2.2:5060", preferred=False)


def test_the_next_registrar_is_tried_at_once() -> None:
    state, actions = play(NEW, RegisterWanted(), DEAD, AWAY)
    assert actions[3:] == [
        ResetConnection(),
        TellPassedOver(DEAD),
        TellRegistering(),
        SendRegister("next"),
        StartTimer("answer", 8.0),
        StartTimer("probe", 20.0),
        StartTimer("failback", 300.0),
        TellRegistered(300, "192.0.2.2:5060", False),
    ]
    assert (state.phase, state.address) == ("registered", "192.0.2.2:5060")


@pytest.mark.parametrize(("code", "goes_on"), [(408, True), (500, True), (503, True), (404, False), (600, False)])
def test_what_another_registrar_may_do_better(code: int, goes_on: bool) -> None:
    failure = replace(DEAD, code=code)
    state, actions = play(NEW, RegisterWanted(), failure)
    assert (SendRegister("next") in actions) == goes_on
    assert (state.phase == "failed") == (not goes_on)


def test_a_wrong_password_is_wrong_everywhere() -> None:
    assert play(NEW, RegisterWanted(), replace(REFUSED, others=1))[0].phase == "failed"


def test_after_the_last_one_the_delays_begin() -> None:
    state, actions = play(NEW, RegisterWanted(), DEAD, replace(DEAD, others=0))
    assert state.phase == "failed"
    assert RetryAfter(0, False) in actions


def test_the_preferred_one_is_looked_for_and_gone_back_to() -> None:
    state, _ = play(NEW, RegisterWanted(), DEAD, AWAY)
    state, actions = play(state, TimerFired("failback"))
    assert actions == [SeekPreferred(), StartTimer("failback", 300.0)]
    home = RegistrationOk(300, "192.0.2.1:5060")
    state, actions = play(state, PreferredAnswers(), home)
    assert SendRegister("first") in actions
    assert actions[-1] == TellRegistered(300, "192.0.2.1:5060", True)
    assert play(state, TimerFired("failback"))[0] == state


def test_without_failback_it_stays() -> None:
    state, actions = play(RegistrationState(failback_s=0), RegisterWanted(), DEAD, AWAY)
    assert not [a for a in actions if isinstance(a, StartTimer) and a.name == "failback"]


def test_a_refresh_answered_elsewhere_is_news() -> None:
    state, _ = play(NEW, RegisterWanted(), RegistrationOk(300, "192.0.2.1:5060"))
    assert TellRegistered(300, "192.0.2.9:5060") in play(state, RegistrationOk(300, "192.0.2.9:5060"))[1]


# ---- this machine's addresses change


@pytest.mark.parametrize("moved", [True, False])
def test_what_failed_is_tried_at_once(moved: bool) -> None:
    failed, _ = play(NEW, RegisterWanted(), SILENT)
    state, actions = play(failed, NetworkChanged(moved))
    assert actions == [ResetConnection(), TellRegistering(), SendRegister(), StartTimer("answer", 8.0)]
    assert (state.phase, state.failures) == ("registering", 0)


def test_a_new_address_is_registered_over_a_new_connection() -> None:
    state, actions = play(registered(), NetworkChanged(moved=True))
    assert actions[:3] == [ResetConnection(), TellRegistering(), SendRegister()]
    assert state.phase == "registering"


def test_the_same_address_has_the_link_prove_itself() -> None:
    before = registered()
    state, actions = play(before, NetworkChanged(moved=False))
    assert (state, actions) == (before, [SendProbe(), StartTimer("probe_deadline", 8.0)])


def test_a_refused_password_is_not_tried_on_every_network() -> None:
    refused, _ = play(NEW, RegisterWanted(), REFUSED)
    assert play(refused, NetworkChanged(moved=True)) == (refused, [])
