"""Dialogs that only some peers have: reliable answers, forks, session timers, storms of re-INVITEs, Replaces."""

from collections.abc import Callable
from typing import Any

import pytest

from softphone.testing.audio import speech_like
from tests.interop.peers.ports import free_port
from tests.interop.peers.rtp import RtpEnd
from tests.interop.peers.sipp import called, caller
from tests.interop.peers.sipp.run import Sipp, SippRun
from tests.interop.peers.sipp.scenario import Scenario
from tests.interop.phone import Phone, Phones, sounds_like

PROMPT = speech_like(2)
ANSWER = [{"from": "*", "action": "answer"}]
STORM = 25
EXPIRY_S = 75.0  # the session's 90 s less a third, and some patience


@pytest.fixture
def lines(phones: Phones) -> Callable[..., Phone]:
    """A phone with an account for each of some ports of this machine; it does not register."""

    def make(*ports: int, udp_port: int = 0, **account: Any) -> Phone:
        entries = [
            {
                "username": str(12 + i),
                "password": {"env": "SIP_PASSWORD"},
                "domain": "pbx.test",
                "transport": "udp",
                "registrar": f"127.0.0.1:{port}",
                "register": False,
                "codecs": ["pcmu"],
            }
            | account
            for i, port in enumerate(ports)
        ]
        config = {"accounts": entries, "sip": {"udp_port": udp_port}}
        return phones.configured(config, SIP_PASSWORD="secret")

    return make


def up(phone: Phone, run: SippRun) -> str:
    """A call to SIPp that is answered."""
    return phone.connected("555", "12")


# ---- reliable provisional answers


def test_an_acknowledged_180(lines: Any, sipp: Sipp) -> None:
    run = sipp.start(called.RELIABLE)
    with lines(run.port) as phone:
        call = up(phone, run)
        assert run.received("PRACK")[0].header("RAck") == f"71 {run.received('INVITE')[0].header('CSeq')}"
        phone.hung_up(call)
        run.wait()


def test_a_caller_that_wants_the_180_acknowledged(lines: Any, sipp: Sipp) -> None:
    port = free_port()
    with lines(9, udp_port=port, incoming=[{"action": "answer", "after_s": 1}]) as phone:
        run = sipp.start(caller.RELIABLE, port, target=f"sip:12@127.0.0.1:{port}", callee="12")
        assert phone.ended(phone.told("call.answered")["call"])["reason"] == "remote_hangup"
        run.wait()


# ---- forks


def test_the_third_of_three_phones_answers(lines: Any, sipp: Sipp, rtp: RtpEnd) -> None:
    run = sipp.start(called.FORKS, pause_s=1.5, rtp_port=rtp.port)
    with lines(run.port) as phone:
        call = phone.dial("555", "12")
        assert phone.told("call.progress", call=call, code=183)["early_media"]
        phone.told("call.answered", call=call)
        phone.says(call, PROMPT)
        assert phone.control.call(call)["state"] == "active"
        phone.hung_up(call)
        run.wait()
        assert run.received("ACK")[0].header("To").endswith("c")
        assert sounds_like(PROMPT, rtp.heard())


def test_two_phones_answer_and_one_of_them_is_let_go(lines: Any, sipp: Sipp) -> None:
    run = sipp.start(called.TWO_ANSWER)
    with lines(run.port) as phone:
        call = up(phone, run)
        (first,) = run.wait_for("BYE")
        assert first.header("To").endswith("b")
        assert phone.control.call(call)["state"] == "active"
        phone.hung_up(call)
        run.wait()
        assert run.received("BYE")[1].header("To").endswith("a")


# ---- session timers


@pytest.mark.timeout(180)
def test_sessions_are_refreshed_and_expire(lines: Any, sipp: Sipp) -> None:
    """All at once, since the shortest session that RFC 4028 allows lasts 90 s."""
    patience = {"timeout_s": 100}
    kept = [called.refreshed_by_phone("UPDATE"), called.refreshed_by_phone("INVITE")]
    runs = [sipp.start(scenario, **patience) for scenario in (*kept, called.NEVER_REFRESHES)]
    own = free_port()
    incoming = {"incoming": ANSWER, "session_expires_s": 90}
    with lines(*(run.port for run in runs), 9, udp_port=own, **incoming) as phone:
        calls = [phone.connected("555", str(12 + i)) for i in range(3)]
        asked = sipp.start(caller.REFRESHED_BY_PHONE, own, target=f"sip:15@127.0.0.1:{own}", callee="15", **patience)
        ended = phone.ended(calls[2], within_s=EXPIRY_S)
        assert (ended["reason"], ended["by"]) == ("session_expired", "remote")
        assert "did not refresh" in ended["cause"]
        asked.wait()
        for call, run, method in zip(calls, runs, ("UPDATE", "INVITE"), strict=False):
            assert phone.control.call(call)["state"] == "active"
            assert "refresher=uac" in (run.received(method)[-1].header("Session-Expires") or "")
            phone.hung_up(call)
        for run in runs:
            run.wait()


