"""Calls on real sound devices, proved from what is heard in a sound system of the test's own."""

from __future__ import annotations

import asyncio
import os
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from softphone.engine.views import AudioRoute
from softphone.errors import MediaError
from softphone.lab import Lab
from softphone.stacks.pjsip import devices
from softphone.testing.audio import Sound, heard_share, level_dbfs, read_wav, silence, speech_like, write_wav
from tests.support.phone import Phone
from tests.support.pulse import SoundSystem

THEM, US = 0, 1
KIOSK = AudioRoute(route="device", input="kiosk_mic", output="kiosk_speaker")
DESK = AudioRoute(route="device", input="desk", output="desk")
SAID, ANSWER = speech_like(2, seed=5), speech_like(2, seed=6)
ANSWERING: dict[str, Any] = {"incoming": [{"action": "answer"}]}
# Three clocks meet here: the mixer's, the sound system's and the test's. On a busy machine some frames of a sound are
# dropped or doubled now and then: one part of four may be, and a whole sound is said again.
HEARD = 0.75
TRIES = 4


@pytest.fixture
def sound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SoundSystem]:
    with SoundSystem(tmp_path / "sound") as system:
        system.configure(monkeypatch)
        yield system


@pytest.fixture
def answer(tmp_path: Path) -> str:
    write_wav(tmp_path / "answer.wav", ANSWER)
    return str(tmp_path / "answer.wav")


async def two_ends(phone: Phone, audio: AudioRoute | None) -> tuple[str, str]:
    """A call from 901 to 902: the near end on a device, the far end without. Returns both ids."""
    seen = len(phone.all("call.incoming"))
    near = await phone.connected("902", account="901", audio=audio)
    far = (await phone.told("call.incoming", count=seen + 1))["call"]
    await phone.told("call.media", call=far, active=True)
    return str(near), str(far)


async def hears(phone: Phone, call: str, said: Sound) -> Sound:
    """What the far end `call` hears while that is said, and a little longer."""
    name = f"hears-{call}-{time.monotonic_ns()}.wav"
    record = await phone.agent.record(call, name, mode="stereo", max_duration_s=said.seconds + 2)
    ended = await phone.told("record.ended", record=record, reason="max_duration")
    return read_wav(ended["file"], THEM)


async def arrives(listen: Callable[[], Awaitable[float]]) -> None:
    """Fails unless in one try of a few enough is heard of what is said."""
    shares = []
    while len(shares) < TRIES:
        shares.append(await listen())
        if shares[-1] >= HEARD:
            return
    raise AssertionError(f"of what was said, these shares were heard: {shares}")


async def heard_in(phone: Phone, sound: SoundSystem, far: str, sink: str, answer: str) -> float:
    """Lets the far end play ANSWER's file; returns how much of it was heard at a loudspeaker."""
    file = sound.folder / f"{sink}-{time.monotonic_ns()}.wav"
    async with sound.recording(sink, file):
        play = await phone.agent.play(far, answer)
        await phone.told("play.ended", play=play)
        record = await phone.agent.record(far, f"pause-{play}.wav", max_duration_s=1)  # what is under way arrives
        await phone.told("record.ended", record=record)
    return heard_share(ANSWER, read_wav(file))


def test_a_device_speaks_and_listens(act: Any, sound: SoundSystem, answer: str) -> None:
    async def scene(lab: Lab, phone: Phone) -> None:
        assert sound.users() == (0, 0)
        near, far = await two_ends(phone, KIOSK)
        await sound.used_by(1)

        async def listen() -> float:
            async with sound.playing("room", SAID):
                return heard_share(SAID, await hears(phone, far, SAID))

        await arrives(listen)
        await arrives(lambda: heard_in(phone, sound, far, "speaker", answer))
        await phone.hung_up(near)
        await sound.used_by(0)

    act(scene, **ANSWERING)


