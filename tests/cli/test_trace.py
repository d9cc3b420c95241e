"""`softphone trace`, and the trace of `softphone call`, against a real control server."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from softphone import events
from softphone.cli import exits
from tests.cli.phone import ACCOUNT, Phone, ScriptedAgent, ends, running
from tests.cli.shell import Ended, finish, softphone, start
from tests.tracing.samples import message, request, response


@pytest.fixture
def phone() -> Iterator[Phone]:
    with running(invites, is_refused, ends("busy", code=486)) as phone:
        yield phone


def ask(phone: Phone, *args: str) -> Ended:
    return softphone(*args, socket=phone.path)


def passes(agent: ScriptedAgent, data: bytes, *, sent: bool = True) -> None:
    agent.wire.pass_by(replace(message(data, sent=sent), time_us=time.time_ns() // 1000))


def invites(agent: ScriptedAgent, call: str) -> None:
    if "trace" in agent.commands[0]:
        agent.tracing.follow(call)
    agent.bus.publish(events.CallDialing(call=call, account=ACCOUNT, target="sip:9196@x", sip_call_id="one@phone"))
    passes(agent, request())


def is_refused(agent: ScriptedAgent, call: str) -> None:
    passes(agent, response(486, "Busy Here"), sent=False)


def test_on_and_off(phone: Phone) -> None:
    assert "SIP messages are not traced" in ask(phone, "trace").err
    assert "kept      all SIP messages\n" in ask(phone, "trace", "on").out
    assert ask(phone, "trace", "off", "--json").json["on"] is False
    assert f"kept      {ACCOUNT}\n" in ask(phone, "trace", "on", "--account", "901").out
    assert ask(phone, "trace", "status", "--json").json["accounts"] == [ACCOUNT]


def test_a_call_in_each_form(phone: Phone, tmp_path: Path) -> None:
    ask(phone, "trace", "on")
    assert ask(phone, "call", "9196").code == exits.BUSY
    assert "|<--------- 486 Busy Here (INVITE) -----------|\n" in ask(phone, "trace", "c1", "--width", "60").out
    assert ask(phone, "trace", ACCOUNT, "--format", "text").out.count("Call-ID: one@phone") == 2
    assert len(ask(phone, "trace", "c1", "--json").json["messages"]) == 2
    assert "no messages" in ask(phone, "trace", "902").out
    for suffix, begin in (("txt", b"call c1"), ("sip", b"----"), ("svg", b"<svg"), ("pcap", b"\xd4\xc3\xb2\xa1")):
        file = tmp_path / f"call.{suffix}"
        assert ask(phone, "trace", "c1", "--output", str(file)).code == exits.OK
        assert file.read_bytes().startswith(begin)
    ask(phone, "trace", "clear")
    assert "no messages" in ask(phone, "trace", "c1").out


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["c9"], "there is no call and no account c9"),
        (["c1", "--format", "docx"], "--format takes one of"),
        (["c1", "--output", "call.docx"], "a name that ends with .txt"),
        (["c1", "--output", "/nowhere/call.svg"], "no folder /nowhere"),
        (["all", "--format", "svg", "--follow"], "--follow takes"),
    ],
)
def test_what_makes_no_sense_is_told(phone: Phone, args: list[str], said: str) -> None:
    ask(phone, "trace", "on")
    ended = ask(phone, "trace", *args)
    assert ended.code == exits.USAGE
    assert said in ended.err


def test_a_call_that_fails_shows_its_ladder(phone: Phone, tmp_path: Path) -> None:
    file = tmp_path / "call.svg"
    ended = ask(phone, "call", "9196", "--ladder", "--trace", str(file))
    assert ended.code == exits.BUSY
    assert "486 Busy Here (INVITE)" in ended.err
    assert "INVITE sip:9196@pbx.example" in ended.err
    assert b"486 Busy Here" in file.read_bytes()
    assert ask(phone, "trace", "status", "--json").json["on"] is False


def test_a_call_that_ends_as_expected_shows_none(phone: Phone) -> None:
    ended = ask(phone, "call", "9196", "--ladder", "--expect", "busy")
    assert ended.code == exits.OK
    assert "INVITE" not in ended.err


def test_following(phone: Phone) -> None:
    ask(phone, "trace", "on")
    process = start("trace", "--follow", socket=phone.path)
    phone.do(lambda: passes(phone.agent, request()))
    assert process.stdout is not None
    seen = ""
    while "INVITE" not in seen:
        seen += process.stdout.readline()
    phone.do(lambda: passes(phone.agent, response(200, "OK"), sent=False))
    while "200 OK" not in seen:
        seen += process.stdout.readline()
    assert seen.count("this phone") == 1
    process.send_signal(signal.SIGINT)
    assert finish(process).code == exits.INTERRUPTED
