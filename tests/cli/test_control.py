"""hold, mute, transfer, redirect, dnd and conference against a real control server."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from softphone.cli import exits
from tests.cli.phone import Phone, running
from tests.cli.shell import Ended, softphone


@pytest.fixture(scope="module")
def shared() -> Iterator[Phone]:
    with running() as phone:
        yield phone


@pytest.fixture
def phone(shared: Phone) -> Phone:
    """A phone with one call that is up, and another."""
    shared.do(shared.agent._handsets.clear)
    shared.do(shared.agent._calls.clear)
    shared.do(shared.agent._conferences.clear)
    shared.do(lambda: shared.agent.add_call(state="active"))
    shared.do(lambda: shared.agent.add_call(state="incoming"))
    shared.agent.commands.clear()
    return shared


def ask(phone: Phone, *args: str) -> Ended:
    return softphone(*args, socket=phone.path)


def test_hold_waits_until_it_is_in_force(phone: Phone) -> None:
    assert ask(phone, "hold").out == "c1: held\n"
    assert ask(phone, "hold").out == "c1: held already\n"
    ended = ask(phone, "hold", "c1", "--off", "--json")
    assert (ended.json["type"], ended.json["held"]) == ("call.hold", False)
    assert phone.agent.commands == [("hold", "c1"), ("resume", "c1")]


def test_a_header_goes_along_with_a_command(phone: Phone) -> None:
    ask(phone, "hold", "--header", "X-Why: lunch")
    ask(phone, "hangup", "c1", "--header", "X-Why: done: all of it")
    assert phone.agent.commands == [("hold", "c1", {"X-Why": "lunch"}), ("hang_up", "c1", {"X-Why": "done: all of it"})]
    assert "a header is written" in ask(phone, "hold", "--header", "X-Why").err


def test_mute(phone: Phone) -> None:
    assert ask(phone, "mute").out == "c1: muted\n"
    assert ask(phone, "mute", "c1", "--off").out == "c1: no longer muted\n"
    assert phone.agent.commands == [("mute", "c1"), ("unmute", "c1")]


def test_volume(phone: Phone) -> None:
    assert ask(phone, "volume").out == "c1: microphone +0 dB, loudspeaker +0 dB\n"
    assert ask(phone, "volume", "c1", "--mic", "3", "--speaker", "-6").code == exits.OK
    assert ask(phone, "volume", "--mic", "30").code == exits.REFUSED
    assert phone.agent.commands == [("set_gain", "c1", 3.0, -6.0)]


def test_a_device_is_tried(phone: Phone) -> None:
    said = "USB: a chime was played; the microphone heard up to -30 dBFS (peak -20)\n"
    assert ask(phone, "devices", "--test", "USB").out == said
    assert phone.agent.commands == [("test_device", "USB", 2.0)]


def test_levels(phone: Phone) -> None:
    assert ask(phone, "levels").out == "c1: far end -96 dBFS, our side -96 dBFS\n"
    assert ask(phone, "levels", "--off").out == "c1: measured no more\n"
    assert ask(phone, "levels", "--off", "--talk").code == exits.USAGE
    assert phone.agent.commands == [("stop_meter", "c1")]


def test_a_transfer_is_followed_to_its_outcome(phone: Phone) -> None:
    ended = ask(phone, "transfer", "c1", "902", "--header", "X-Queue: 7")
    assert (ended.code, ended.out.splitlines()[-1]) == (exits.OK, "c1: transfer to 902 done (200 OK)")
    assert phone.agent.commands == [("transfer", "c1", "902", {"X-Queue": "7"})]
    refused = ask(phone, "transfer", "c1", "9486", "--json")
    assert (refused.code, refused.json["state"], refused.json["code"]) == (exits.FAILED, "failed", 486)


def test_an_attended_transfer(phone: Phone) -> None:
    assert ask(phone, "transfer", "c1", "--to-call", "c2", "--no-wait").out == "c1: transfer asked\n"
    assert phone.agent.commands == [("transfer_to", "c1", "c2", {})]


@pytest.mark.parametrize("args", [["c1"], ["c1", "902", "--to-call", "c2"], ["c1", "902", "--header", "nonsense"]])
def test_transfers_that_make_no_sense(phone: Phone, args: list[str]) -> None:
    assert ask(phone, "transfer", *args).code == exits.USAGE
    assert phone.agent.commands == []


def test_redirect_takes_the_call_that_rings(phone: Phone) -> None:
    assert ask(phone, "redirect", "902").out == "c2: sent to 902\n"
    assert phone.agent.commands == [("redirect", "c2", "902")]


def test_do_not_disturb(phone: Phone) -> None:
    assert ask(phone, "dnd", "901").out == "901@pbx.example: do not disturb\n"
    assert ask(phone, "dnd", "901", "--off", "--json").json["dnd"] is False


def test_handsets(phone: Phone) -> None:
    assert ask(phone, "handsets").out == "there is no handset\n"
    asyncio.run(phone.agent.open_handset("v=0", name="Ann"))
    assert ask(phone, "handsets", "attach", "h1", "c1", "--whisper").out == "h1: c1 (whisper)\n"
    listed = ask(phone, "handsets").out
    assert all(part in listed for part in ("Ann", "c1 (whisper)", "31 ms", "1.0 %", "-12 ppm", "20 ms"))
    assert ask(phone, "handsets", "attach", "h1", "c1", "--listen", "--whisper").code == exits.USAGE
    assert ask(phone, "handsets", "attach", "h1", "c1", "--take-over", "--json").json["calls"] == {"c1": "talk"}
    assert ask(phone, "handsets", "detach", "h1", "c1").out == "h1: in no call\n"
    assert ask(phone, "handsets", "close", "h1").out == "h1 is closed\n"
    assert ask(phone, "handsets", "close", "h1").code != exits.OK


def test_conferences(phone: Phone) -> None:
    assert ask(phone, "conference", "start", "c1", "c2").out == "f1: c1, c2, our side\n"
    assert "c1, c2" in ask(phone, "conference").out
    assert ask(phone, "conference", "leave", "f1").out == "f1: c1, c2\n"
    assert ask(phone, "conference", "join", "f1", "--json").json["local"] is True
    assert ask(phone, "conference", "add", "f1", "c1").code == exits.OK
    assert ask(phone, "conference", "remove", "f1", "c1").out == "c1 has left f1\n"
    assert ask(phone, "conference", "end", "f1").out == "f1 is over\n"
    assert ask(phone, "conference", "--json").json == []