def test_calls_share_a_device_or_have_their_own(act: Any, sound: SoundSystem, answer: str) -> None:
    async def scene(lab: Lab, phone: Phone) -> None:
        first, far_first = await two_ends(phone, KIOSK)
        second, far_second = await two_ends(phone, KIOSK)
        third, far_third = await two_ends(phone, DESK)
        await sound.used_by(2)

        async def listen() -> float:
            async with sound.playing("room", SAID), sound.playing("desk_room", ANSWER):
                one, other, own = await asyncio.gather(
                    *[hears(phone, far, SAID) for far in (far_first, far_second, far_third)]
                )
            assert heard_share(ANSWER, one) == heard_share(SAID, own) == 0
            return min(heard_share(SAID, one), heard_share(SAID, other), heard_share(ANSWER, own))

        await arrives(listen)
        await phone.hung_up(first)
        await arrives(lambda: heard_in(phone, sound, far_second, "speaker", answer))
        assert sound.users() == (2, 2)
        await phone.hung_up(second)
        await sound.used_by(1)
        await phone.agent.set_audio(third, AudioRoute())
        await sound.used_by(0)

    act(scene, **ANSWERING, media={"echo_cancel": {"enabled": False}})


def test_twenty_times_open_and_closed_leave_nothing(act: Any, sound: SoundSystem) -> None:
    def held() -> tuple[int, int]:
        """Descriptors, and threads that the system sees."""
        return len(os.listdir("/proc/self/fd")), len(os.listdir("/proc/self/task"))

    async def scene(lab: Lab, phone: Phone) -> None:
        call = await phone.connected("9196", account="901")
        counts = []
        for number in range(21):
            await phone.agent.set_audio(call, KIOSK if number % 2 else DESK)
            await sound.used_by(1)
            await phone.agent.set_audio(call, AudioRoute())
            await sound.used_by(0)
            counts.append(held())
        descriptors, threads = counts[0]
        assert min(c[0] for c in counts[-5:]) <= descriptors, counts  # what is just being closed may still count
        assert counts[-1][1] <= threads + 1, counts  # a second helper, if one was asked to open before one had closed

    act(scene, extensions=("901",))
    assert not [t for t in threading.enumerate() if t.name.startswith("sound device")]


@pytest.mark.parametrize(
    ("microphone", "loudspeaker", "says"),
    [
        (
            "nonesuch",
            "kiosk_speaker",
            r"no microphone named 'nonesuch' \(there is: kiosk_speaker, kiosk_mic, desk, orphan\)",
        ),
        ("kiosk_mic", "nonesuch", r"no loudspeaker named 'nonesuch'"),
        ("kiosk", "desk", r"'kiosk' could be any of kiosk_speaker, kiosk_mic"),
        ("kiosk_mic", "orphan", r"the loudspeaker orphan cannot be opened \(ECONNREFUSED\).*PulseAudio or PipeWire"),
        ("unlisted", "desk", r"ALSA can open unlisted but does not list it; .*pcm\.unlisted: hint \{ show on"),
    ],
)
def test_what_cannot_be_opened_says_why(
    act: Any, sound: SoundSystem, microphone: str, loudspeaker: str, says: str, capfd: pytest.CaptureFixture[str]
) -> None:
    async def scene(lab: Lab, phone: Phone) -> None:
        route = AudioRoute(route="device", input=microphone, output=loudspeaker)
        call = await phone.connected("9196", account="901")
        with pytest.raises(MediaError, match=says):
            await phone.agent.set_audio(call, route)
        assert phone.agent.call(call).state == "active"
        planned = await phone.connected("9196", account="901", audio=route)
        await phone.told("audio.failed", call=planned)
        assert sound.users() == (0, 0)

    act(scene, extensions=("901",))
    assert capfd.readouterr().err == ""


def test_a_part_of_the_name_or_what_is_written_on_it_will_do(act: Any, sound: SoundSystem) -> None:
    async def scene(lab: Lab, phone: Phone) -> None:
        assert [d.name for d in phone.agent.devices()] == ["kiosk_speaker", "kiosk_mic", "desk", "orphan"]
        call = await phone.connected("9196", account="901")
        await phone.agent.set_audio(call, AudioRoute(route="device", input="KIOSK_M", output="both directions"))
        await sound.used_by(1)

    act(scene, extensions=("901",))


