"""What the ports hear is in the file, side by side and no more than asked for."""

from __future__ import annotations

import asyncio
import random
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from softphone.errors import Conflict, UsageError
from softphone.media.files import probe
from softphone.media.levels import Level
from softphone.media.recorder import Recorder
from tests.media.fakes import FRAME, RATE_HZ, FakeMixer, run, tone, turns
from tests.media.studio import Studio, channels


def test_mono_is_the_mix_of_both(tmp_path: Path) -> None:
    async def scenario() -> None:
        studio = Studio(tmp_path)
        recorder = studio.mono()
        await recorder.start()
        await studio.talk(2.0)
        end = await recorder.stop()
        sound = channels(studio.file)
        assert sound.shape == (2 * RATE_HZ, 1)
        far, near = tone(2.0, level=0.25), tone(2.0, frequency_hz=1000, level=0.25)
        assert (sound[:, 0] == far + near).all()
        assert (end.file, end.reason, end.duration_s, end.error) == (studio.file, "stopped", 2.0, "")
        assert end.bytes == studio.file.stat().st_size == 44 + 2 * RATE_HZ * 2
        assert studio.ends == [end]
        assert probe(studio.file).duration_s == pytest.approx(2.0)

    run(scenario())


def test_stereo_keeps_them_left_and_us_right(tmp_path: Path) -> None:
    async def scenario() -> None:
        studio = Studio(tmp_path)
        recorder = studio.stereo()
        await recorder.start()
        await studio.talk(1.3)
        assert recorder.duration_s == pytest.approx(1.3)
        end = await recorder.stop()
        sound = channels(studio.file)
        assert (sound[:, 0] == tone(1.3, level=0.25)).all()
        assert (sound[:, 1] == tone(1.3, frequency_hz=1000, level=0.25)).all()
        assert [level.silence_share for level in end.levels] == [0, 0]
        assert end.peak_dbfs == pytest.approx(-12.04, abs=0.01)

    run(scenario())


def test_levels_tell_who_was_silent(tmp_path: Path) -> None:
    async def scenario() -> None:
        studio = Studio(tmp_path)
        recorder = studio.stereo()
        await recorder.start()
        studio.far.write(tone(0.5, level=0.5).tobytes())
        studio.mixer.tick(100)
        end = await recorder.stop()
        assert end.levels == (Level(pytest.approx(-6.02, abs=0.01), 0.75), Level(None, 1.0))
        assert end.peak_dbfs == end.levels[0].peak_dbfs

    run(scenario())


def test_one_that_delivers_later_is_waited_for(tmp_path: Path) -> None:
    async def scenario() -> None:
        studio = Studio(tmp_path)
        recorder = studio.stereo()
        await recorder.start()
        studio.us.hold = True
        await studio.talk(0.4)
        assert recorder.duration_s == 0
        studio.us.hold = False
        await studio.talk(0.4)
        await recorder.stop()
        sound = channels(studio.file)
        both = np.concatenate([tone(0.4, frequency_hz=1000, level=0.25)] * 2)
        assert (sound[:, 1] == both).all()

    run(scenario())


