"""What is played is heard, and what is heard is recorded: proved from the samples."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from softphone.engine.views import AudioRoute
from softphone.errors import Conflict, MediaError, NotFound, UsageError
from softphone.lab import Lab
from softphone.testing.audio import (
    find,
    find_parts,
    heard_share,
    level_dbfs,
    read_wav,
    speech_like,
    strongest_tone,
    write_wav,
)
from tests.e2e.conftest import OVER
from tests.support.phone import Phone

pytestmark = OVER

THEM, US = 0, 1
ECHO_S = 0.5  # what both jitter buffers may hold
MOST = 2 / 3  # two half seconds of three: on a busy machine a jitter buffer may stretch one of them


@pytest.fixture
def prompt(tmp_path: Path) -> Path:
    file = tmp_path / "prompt.wav"
    write_wav(file, speech_like(1.5))
    return file


async def recorded_long_enough(phone: Phone, call: str, record: str) -> None:
    """Waits for the end of a recording that ends by itself."""
    await phone.told("record.ended", call=call, record=record, reason="max_duration")


@pytest.mark.parametrize(("codecs", "srtp"), [(["opus"], "off"), (["g722"], "off"), (["pcmu"], "mandatory")])
def test_the_echo_comes_back(act: Any, prompt: Path, tmp_path: Path, codecs: list[str], srtp: str) -> None:
    async def scene(lab: Lab, phone: Phone) -> None:
        file = tmp_path / "both.wav"
        call = await phone.connected("9196", account="901")
        record = await phone.agent.record(call, str(file), mode="stereo", max_duration_s=1.5 + ECHO_S)
        play = await phone.agent.play(call, str(prompt))
        ended = await phone.told("play.ended", call=call, play=play)
        assert (ended["reason"], ended["error"]) == ("finished", "")
        assert ended["played_s"] == pytest.approx(1.5, abs=0.02)
        await recorded_long_enough(phone, call, record)
        await phone.hung_up(call)
        said = find(speech_like(1.5), read_wav(file, US))
        assert said.score > 0.99
        assert heard_share(speech_like(1.5), read_wav(file, THEM)) >= MOST
        [first, *_] = find_parts(speech_like(1.5), read_wav(file, THEM))
        assert 0 < first.lag_s - said.lag_s < ECHO_S

    act(scene, extensions=("901",), codecs=codecs, srtp=srtp)


def test_a_mono_recording_holds_both_sides(act: Any, prompt: Path, tmp_path: Path) -> None:
    async def scene(lab: Lab, phone: Phone) -> None:
        call = await phone.connected("9197", account="901")
        record = await phone.agent.record(call, "mix.wav", max_duration_s=2)
        await phone.agent.play(call, str(prompt))
        await recorded_long_enough(phone, call, record)
        mix = read_wav(tmp_path / "recordings" / "mix.wav")
        assert find(speech_like(1.5), mix).score > 0.3
        assert strongest_tone(mix.cut(1.7)).frequency_hz == pytest.approx(1004, abs=10)

    act(scene, extensions=("901",))


def test_two_phones_hear_each_other(act: Any, prompt: Path, tmp_path: Path) -> None:
    async def scene(lab: Lab, phone: Phone) -> None:
        out = await phone.connected("902", account="901")
        incoming = (await phone.told("call.incoming"))["call"]
        files = {out: tmp_path / "caller.wav", incoming: tmp_path / "callee.wav"}
        for call, file in files.items():
            await phone.agent.record(call, str(file), mode="stereo")
        for call in files:
            await phone.agent.play(call, str(prompt))
            await phone.told("play.ended", call=call)
        await phone.hung_up(out)
        await phone.told("record.ended", count=2)
        assert {e["reason"] for e in phone.all("record.ended")} == {"call_ended"}
        for file in files.values():
            assert heard_share(speech_like(1.5), read_wav(file, THEM)) >= MOST

    act(scene, incoming=[{"action": "answer"}])


def test_a_stopped_play_is_silent_at_once(act: Any, tmp_path: Path) -> None:
    long = tmp_path / "long.wav"
    write_wav(long, speech_like(30))

    async def scene(lab: Lab, phone: Phone) -> None:
        call = await phone.connected("9196", account="901")
        play = await phone.agent.play(call, str(long))
        assert phone.agent.call(call).plays == [play]
        phone.agent.stop_play(call, play)
        ended = await phone.told("play.ended", call=call)
        assert ended["reason"] == "stopped"
        assert ended["played_s"] < 1
        record = await phone.agent.record(call, "after.wav", mode="stereo", max_duration_s=0.6)
        await recorded_long_enough(phone, call, record)
        assert level_dbfs(read_wav(tmp_path / "recordings" / "after.wav", US)) < -80
        with pytest.raises(NotFound, match="no running play"):
            phone.agent.stop_play(call, play)

    act(scene, extensions=("901",))


def test_the_end_of_the_call_ends_its_sounds(act: Any, tmp_path: Path) -> None:
    long = tmp_path / "long.wav"
    write_wav(long, speech_like(30))

    async def scene(lab: Lab, phone: Phone) -> None:
        call = await phone.connected("9196", account="901")
        await phone.agent.play(call, str(long), loop=True)
        await phone.agent.record(call, "r.wav")
        await phone.hung_up(call)
        assert (await phone.told("play.ended", call=call))["reason"] == "call_ended"
        assert (await phone.told("record.ended", call=call))["reason"] == "call_ended"
        with pytest.raises(Conflict, match="has ended"):
            await phone.agent.play(call, str(long))

    act(scene, extensions=("901",))


def test_the_audio_route_of_a_call_can_be_a_file(act: Any, prompt: Path) -> None:
    async def scene(lab: Lab, phone: Phone) -> None:
        route = AudioRoute(route="file", file=str(prompt))
        call = await phone.connected("9196", account="901", audio=route)
        await phone.told("play.ended", call=call, reason="finished")
        assert phone.agent.call(call).audio == route
        await phone.agent.set_audio(call, AudioRoute())
        assert phone.agent.call(call).audio.route == "null"

    act(scene, extensions=("901",))


def test_a_route_that_cannot_be_opened_does_not_cost_the_call(act: Any) -> None:
    async def scene(lab: Lab, phone: Phone) -> None:
        call = await phone.connected("9196", account="901", audio=AudioRoute(route="file", file="/no/such.wav"))
        failed = await phone.told("audio.failed", call=call)
        assert "/no/such.wav" in failed["cause"]
        assert phone.agent.call(call).state == "active"
        with pytest.raises(MediaError, match="no microphone named 'nonesuch'"):
            await phone.agent.set_audio(call, AudioRoute(route="device", input="nonesuch", output="nonesuch"))

    act(scene, extensions=("901",))


def test_files_that_are_no_sound_are_refused_and_harm_nothing(act: Any, tmp_path: Path) -> None:
    text = tmp_path / "text.wav"
    text.write_text("this is no sound\n" * 100)
    (tmp_path / "folder.wav").mkdir()

    async def scene(lab: Lab, phone: Phone) -> None:
        call = await phone.connected("9196", account="901")
        for file in (text, tmp_path / "folder.wav", tmp_path / "missing.wav"):
            with pytest.raises(MediaError, match=file.name):
                await phone.agent.play(call, str(file))
        with pytest.raises(MediaError):
            await phone.agent.record(call, str(tmp_path / "no" / "such" / "folder.wav"))
        with pytest.raises(MediaError, match=r"text\.wav"):
            await phone.agent.record(call, str(text))
        with pytest.raises(UsageError, match="full path"):
            await phone.agent.record(call, "some/where.wav")
        view = phone.agent.call(call)
        assert (view.state, view.plays, view.records) == ("active", [], [])

    act(scene, extensions=("901",))


def test_many_plays_and_recordings_at_once(act: Any, prompt: Path) -> None:
    async def scene(lab: Lab, phone: Phone) -> None:
        call = await phone.connected("9196", account="901")
        await asyncio.gather(*[phone.agent.record(call, f"{n}.wav", mode="stereo") for n in range(10)])
        await asyncio.gather(*[phone.agent.play(call, str(prompt)) for _ in range(10)])
        await phone.told("play.ended", call=call, count=10)
        ends = await phone.agent.stop_record(call)
        assert len({end.file for end in ends}) == 10
        assert {end.reason for end in ends} == {"stopped"}

    act(scene, extensions=("901",))
