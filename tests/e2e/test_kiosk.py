"""What a kiosk needs of its sound: devices that go and come back, gains, levels, and who talks."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from softphone.engine.views import AudioRoute
from softphone.errors import MediaError, UsageError
from softphone.lab import Lab
from softphone.testing.audio import level_dbfs, read_wav, speech_like, strongest_tone, tone, write_wav
from tests.e2e.test_devices import ANSWER, ANSWERING, KIOSK, SAID, THEM, arrives, heard_in, heard_share, hears, two_ends
from tests.support.phone import Phone
from tests.support.pulse import SoundSystem


@pytest.fixture
def sound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SoundSystem]:
    with SoundSystem(tmp_path / "sound") as system:
        system.configure(monkeypatch)
        yield system


@pytest.fixture
def answer(tmp_path: Path) -> str:
    write_wav(tmp_path / "answer.wav", ANSWER)
    return str(tmp_path / "answer.wav")


# ---- devices that go and come back


@pytest.mark.parametrize("what", ["server", "device"])
def test_a_device_that_goes_in_mid_call_and_comes_back_is_heard_again(
    act: Any, sound: SoundSystem, answer: str, what: str
) -> None:
    """Unplugged: the sound server dies, or its devices go (of the last one, that is: it moves streams to others)."""

    async def scene(lab: Lab, phone: Phone) -> None:
        near, far = await two_ends(phone, KIOSK)
        await arrives(lambda: heard_in(phone, sound, far, "speaker", answer))
        sound.kill() if what == "server" else sound.unplug()
        lost = await phone.told("audio.device_lost", call=near)
        assert lost["device"] in ("kiosk_mic", "kiosk_speaker")
        view = phone.agent.call(near)
        assert (view.state, view.sound.device) == ("active", "waiting")
        assert lost["device"] in view.sound.cause
        sound.start() if what == "server" else sound.plug()
        back = await phone.told("audio.device_back", call=near)
        assert (back["input"], back["output"]) == ("kiosk_mic", "kiosk_speaker")
        await sound.used_by(1)
        assert phone.agent.call(near).sound.device == "open"
        await arrives(lambda: heard_in(phone, sound, far, "speaker", answer))

        async def listen() -> float:
            async with sound.playing("room", SAID):
                return heard_share(SAID, await hears(phone, far, SAID))

        await arrives(listen)
        await phone.hung_up(near)
        await sound.used_by(0)

    act(scene, **ANSWERING)


def test_a_device_that_is_missing_at_the_answer_is_taken_when_it_is_there(
    act: Any, sound: SoundSystem, answer: str
) -> None:
    async def scene(lab: Lab, phone: Phone) -> None:
        sound.kill()
        near, far = await two_ends(phone, KIOSK)
        failed = await phone.told("audio.failed", call=near)
        assert "kiosk_mic cannot be opened" in failed["cause"]
        assert phone.agent.call(near).sound.device == "waiting"
        other, _ = await two_ends(phone, KIOSK)
        await phone.told("audio.failed", call=other)
        sound.start()
        for call in (near, other):  # both take it, and share it
            await phone.told("audio.device_back", call=call)
        await sound.used_by(1)
        await phone.hung_up(other)
        await arrives(lambda: heard_in(phone, sound, far, "speaker", answer))
        await phone.hung_up(near)
        await sound.used_by(0)
        second, _ = await two_ends(phone, KIOSK)  # and one whose wait is given up
        await sound.used_by(1)
        sound.kill()
        await phone.told("audio.device_lost", call=second)
        await phone.agent.set_audio(second, AudioRoute())
        assert phone.agent.call(second).sound.device == ""
        sound.start()
        await phone.hung_up(second)
        assert sound.users() == (0, 0)

    act(scene, **ANSWERING)


# ---- gains, levels, and who talks


def test_gains_make_louder_and_quieter_what_the_other_side_hears(act: Any, sound: SoundSystem, tmp_path: Path) -> None:
    beep = tone(1000, 3, level=0.1)
    write_wav(tmp_path / "beep.wav", beep)

    async def scene(lab: Lab, phone: Phone) -> None:
        near, far = await two_ends(phone, KIOSK)
        await sound.used_by(1)

        async def said_dbfs() -> float:
            async with sound.playing("room", beep):
                return level_dbfs((await hears(phone, far, beep)).cut(1.5, 2.5))

        async def heard_dbfs(name: str) -> float:
            record = await phone.agent.record(near, f"{name}.wav", mode="stereo")
            async with sound.recording("speaker", tmp_path / f"{name}.wav"):
                play = await phone.agent.play(far, str(tmp_path / "beep.wav"))
                await phone.told("play.ended", play=play)
            await phone.agent.stop_record(near, record)
            file = (await phone.told("record.ended", record=record))["file"]
            assert level_dbfs(read_wav(file, THEM).cut(1, 2)) == pytest.approx(level_dbfs(beep), abs=1.5)
            return level_dbfs(read_wav(tmp_path / f"{name}.wav").cut(1, 2))

        before = await said_dbfs(), await heard_dbfs("before")
        view = phone.agent.set_gain(near, input_db=10, output_db=-12)
        assert (view.audio.input_gain_db, view.audio.output_gain_db) == (10, -12)
        assert (await phone.told("audio.gain", call=near))["output_db"] == -12
        after = await said_dbfs(), await heard_dbfs("after")
        assert after[0] - before[0] == pytest.approx(10, abs=2)
        assert after[1] - before[1] == pytest.approx(-12, abs=2)
        with pytest.raises(UsageError, match="-30 to 20 dB"):
            phone.agent.set_gain(near, input_db=30)
        await phone.hung_up(near)

    act(scene, **ANSWERING, media={"echo_cancel": {"enabled": False}})


def test_levels_and_talk_are_told_to_who_asks(act: Any, tmp_path: Path) -> None:
    write_wav(tmp_path / "speech.wav", speech_like(2, seed=8, level=0.3))

    async def scene(lab: Lab, phone: Phone) -> None:
        near, far = await two_ends(phone, None)
        assert phone.agent.call(near).sound.meter is None
        phone.agent.start_meter(near, interval_ms=100)
        await phone.told("audio.level", call=near, count=3)
        assert not phone.all("audio.level", far_talking=True)
        play = await phone.agent.play(far, str(tmp_path / "speech.wav"))
        await phone.told("audio.talk", call=near, side="far", talking=True)
        loud = await phone.told("audio.level", call=near, far_talking=True, count=5)
        assert -40 < loud["far_dbfs"] < -5
        assert loud["near_dbfs"] == -96
        view = phone.agent.call(near).sound
        assert view.meter is not None
        assert view.meter.far_talking
        assert -60 < view.far_dbfs < -3
        await phone.told("play.ended", play=play)
        await phone.told("audio.talk", call=near, side="far", talking=False)
        assert not phone.all("audio.talk", side="near")
        await phone.agent.play(near, str(tmp_path / "speech.wav"))
        await phone.told("audio.talk", call=near, side="near", talking=True)
        phone.agent.start_meter(near)
        count = len(phone.all("audio.level"))
        await phone.told("audio.talk", call=near, side="near", talking=False)
        assert len(phone.all("audio.level")) == count
        phone.agent.stop_meter(near)
        assert phone.agent.call(near).sound.meter is None
        with pytest.raises(UsageError, match="every 100 to 60000 ms"):
            phone.agent.start_meter(near, interval_ms=20)
        assert not [r for r in phone.agent.bus._history if r.event.type == "audio.level"]
        phone.agent.start_meter(near, interval_ms=100)
        await phone.hung_up(near)

    act(scene, **ANSWERING)


def test_talk_is_told_in_every_call_where_the_configuration_says_so(act: Any, tmp_path: Path) -> None:
    write_wav(tmp_path / "speech.wav", speech_like(2, seed=8, level=0.3))

    async def scene(lab: Lab, phone: Phone) -> None:
        near, far = await two_ends(phone, None)
        await phone.agent.play(far, str(tmp_path / "speech.wav"))
        await phone.told("audio.talk", call=near, side="far", talking=True)
        await phone.told("audio.talk", call=far, side="near", talking=True)
        await phone.told("audio.talk", call=near, side="far", talking=False)
        await phone.hung_up(near)

    act(scene, **ANSWERING, media={"talk": {"events": True}})


# ---- the bell


def trills(file: Path) -> float:
    """How much of a recording is the ring tone's two frequencies, by power, 0 to 1."""
    heard = read_wav(file)
    power = np.abs(np.fft.rfft(heard.samples)) ** 2
    hz = np.fft.rfftfreq(len(heard.samples), 1 / heard.rate_hz)
    near = (np.abs(hz - 760) < 40) | (np.abs(hz - 950) < 40)
    return float(power[near].sum() / max(power.sum(), 1e-9)) if level_dbfs(heard) > -60 else 0.0