def test_a_session_that_is_too_short_is_refused(lines: Any, sipp: Sipp) -> None:
    port = free_port()
    with lines(9, udp_port=port, incoming=ANSWER):
        run = sipp.start(caller.SHORT_SESSION, port, target=f"sip:12@127.0.0.1:{port}", callee="12")
        run.wait()
        assert run.received("SIP/2.0 422")[0].header("Min-SE") == "90"


# ---- changes in mid-call


def test_a_storm_of_reinvites_and_updates(lines: Any, sipp: Sipp, rtp: RtpEnd) -> None:
    run = sipp.start(called.storm(STORM), pause_s=3, rtp_port=rtp.port)
    with lines(run.port) as phone:
        call = up(phone, run)
        bye = f"{2 * STORM} UPDATE"
        run._poll(lambda: any(m.header("CSeq") == bye for m in run.received("SIP/2.0 200")), 15, "the last UPDATE")
        phone.says(call, PROMPT, waits=False)
        assert phone.ended(call)["reason"] == "remote_hangup"
        run.wait()
        assert sounds_like(PROMPT, rtp.heard())


def test_a_hold_that_meets_another_change_is_tried_again(lines: Any, sipp: Sipp) -> None:
    run = sipp.start(called.MEETS_A_REINVITE)
    with lines(run.port) as phone:
        call = up(phone, run)
        phone.control.hold(call, headers={"X-Why": "lunch"})
        phone.told("call.hold", call=call, by="local", held=True)
        assert [m.header("X-Why") for m in run.received("INVITE")] == [None, "lunch", "lunch"]
        phone.hung_up(call)
        run.wait()


# ---- who is there


def test_who_answers_is_told_and_who_comes_after(lines: Any, sipp: Sipp) -> None:
    run = sipp.start(called.TELLS_WHO, pause_s=0.5)
    with lines(run.port) as phone:
        call = up(phone, run)
        progress = phone.told("call.progress", call=call, code=180)["headers"]
        assert (progress["P-Asserted-Identity"], progress["X-Queue"]) == (['"Front" <sip:1@pbx.test>'], ["sales"])
        answered = phone.told("call.answered", call=call)["headers"]
        assert answered["P-Asserted-Identity"] == ['"Anna" <sip:2@pbx.test>']
        told = phone.told("call.identity", call=call)
        assert (told["remote"], told["remote_name"]) == ("sip:3@pbx.test", "Berta")
        assert phone.control.call(call)["remote_name"] == "Berta"
        phone.control.hang_up(call, headers={"X-Result": "sold", "Reason": 'SIP;cause=200;text="done"'})
        phone.ended(call)
        run.wait()
        bye = run.received("BYE")[0]
        assert (bye.header("X-Result"), bye.header("Reason")) == ("sold", 'SIP;cause=200;text="done"')


# ---- Replaces


def replaces(scenario: Scenario, sipp: Sipp, port: int, first: SippRun, rtp: RtpEnd | None = None) -> SippRun:
    """SIPp calls to take the place of the call that `first` answered."""
    ours = first.received("ACK")[0]
    tags = [(ours.header(name) or "").partition("tag=")[2] for name in ("From", "To")]
    place = f"{ours.header('Call-ID')};to-tag={tags[0]};from-tag={tags[1]}"
    return sipp.start(
        scenario,
        port,
        target=f"sip:12@127.0.0.1:{port}",
        callee="12",
        replaces=place,
        pause_s=4,
        rtp_port=rtp.port if rtp else None,
    )


def test_a_call_takes_the_place_of_ours_and_what_plays_goes_on(lines: Any, sipp: Sipp, rtp: RtpEnd) -> None:
    first = sipp.start(called.ANSWERS)
    port = free_port()
    with lines(first.port, udp_port=port) as phone:
        call = up(phone, first)
        file = phone.records(call)
        second = replaces(caller.REPLACES, sipp, port, first, rtp)
        told = phone.told("call.replaced", call=call)
        assert (told["remote"], told["remote_name"]) == ("sip:700@pbx.test", "SIPp")
        phone.told("call.media", call=call, active=True, count=2)
        first.wait()  # it was sent a BYE
        phone.says(call, PROMPT, waits=False)
        rtp.play(second.remote_media(), speech_like(2, seed=2)).join()
        ended = phone.ended(call)
        assert (ended["reason"], ended["by"]) == ("remote_hangup", "remote")
        assert [c["id"] for c in phone.control.calls()] == []
        second.wait()
        assert sounds_like(PROMPT, rtp.heard())
        assert sounds_like(speech_like(2, seed=2), phone.heard_in(file))


def test_replaces_can_be_forbidden(lines: Any, sipp: Sipp) -> None:
    first = sipp.start(called.ANSWERS)
    port = free_port()
    with lines(first.port, udp_port=port, replaces="refuse") as phone:
        call = up(phone, first)
        replaces(caller.REPLACES_IN_VAIN, sipp, port, first).wait()
        assert phone.control.call(call)["state"] == "active"
        phone.hung_up(call)
        first.wait()
