"""`softphone call`: what it shows, what it asks for, and the exit code that says how the call went."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import pytest

from softphone import events
from softphone.cli import exits
from tests.cli.phone import ACCOUNT, ScriptedAgent, answers, ends, presses, rings, running
from tests.cli.shell import finish, softphone, start


@pytest.mark.parametrize(
    ("reason", "code"),
    [
        ("busy", exits.BUSY),
        ("no_answer", exits.NO_ANSWER),
        ("ring_timeout", exits.NO_ANSWER),
        ("rejected", exits.REJECTED),
        ("not_found", exits.NOT_FOUND),
        ("unreachable", exits.UNREACHABLE),
        ("no_common_media", exits.NO_COMMON_MEDIA),
        ("redirected", exits.OTHER_ENDING),
        ("failed", exits.OTHER_ENDING),
    ],
)
def test_a_call_that_is_not_answered_says_why_by_its_code(reason: str, code: int) -> None:
    assert exits.of_call(reason, answered=False, timed=True) == code


@pytest.mark.parametrize(
    ("reason", "timed", "code"),
    [
        ("local_hangup", True, exits.OK),
        ("remote_hangup", False, exits.OK),
        ("remote_hangup", True, exits.ENDED_EARLY),
        ("unreachable", False, exits.ENDED_EARLY),
        ("media_timeout", False, exits.ENDED_EARLY),
        ("shutdown", True, exits.ENDED_EARLY),
    ],
)
def test_an_answered_call(reason: str, timed: bool, code: int) -> None:
    assert exits.of_call(reason, answered=True, timed=timed) == code


def test_busy_shown_live_and_as_code_10() -> None:
    with running(rings, ends("busy", cause="busy", code=486)) as phone:
        ended = softphone("call", "9486", socket=phone.path)
    assert ended.code == 10
    said = [line.split("s  ", 1)[1] for line in ended.out.splitlines()]
    assert said == ["c1 from 901@pbx.example", "ringing", "over after 1.0 s: busy (486 ); MOS 4.3"]
    assert ended.err == "softphone: busy (exit code 10)\n"


def test_for_hangs_up_after_the_answer_and_waits_for_the_recording(tmp_path: Path) -> None:
    with running(rings, answers, presses("5"), presses("#")) as phone:
        began = time.monotonic()
        file = tmp_path / "x.wav"
        ended = softphone("call", "9196", "--record", str(file), "--for", "300ms", "--json", socket=phone.path)
        assert time.monotonic() - began >= 0.3
        assert phone.commands("record") == [("record", "c1", str(file), "mono", False, None)]
        assert phone.commands("hang_up") == [("hang_up", "c1")]
    report = ended.json
    assert (ended.code, report["exit_code"], report["meaning"]) == (0, 0, "done; a call was answered")
    assert report["digits_received"] == "5#"
    assert [r["file"] for r in report["recordings"]] == [str(file)]
    assert report["call"]["end"]["reason"] == "local_hangup"
    assert "encrypted (AES_CM_128_HMAC_SHA1_80, keys by SDES)" in ended.err


def test_a_far_end_that_hangs_up_before_the_time_is_code_17() -> None:
    with running(answers, ends("remote_hangup", cause="the far end hung up", code=200)) as phone:
        assert softphone("call", "9195", "--for", "30s", socket=phone.path).code == exits.ENDED_EARLY
        assert softphone("call", "9195", socket=phone.path).code == exits.OK
        assert softphone("call", "9195", "--for", "30s", "--expect", "ended_early", socket=phone.path).code == 0
        assert softphone("call", "9195", "--expect", "busy", socket=phone.path).code == exits.FAILED


def test_everything_the_caller_wants_is_asked_for(tmp_path: Path) -> None:
    sound = tmp_path / "hello.wav"
    sound.touch()
    with running(answers) as phone:
        args = [
            "--account",
            "902",
            "--play",
            str(sound),
            "--dtmf",
            "12#",
            "--header",
            "X-A: b: c",
            "--ring-timeout",
            "30s",
            "--max-duration",
            "1h",
        ]
        ended = softphone("call", "9199", *args, "--for", "50ms", "--device", "default", socket=phone.path)
        assert ended.code == 0
        (dialled,) = phone.commands("dial")
        assert dialled[1:5] == ("9199", "902", {"X-A": "b: c"}, 30.0)
        assert dialled[5] == 3600.0
        assert dialled[6].route == "device"
        assert phone.commands("play") == [("play", "c1", str(sound), False)]
        assert phone.commands("send_digits") == [("send_digits", "c1", "12#", "auto", 160, 80)]


def test_a_recording_that_cannot_be_made_ends_the_call(tmp_path: Path) -> None:
    from softphone.errors import MediaError

    with running(answers) as phone:
        refuse = MediaError("no permission to write there")

        async def record(*_: object, **__: object) -> str:
            raise refuse

        phone.agent.record = record  # type: ignore[method-assign]
        ended = softphone("call", "9196", "--record", str(tmp_path / "x.wav"), "--for", "30s", socket=phone.path)
    assert ended.code == exits.INCOMPLETE
    assert "failed: no permission to write there" in ended.out


def test_a_sound_device_that_is_missing_is_code_18() -> None:
    def lacks_sound(agent: ScriptedAgent, call: str) -> None:
        agent.bus.publish(events.AudioFailed(call=call, account=ACCOUNT, cause="there is no microphone 'x'"))

    with running(answers, lacks_sound) as phone:
        ended = softphone("call", "9196", "--device", "x", "--for", "100ms", "--json", socket=phone.path)
    assert ended.code == exits.INCOMPLETE
    assert ended.json["failures"] == ["its sound device or file is missing: there is no microphone 'x'"]


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["--record", "there.wav"], "there.wav is there already"),
        (["--record", "no/x.wav"], "there is no folder"),
        (["--play", "no.wav"], "there is no sound file no.wav"),
        (["--header", "nonsense"], "a header is written 'Name: value'"),
        (["--expect", "wonders"], "--expect takes one of answered, busy"),
        (["--for", "soon"], "expected a duration such as 5s"),
    ],
)
def test_wrong_arguments_are_seen_before_anybodys_phone_rings(
    args: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there.wav").touch()
    ended = softphone("call", "9196", *args)
    assert ended.code == exits.USAGE
    assert said in ended.err


def test_ctrl_c_hangs_up_and_is_code_130(tmp_path: Path) -> None:
    with running(rings, answers) as phone:
        process = start("call", "9196", "--record", str(tmp_path / "x.wav"), socket=phone.path)
        phone.until(lambda: bool(phone.commands("record")))
        process.send_signal(signal.SIGINT)
        ended = finish(process)
        assert phone.commands("hang_up") == [("hang_up", "c1")]
    assert ended.code == exits.INTERRUPTED
    assert "recorded 1.0 s" in ended.out
    assert "Traceback" not in ended.err


def test_a_second_ctrl_c_waits_for_nothing() -> None:
    with running(answers) as phone:
        phone.agent.hang_up = lambda id, headers=None: phone.agent._note("hang_up", id)  # type: ignore[method-assign]  # never ends
        process = start("call", "9196", socket=phone.path)
        phone.until(lambda: any(c.state == "active" for c in phone.agent.calls()))
        for count in (1, 2):
            process.send_signal(signal.SIGINT)
            phone.until(lambda count=count: len(phone.commands("hang_up")) == count)
        ended = finish(process)
    assert (ended.code, "Traceback" in ended.err) == (exits.INTERRUPTED, False)


def test_a_daemon_that_goes_in_mid_call_is_code_3() -> None:
    with running(answers) as phone:
        process = start("call", "9196", socket=phone.path)
        phone.until(lambda: bool(phone.commands("dial")))
    ended = finish(process)
    assert ended.code == exits.NO_DAEMON
    assert "Traceback" not in ended.err


def test_a_reader_that_goes_away_is_no_traceback() -> None:
    with running() as phone:
        process = start("events", "--json", socket=phone.path)
        assert process.stdout is not None
        phone.until(lambda: phone.agent.bus._subscriptions != [])
        process.stdout.close()
        for _ in range(2):
            phone.do(lambda: phone.agent.add_call())
            phone.do(lambda: phone.agent.answer("c1"))
        process.wait(20)
        assert process.stderr is not None
        assert "Traceback" not in process.stderr.read()
        process.stderr.close()