def test_the_bell_rings_on_its_own_device_until_the_call_is_answered(
    act: Any, sound: SoundSystem, tmp_path: Path
) -> None:
    bell, talk, after = tmp_path / "bell.wav", tmp_path / "talk.wav", tmp_path / "after.wav"

    async def scene(lab: Lab, phone: Phone) -> None:
        async with sound.recording("desk_speaker", bell), sound.recording("speaker", talk):
            out = phone.agent.dial("902", account="901", audio=AudioRoute())
            ringing = (await phone.told("call.incoming"))["call"]
            await sound.plays(1)
            await phone.told("call.progress", call=out.id, code=180)
            await asyncio.sleep(1.2)  # of the ring
        phone.agent.answer(ringing)
        await phone.told("call.answered", call=ringing)
        await sound.used_by(1)
        async with sound.recording("desk_speaker", after):
            await asyncio.sleep(0.5)
        assert (trills(bell) > 0.8, trills(talk), trills(after)) == (True, 0, 0)
        await phone.hung_up(ringing)
        second = phone.agent.dial("902", account="901", audio=AudioRoute())
        await phone.told("call.incoming", count=2)
        await sound.plays(1)
        await phone.hung_up(second.id)
        await sound.plays(0)

    audio = {"input": "kiosk_mic", "output": "kiosk_speaker"}
    act(scene, audio=audio, ringer={"device": "desk"})


