"""What a kiosk needs of its sound: devices that go and come back, gains, levels, and who talks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from softphone.engine.views import AudioRoute
from softphone.errors import UsageError
from softphone.lab import Lab
from softphone.testing.audio import level_dbfs, read_wav, speech_like, tone, write_wav
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
        sound.start()
        await phone.told("audio.device_back", call=near)
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