def test_a_sound_system_that_dies_takes_no_call_with_it(
    act: Any, sound: SoundSystem, answer: str, capfd: pytest.CaptureFixture[str]
) -> None:
    async def scene(lab: Lab, phone: Phone) -> None:
        kiosk, far = await two_ends(phone, KIOSK)
        await sound.used_by(1)
        other = await phone.connected("9196", account="901")
        record = await phone.agent.record(other, "other.wav", mode="stereo", max_duration_s=ANSWER.seconds + 1)
        await phone.agent.play(other, answer)
        sound.kill()
        ended = await phone.told("record.ended", record=record, reason="max_duration")
        assert heard_share(ANSWER, read_wav(ended["file"], THEM)) >= HEARD
        heard = await hears(phone, far, SAID)
        assert heard.seconds == pytest.approx(SAID.seconds + 2, abs=0.05)
        assert level_dbfs(heard) < -70
        assert {phone.agent.call(c).state for c in (kiosk, far, other)} == {"active"}

        with pytest.raises(MediaError, match="ECONNREFUSED"):
            await phone.agent.set_audio(other, DESK)
        for call in (kiosk, other):
            await phone.hung_up(call)

    act(scene, **ANSWERING)
    assert capfd.readouterr().err == ""


def test_a_sound_system_that_hangs_holds_nobody_up(
    act: Any, sound: SoundSystem, answer: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(devices, "OPEN_S", 1.0)

    async def scene(lab: Lab, phone: Phone) -> None:
        kiosk, _ = await two_ends(phone, KIOSK)
        await sound.used_by(1)
        other = await phone.connected("9196", account="901")
        record = await phone.agent.record(other, "other.wav", mode="stereo", max_duration_s=ANSWER.seconds + 2)
        await phone.agent.play(other, answer)
        sound.freeze()
        began = time.monotonic()
        await phone.hung_up(kiosk)
        assert time.monotonic() - began < 0.9
        with pytest.raises(MediaError, match="has not opened desk within 1 s"):
            await phone.agent.set_audio(other, DESK)
        ended = await phone.told("record.ended", record=record, reason="max_duration")
        assert heard_share(ANSWER, read_wav(ended["file"], THEM)) >= HEARD
        sound.thaw()
        await sound.used_by(0)

    act(scene, **ANSWERING)


def test_the_phone_ends_while_its_sound_system_hangs(sound: SoundSystem, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.e2e.frozen_end", str(tmp_path), str(sound.pid)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    text = "the sound system hangs; left open: kiosk_mic and kiosk_speaker\n"
    assert (done.returncode, done.stderr) == (0, text)
    assert float(done.stdout) < devices.CLOSE_S + 3


@pytest.mark.parametrize(("rate_hz", "least_db"), [(16_000, 15), (8_000, 8)])
def test_echo_is_cancelled(act: Any, sound: SoundSystem, tmp_path: Path, rate_hz: int, least_db: float) -> None:
    """The far end speaks for 7 s: how much of that comes back in the last 4 s, with and without cancellation."""
    write_wav(tmp_path / "long.wav", speech_like(7, seed=9))
    sound.echo_path(delay_ms=80, volume_percent=70)

    def echo_dbfs(enabled: bool) -> float:
        heard: list[Sound] = []

        async def scene(lab: Lab, phone: Phone) -> None:
            _, far = await two_ends(phone, KIOSK)
            await phone.agent.play(far, str(tmp_path / "long.wav"))
            heard.append(await hears(phone, far, silence(5)))

        media = {"echo_cancel": {"enabled": enabled}, "clock_rate_hz": rate_hz}
        act(scene, **ANSWERING, codecs=["pcmu"], media=media)
        # the median: where the sound system stumbles, the canceller has to find the echo's delay anew
        return statistics.median(level_dbfs(heard[0].cut(at, at + 0.5)) for at in np.arange(3, 7, 0.5))

    without, cancelled = echo_dbfs(False), echo_dbfs(True)
    text = f"{rate_hz} Hz: echo {without:.1f} dBFS, cancelled {cancelled:.1f} dBFS, ERLE {without - cancelled:.1f} dB"
    assert without > -45, f"there was no echo to cancel; {text}"
    assert without - cancelled >= least_db, text