def test_a_bell_that_is_missing_is_told_and_rings_when_it_is_there(act: Any, sound: SoundSystem) -> None:
    async def scene(lab: Lab, phone: Phone) -> None:
        sound.kill()
        phone.agent.dial("902", account="901")
        failed = await phone.told("ringer.failed")
        ringing = (await phone.told("call.incoming"))["call"]
        assert (failed["call"], failed["device"]) == (ringing, "desk")
        assert "desk cannot be opened" in failed["cause"]
        sound.start()
        await sound.plays(1)
        phone.agent.answer(ringing)
        await phone.told("call.answered", call=ringing)
        await sound.plays(0)
        assert len(phone.all("ringer.failed")) == 1

    act(scene, ringer={"device": "desk"})


def test_a_bell_that_shares_the_loudspeaker_of_calls_makes_way(act: Any, sound: SoundSystem) -> None:
    """One call rings on the device that another one opens in both directions."""

    async def scene(lab: Lab, phone: Phone) -> None:
        phone.agent.dial("902", account="901", audio=AudioRoute())
        phone.agent.dial("902", account="901", audio=AudioRoute())
        first = (await phone.told("call.incoming", count=1))["call"]
        second = (await phone.told("call.incoming", count=2))["call"]
        await sound.plays(1)
        phone.agent.answer(first)
        await phone.told("call.answered", call=first)
        await sound.used_by(1)
        phone.agent.reject(second)
        await phone.told("call.ended", call=second)
        await phone.hung_up(first)
        await sound.used_by(0)
        assert not phone.all("ringer.failed")

    act(scene, audio={"device": "desk"}, ringer={"device": "desk"})