def test_lost_sound_becomes_silence_and_the_rest_stays_in_step(tmp_path: Path) -> None:
    async def scenario() -> None:
        studio = Studio(tmp_path)
        recorder = studio.stereo()
        await recorder.start()
        await studio.talk(0.5)
        studio.us.hold = True
        await studio.talk(1.0)
        studio.us.held.clear()  # gone for good: the port's queue overran
        studio.us.hold = False
        await studio.talk(1.0)
        await recorder.stop()
        sound = channels(studio.file)
        assert len(sound) == 2.5 * RATE_HZ
        assert sound[round(1.99 * RATE_HZ) :, 1].any()
        quiet = (np.abs(sound[:, 1]).reshape(-1, FRAME // 2).max(axis=1) == 0).sum() * 20
        assert quiet == pytest.approx(1000, abs=520)  # out of step by no more than what late delivery explains

    run(scenario())


def test_very_late_sound_does_not_shift_what_follows(tmp_path: Path) -> None:
    async def scenario() -> None:
        studio = Studio(tmp_path)
        recorder = studio.stereo()
        await recorder.start()
        studio.us.hold = True
        await studio.talk(2.0)
        studio.us.hold = False  # two seconds come at once
        await studio.talk(2.0)
        end = await recorder.stop()
        assert end.duration_s == 4.0
        sound = channels(studio.file)
        assert (sound[2 * RATE_HZ :, 1] == tone(2.0, frequency_hz=1000, level=0.25)).all()

    run(scenario())


def test_a_busy_loop_that_catches_up_costs_nothing(tmp_path: Path) -> None:
    async def scenario() -> None:
        studio = Studio(tmp_path)
        recorder = studio.stereo()
        await recorder.start()
        studio.them.hold = studio.us.hold = True
        await studio.talk(0.9)
        studio.them.hold = studio.us.hold = False
        await studio.talk(0.02)  # them first with 0.92 s, us next with the same
        await recorder.stop()
        assert (channels(studio.file)[: 9 * RATE_HZ // 10, 1] == tone(0.9, frequency_hz=1000, level=0.25)).all()

    run(scenario())


def test_pause_leaves_out_and_keeps_the_sides_together(tmp_path: Path) -> None:
    async def scenario() -> None:
        studio = Studio(tmp_path)
        recorder = studio.stereo()
        await recorder.start()
        await studio.talk(0.7)
        for _ in range(2):
            recorder.pause()
        await studio.talk(3.0)
        for _ in range(2):
            recorder.resume()
        await studio.talk(0.4)
        end = await recorder.stop()
        assert end.duration_s == pytest.approx(1.1)
        expected = np.concatenate([tone(0.7, level=0.25), tone(0.4, level=0.25)])
        assert (channels(studio.file)[:, 0] == expected).all()

    run(scenario())


def test_stopped_while_paused(tmp_path: Path) -> None:
    async def scenario() -> None:
        studio = Studio(tmp_path)
        recorder = studio.mono()
        await recorder.start()
        await studio.talk(0.3)
        recorder.pause()
        assert (await recorder.stop()).duration_s == pytest.approx(0.3)
        recorder.resume()  # too late, harmless
        await studio.talk(0.1)
        assert len(channels(studio.file)) == 0.3 * RATE_HZ

    run(scenario())


def test_the_time_limit_is_exact(tmp_path: Path) -> None:
    async def scenario() -> None:
        studio = Studio(tmp_path)
        recorder = studio.stereo(max_duration_s=0.75)
        await recorder.start()
        await studio.talk(1.5)
        await turns()
        assert [(end.reason, end.duration_s) for end in studio.ends] == [("max_duration", 0.75)]
        assert await recorder.stop() == studio.ends[0]
        assert len(channels(studio.file)) == 0.75 * RATE_HZ
        assert studio.them.pcm is None

    run(scenario())


def test_the_size_limit_ends_with_its_reason(tmp_path: Path) -> None:
    async def scenario() -> None:
        studio = Studio(tmp_path)
        recorder = studio.stereo(max_bytes=50_001, max_duration_s=100)
        await recorder.start()
        await studio.talk(1.5)
        await turns()
        assert studio.ends[0].reason == "max_size"
        assert studio.ends[0].bytes == studio.file.stat().st_size == 50_000
        assert len(channels(studio.file)) == (50_000 - 44) / 4

    run(scenario())


def test_no_limit_means_the_limit_of_the_format(tmp_path: Path) -> None:
    async def scenario() -> None:
        studio = Studio(tmp_path)
        for options in ({}, {"max_bytes": 10**15}, {"max_duration_s": 10**9}):
            recorder = studio.stereo(**options)
            limit_bytes = 44 + 4 * recorder._limit_samples  # no test writes 4 GiB
            assert 2**32 - 8 <= limit_bytes + 8 < 2**32 + 8
            assert recorder._limit_reason == "max_size"

    run(scenario())


def test_stop_while_the_file_is_being_created(tmp_path: Path) -> None:
    async def scenario() -> None:
        studio = Studio(tmp_path)
        with ThreadPoolExecutor(1) as pool:
            gate = threading.Event()
            pool.submit(gate.wait, 30)
            recorder = studio.mono(executor=pool)
            starting = asyncio.ensure_future(recorder.start())
            await turns()
            await studio.talk(0.2)
            ended = recorder.stop()
            gate.set()
            await starting
            assert (await ended).duration_s == pytest.approx(0.2)  # what came while the file was made is in it

    run(scenario())


def test_a_start_given_up_leaves_nothing(tmp_path: Path) -> None:
    async def scenario() -> None:
        studio = Studio(tmp_path)
        with ThreadPoolExecutor(1) as pool:
            gate = threading.Event()
            pool.submit(gate.wait, 30)
            recorder = studio.mono(executor=pool)
            starting = asyncio.ensure_future(recorder.start())
            await turns()
            starting.cancel()
            await turns()
            gate.set()
            await recorder.wait()
            assert (studio.ends, studio.them.pcm, list(tmp_path.iterdir())) == ([], None, [])

    run(scenario())


def test_misuse_is_refused(tmp_path: Path) -> None:
    async def scenario() -> None:
        studio = Studio(tmp_path)
        other = FakeMixer(8_000).pcm()
        for ports in ([], [studio.them, studio.us, studio.far], [studio.them, other]):
            with pytest.raises(UsageError, match="one port, or two"):
                Recorder(ports, studio.file)
        with pytest.raises(UsageError, match="more than 0 s"):
            studio.mono(max_duration_s=0)
        recorder = studio.mono()
        with pytest.raises(Conflict):
            recorder.stop()
        await recorder.start()
        with pytest.raises(Conflict):
            await recorder.start()
        assert (await recorder.stop()).duration_s == 0
        assert len(channels(studio.file)) == 0

    run(scenario())


def test_two_sides_in_random_portions_stay_in_step(tmp_path: Path) -> None:
    async def scenario() -> None:
        studio = Studio(tmp_path)
        recorder = studio.stereo()
        await recorder.start()
        chance = random.Random(3)
        for _ in range(200):
            studio.them.hold = chance.random() < 0.8
            studio.us.hold = chance.random() < 0.8
            await studio.talk(0.02)
        studio.them.hold = studio.us.hold = False
        await studio.talk(0.02)
        await recorder.stop()
        sound = channels(studio.file)
        assert len(sound) == round(4.02 * RATE_HZ)
        assert (np.abs(sound) > 0).any(axis=0).all()
        assert (sound[:, 0] == np.concatenate([tone(0.02, level=0.25)] * 201)).all()

    run(scenario())
