"""Each command against a real control server: what it asks of the phone, prints, and ends with."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from softphone import events
from softphone.cli import exits
from softphone.errors import Conflict
from tests.cli.phone import ACCOUNT, Phone, running
from tests.cli.shell import Ended, softphone


@pytest.fixture(scope="module")
def shared() -> Iterator[Phone]:
    with running() as phone:
        yield phone


@pytest.fixture
def phone(shared: Phone) -> Phone:
    """A phone without calls that was told nothing yet."""
    shared.do(shared.agent._calls.clear)
    shared.agent.commands.clear()
    shared.agent.ready = True
    return shared


def ask(phone: Phone, *args: str) -> Ended:
    return softphone(*args, socket=phone.path)


# ---- who is asked, and who is not there


def test_nobody_there_is_code_3_and_says_what_to_do(tmp_path: Path) -> None:
    ended = softphone("status", socket=tmp_path / "none.sock")
    assert ended.code == exits.NO_DAEMON
    assert "Start it (softphone run)" in ended.err
    assert ended.out == ""


@pytest.mark.parametrize("args", [["--json", "accounts"], ["accounts", "--json"], ["accounts", "list", "--json"]])
def test_json_may_stand_anywhere(phone: Phone, args: list[str]) -> None:
    assert [a["id"] for a in ask(phone, *args).json] == ["901@pbx.example", "902@pbx.example"]


@pytest.mark.parametrize("place", [0, 1, 2])
def test_the_socket_may_be_named_anywhere(phone: Phone, place: int) -> None:
    args = ["accounts", "list"]
    args[place:place] = ["--socket", str(phone.path)]
    assert softphone(*args).code == 0


def test_a_refusal_is_code_4_in_the_daemons_words(phone: Phone) -> None:
    ended = ask(phone, "calls", "show", "c99")
    assert (ended.code, ended.out) == (exits.REFUSED, "")
    assert ended.err == "softphone: there is no call 'c99'\n"


# ---- the process


def test_status_in_words_and_as_json(phone: Phone) -> None:
    words = ask(phone, "status").out
    assert "phone     ready, version 1.2.3" in words
    assert "accounts  2 of 2 registered" in words
    assert "native    PJSIP 2.17, 3.0.0" in words
    assert ask(phone, "status", "--json").json["version"] == "1.2.3"


def test_status_names_what_is_wrong(phone: Phone) -> None:
    phone.agent.ready = False
    ended = ask(phone, "status", "--check")
    assert ended.code == exits.FAILED
    assert "running, not ready" in ended.out
    assert "901@pbx.example is not registered" in ended.out


def test_devices(phone: Phone) -> None:
    assert ask(phone, "devices").out.splitlines()[1].split() == "USB Headset in 1, out 2 48000 Hz".split()
    assert ask(phone, "devices", "--json").json[0]["name"] == "USB Headset"


# ---- accounts


def test_accounts_as_plain_text_where_nobody_watches(phone: Phone) -> None:
    out = ask(phone, "accounts").out
    assert out.splitlines()[0].split() == ["ACCOUNT", "STATE", "BY", "REGISTRAR", "CALLS", "NOTE"]
    assert "901@pbx.example  registered  tls  pbx.example:5061" in out
    assert out.isascii()
    assert "\x1b" not in out


def test_a_failed_account_says_why_and_what_to_do(phone: Phone) -> None:
    view = phone.agent.account("902")
    failed = replace(
        view,
        state="failed",
        code=403,
        reason="Forbidden",
        cause="the password is wrong",
        advice="check it",
        retry_in_s=7.0,
    )
    phone.agent._accounts[view.id] = failed
    try:
        listed, shown = ask(phone, "accounts").out, ask(phone, "accounts", "show", "902").out
    finally:
        phone.agent._accounts[view.id] = view
    assert "the password is wrong (403 Forbidden); again in 7.0 s" in listed
    assert "what to do  check it" in shown


def test_register_and_unregister(phone: Phone) -> None:
    assert ask(phone, "accounts", "register", "901").out.startswith("901@pbx.example: ")
    assert ask(phone, "accounts", "unregister", "902", "--json").json["id"] == "902@pbx.example"
    assert phone.agent.commands == [("register", "901@pbx.example"), ("unregister", "902@pbx.example")]


def test_refresh(phone: Phone) -> None:
    assert ask(phone, "accounts", "refresh").out == "the PBX lists 2 extensions for this phone\n"


# ---- calls


def incoming(phone: Phone) -> str:
    return phone.do(lambda: phone.agent.add_call(direction="in", state="incoming", remote="sip:12@pbx.example")).id


def test_calls_listed_and_shown(phone: Phone) -> None:
    assert ask(phone, "calls").out == "no calls\n"
    call = incoming(phone)
    assert "c1    in   incoming  901@pbx.example  sip:12@pbx.example" in ask(phone, "calls").out
    assert "far end  sip:12@pbx.example" in ask(phone, "calls", "show", call).out
    assert ask(phone, "calls", "--json").json[0]["id"] == call


def test_answer_needs_no_id_where_one_call_rings(phone: Phone) -> None:
    incoming(phone)
    assert ask(phone, "answer").out == "c1: answered\n"
    assert ("answer", "c1") in phone.agent.commands


def test_answer_with_nothing_to_answer(phone: Phone) -> None:
    assert (ask(phone, "answer").code, ask(phone, "answer").err) == (exits.USAGE, "softphone: no call rings\n")


def test_several_calls_have_to_be_named(phone: Phone) -> None:
    incoming(phone), incoming(phone)
    ended = ask(phone, "reject")
    assert ended.code == exits.USAGE
    assert "c1 (sip:12@pbx.example), c2 (sip:12@pbx.example)" in ended.err
    assert ask(phone, "reject", "c2", "--code", "603", "--reason", "Not today").code == 0
    assert phone.commands("reject") == [("reject", "c2", 603, "Not today")]


def test_hang_up_one_or_all(phone: Phone) -> None:
    for _ in range(3):
        incoming(phone)
    assert ask(phone, "hangup", "c2").out == "c2: hung up\n"
    assert ask(phone, "hangup", "--all").out == "c1: hung up\nc3: hung up\n"
    assert ask(phone, "hangup", "--all").out == "no calls\n"
    assert ask(phone, "hangup", "c1", "--all").code == exits.USAGE


def test_dtmf_waits_until_the_digits_are_sent(phone: Phone) -> None:
    call = incoming(phone)
    sent = events.CallDigitsSent(call=call, account=ACCOUNT, digits="12#", method="rfc4733")
    answer_commands(phone, "send_digits", sent)
    ended = ask(phone, "dtmf", call, "12#", "--method", "info")
    assert ended.out == "c1: digits sent: 12# (rfc4733)\n"
    assert phone.commands("send_digits") == [("send_digits", "c1", "12#", "info", 160, 80)]


def test_dtmf_that_fails_is_code_1(phone: Phone) -> None:
    call = incoming(phone)
    answer_commands(
        phone,
        "send_digits",
        events.CallDigitsFailed(call=call, account=ACCOUNT, digits="12", sent=1, cause="the peer is deaf"),
    )
    ended = ask(phone, "dtmf", call, "12", "--json")
    assert (ended.code, ended.json["cause"]) == (exits.FAILED, "the peer is deaf")


def answer_commands(phone: Phone, verb: str, event: events.Event) -> None:
    """The next such command is followed by this event."""
    before = getattr(phone.agent, verb)

    def once(*args: object, **options: object) -> object:
        delattr(phone.agent, verb)
        try:
            return before(*args, **options)
        finally:
            phone.agent.bus.publish(event)

    setattr(phone.agent, verb, once)


def test_play_and_stop(phone: Phone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    call = incoming(phone)
    (tmp_path / "hello.wav").touch()
    monkeypatch.chdir(tmp_path)
    assert ask(phone, "play", call, "hello.wav", "--loop").code == 0
    assert ask(phone, "play", call, "--stop").out == "c1: stopped\n"
    assert phone.agent.commands[-2:] == [
        ("play", "c1", str(tmp_path / "hello.wav"), True),
        ("stop_play", "c1", None),
    ]
    assert ask(phone, "play", call, "nothing.wav").code == exits.USAGE
    assert ask(phone, "play", call).code == exits.USAGE


def test_record_takes_an_absolute_path(phone: Phone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    call = incoming(phone)
    monkeypatch.chdir(tmp_path)
    ended = ask(phone, "record", call, "x.wav", "--stereo", "--max", "1m", "--json")
    assert ended.json["id"] == "r1"
    assert phone.commands("record") == [("record", "c1", str(tmp_path / "x.wav"), "stereo", False, 60.0)]
    assert ask(phone, "record", call, "--stop").out == f"{tmp_path / 'x.wav'}: 1.0 s\n"


# ---- events


def test_events_in_words_and_as_lines_of_json(phone: Phone) -> None:
    last = phone.do(lambda: phone.agent.bus.last_id)
    phone.do(lambda: phone.agent.bus.publish(events.AccountUnregistered(account=ACCOUNT)))
    phone.do(lambda: phone.agent.bus.publish(events.CallAnswered(call="c7", account=ACCOUNT, by="remote")))
    words = ask(phone, "events", "--after", last, "--count", "2").out.splitlines()
    assert "account.unregistered" in words[0]
    assert words[1].endswith("c7   answered")
    lines = ask(phone, "events", "--after", last, "--types", "call", "--count", "1", "--json").lines
    assert [e["type"] for e in lines] == ["call.answered"]
    assert json.dumps(lines[0])


def test_an_unknown_event_type_is_refused(phone: Phone) -> None:
    assert ask(phone, "events", "--types", "cal", "--count", "1").code == exits.REFUSED


def test_a_refused_command_changes_nothing(phone: Phone) -> None:
    phone.agent.failure = Conflict("the phone is stopping: no new calls")
    ended = ask(phone, "call", "9196")
    assert (ended.code, ended.err) == (exits.REFUSED, "softphone: the phone is stopping: no new calls\n")