# ---- the intercom


def test_an_intercom_chimes_before_anybody_is_heard_and_waits_for_the_talk_button(
    act: Any, sound: SoundSystem, tmp_path: Path
) -> None:
    room = speech_like(10, seed=12)
    chime = tone(880, 1.5, level=0.2)
    write_wav(tmp_path / "ding.wav", chime)

    async def scene(lab: Lab, phone: Phone) -> None:
        async with sound.playing("room", room), sound.recording("speaker", tmp_path / "chime.wav"):
            out = phone.agent.dial("902", account="901", audio=AudioRoute())
            record = await phone.agent.record(out.id, "caller.wav", mode="stereo", max_duration_s=3)
            near = (await phone.told("call.answered", by="local"))["call"]
            await phone.told("call.muted", call=near, muted=True)
            assert phone.agent.call(near).muted
            ended = await phone.told("record.ended", record=record)
            caller = read_wav(ended["file"], THEM)
            assert strongest_tone(caller).share > 0.9  # and nothing of what is said in the room
            assert strongest_tone(caller).frequency_hz == pytest.approx(880, abs=5)
            phone.agent.unmute(near)  # the talk button
            assert heard_share(room, await hears(phone, out.id, SAID)) > 0.1
        local = read_wav(tmp_path / "chime.wav")
        assert strongest_tone(local).frequency_hz == pytest.approx(880, abs=5)
        await phone.hung_up(near)

    audio = {"input": "kiosk_mic", "output": "kiosk_speaker"}
    intercom = {"attention": "both", "file": str(tmp_path / "ding.wav"), "microphone": "muted"}
    act(scene, **ANSWERING, audio=audio, intercom=intercom, media={"echo_cancel": {"enabled": False}})


def test_a_call_that_somebody_answers_has_no_chime(act: Any, sound: SoundSystem) -> None:
    async def scene(lab: Lab, phone: Phone) -> None:
        phone.agent.dial("902", account="901", audio=AudioRoute())
        near = (await phone.told("call.incoming"))["call"]
        phone.agent.answer(near)
        await phone.told("call.answered", call=near)
        await sound.used_by(1)
        assert not phone.agent.call(near).muted
        await phone.hung_up(near)

    audio = {"input": "kiosk_mic", "output": "kiosk_speaker"}
    intercom = {"attention": "both", "microphone": "muted"}
    act(scene, incoming=[{"action": "answer", "after_s": 30}], audio=audio, intercom=intercom)


# ---- finding and trying devices


def test_devices_can_be_tried_and_say_whether_they_are_used(act: Any, sound: SoundSystem, tmp_path: Path) -> None:
    async def scene(lab: Lab, phone: Phone) -> None:
        async with sound.recording("desk_speaker", tmp_path / "chime.wav"), sound.playing("desk_room", tone(500, 4)):
            found = await phone.agent.test_device("desk", listen_s=1)
        assert (found.loudspeaker, found.microphone) == (True, True)
        assert found.level_dbfs == pytest.approx(-9, abs=3)
        assert strongest_tone(read_wav(tmp_path / "chime.wav")).frequency_hz == pytest.approx(880, abs=15)
        await sound.used_by(0)
        with pytest.raises(MediaError, match=r"named 'kiosk_nic'; did you mean kiosk_mic\?"):
            await phone.agent.test_device("kiosk_nic")
        near, _ = await two_ends(phone, KIOSK)
        await sound.used_by(1)
        listed = {d.name: d for d in phone.agent.devices()}
        assert {name for name, d in listed.items() if d.in_use} == {"kiosk_mic", "kiosk_speaker"}
        assert listed["desk"].description == "Desk, both directions"
        await phone.agent.set_audio(near, AudioRoute(route="device", input="kiosk_m*", output="*both directions"))
        await phone.hung_up(near)

    act(scene, **ANSWERING, media={"echo_cancel": {"enabled": False}})
