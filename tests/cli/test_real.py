"""The command line, a real phone and the lab: what a person does on the first day."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from softphone.cli import exits
from softphone.cli.demo.pbx import Pbx
from softphone.cli.demo.process import PhoneProcess
from softphone.testing.audio import read_wav, rms, strongest_tone, tone, write_wav
from tests.cli.shell import Ended, finish, run, softphone, start

pytestmark = pytest.mark.e2e

READY_S = 20.0


@pytest.fixture(scope="module")
def phone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PhoneProcess]:
    folder = tmp_path_factory.mktemp("real")
    with Pbx(folder / "pbx", ("901", "902")) as pbx:
        config = pbx.ask(lambda lab: lab.agent_config(["901", "902"]))
        config |= {"sip": {"bind": "127.0.0.1"}, "control": {"socket": str(folder / "control.sock")}}
        (folder / "softphone.yaml").write_text(yaml.safe_dump(config))
        with PhoneProcess(
            folder / "softphone.yaml", folder / "control.sock", folder / "phone.log", folder / "state"
        ) as process:
            process.start()
            process.until("the phone is ready", lambda phone: phone.status()["ready"], limit_s=READY_S)
            yield process
            assert process.stop() == 0


def call(phone: PhoneProcess, *args: str) -> Ended:
    return softphone("call", *args, "--account", "901", socket=phone.socket)


@pytest.mark.parametrize(
    ("args", "code", "said"),
    [
        (["9486"], exits.BUSY, "over: busy (486 Busy Here)"),
        (["9404"], exits.NOT_FOUND, "nobody has this number"),
        (["9480", "--ring-timeout", "300ms"], exits.NO_ANSWER, "nobody answered within the ring time-out"),
        (["9195", "--for", "20s"], exits.ENDED_EARLY, "the far end hung up"),
        (["9195"], exits.OK, "the far end hung up"),
        (["9486", "--expect", "busy"], exits.OK, "over: busy"),
    ],
)
def test_how_a_call_goes_is_in_its_code(phone: PhoneProcess, args: list[str], code: int, said: str) -> None:
    ended = call(phone, *args)
    assert ended.code == code, ended
    assert said in ended.out


def test_a_tone_is_recorded(phone: PhoneProcess, tmp_path: Path) -> None:
    file = tmp_path / "tone.wav"
    ended = call(phone, "9197", "--record", str(file), "--for", "1500ms")
    assert ended.code == 0, ended
    found = strongest_tone(read_wav(file).cut(0.5))
    assert (round(found.frequency_hz), found.share > 0.9) == (1004, True)


def test_what_is_played_comes_back_on_its_own_channel(phone: PhoneProcess, tmp_path: Path) -> None:
    write_wav(tmp_path / "beep.wav", tone(600, 1.0))
    file = tmp_path / "echo.wav"
    ended = call(phone, "9196", "--play", str(tmp_path / "beep.wav"), "--record", str(file), "--stereo", "--for", "2s")
    assert ended.code == 0, ended
    assert "played 1.0 s" in ended.out
    for channel in (0, 1):
        heard = read_wav(file, channel)
        assert rms(heard) > 0.05
        assert strongest_tone(heard).frequency_hz == pytest.approx(600, abs=2)


def test_digits_go_out_and_come_back(phone: PhoneProcess) -> None:
    ended = call(phone, "9199", "--dtmf", "17#", "--for", "2500ms", "--json")
    assert (ended.code, ended.json["digits_received"]) == (0, "17")


def test_one_extension_calls_the_other_from_two_terminals(phone: PhoneProcess) -> None:
    caller = start("call", "902", "--account", "901", "--json", socket=phone.socket)
    phone.until("it rings", lambda client: [c for c in client.calls() if c["state"] == "incoming"], limit_s=READY_S)
    assert softphone("answer", socket=phone.socket).code == 0
    both = ["active", "active"]
    phone.until("both are up", lambda client: [c["state"] for c in client.calls()] == both, limit_s=READY_S)
    assert softphone("hangup", "--all", socket=phone.socket).code == 0
    ended = finish(caller)
    assert (ended.code, ended.json["call"]["end"]["phase"]) == (exits.OK, "active")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_whatever_ends_the_command_hangs_up(phone: PhoneProcess, number: signal.Signals) -> None:
    process = start("call", "9196", "--account", "902", socket=phone.socket)
    phone.until("it is up", lambda client: [c for c in client.calls() if c["state"] == "active"], limit_s=READY_S)
    process.send_signal(number)
    ended = finish(process)
    assert (ended.code, "hanging up" in ended.out) == (exits.INTERRUPTED, True)
    phone.until("no calls", lambda client: not client.calls(), limit_s=READY_S)


def test_status_accounts_and_events(phone: PhoneProcess) -> None:
    assert softphone("status", "--check", socket=phone.socket).code == 0
    assert softphone("accounts", socket=phone.socket).out.count("registered") == 2
    assert softphone("events", "--after", "0-0", "--count", "2", "--json", socket=phone.socket).lines[1]["type"] == (
        "agent.started"
    )


def test_a_second_phone_on_the_same_socket_is_refused(phone: PhoneProcess) -> None:
    ended = run("run", "--config", str(phone.log.with_name("softphone.yaml")))
    assert ended.code not in (0, exits.CONFIG)
    assert str(phone.socket) in ended.out + ended.err


def test_the_doctor_sees_the_phone_that_runs(phone: PhoneProcess) -> None:
    ended = softphone("doctor", "--config", str(phone.log.with_name("softphone.yaml")))
    assert ended.code == 0, ended.out
    assert "accounts: 2 of 2 registered" in ended.out


def test_a_configuration_that_is_wrong_is_code_5(tmp_path: Path) -> None:
    file = tmp_path / "bad.yaml"
    file.write_text("sip: {bind: nowhere}\n")
    ended = run("run", "--config", str(file))
    assert ended.code == exits.CONFIG
    assert f"{file}:1: sip.bind: expected an IP address" in ended.err


def test_a_refused_call_shows_what_was_said(phone: PhoneProcess, tmp_path: Path) -> None:
    file = tmp_path / "busy.pcap"
    ended = call(phone, "9486", "--ladder", "--trace", str(file))
    assert ended.code == exits.BUSY
    assert "486 Busy Here (INVITE)" in ended.err
    assert "with credentials" in ended.err
    assert file.read_bytes().count(b"SIP/2.0 486 Busy Here") == 1
