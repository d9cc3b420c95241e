"""What the ports hear is in the file, side by side, whatever happens to the process or the disk."""

from __future__ import annotations

import asyncio
import os
import random
import resource
import signal
import subprocess
import sys
import threading
import wave
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from softphone.errors import Conflict, MediaError, UsageError
from softphone.media.files import AudioFile, probe
from softphone.media.levels import Level
from softphone.media.recorder import RecordEnd, Recorder
from tests.media.fakes import (
    FRAME,
    RATE_HZ,
    FakeMixer,
    InlineExecutor,
    loudest_hz,
    open_files,
    run,
    tone,
    turns,
    until,
)


class Studio:
    """Two voices on a mixer, and a recorder for them."""

    def __init__(self, folder: Path) -> None:
        self.mixer = FakeMixer()
        self.file = folder / "call.wav"
        self.far, self.near = self.mixer.pcm("far"), self.mixer.pcm("near")
        self.them, self.us = self.mixer.pcm("them"), self.mixer.pcm("us")
        self.mixer.connect(self.far, self.them)
        self.mixer.connect(self.near, self.us)
        self.ends: list[RecordEnd] = []

    def mono(self, **options: object) -> Recorder:
        self.mixer.connect(self.near, self.them)
        return self._recorder([self.them], options)

    def stereo(self, **options: object) -> Recorder:
        return self._recorder([self.them, self.us], options)

    def _recorder(self, ports: list[object], options: dict[str, object]) -> Recorder:
        options = {"executor": InlineExecutor(), "on_end": self.ends.append, **options}
        return Recorder(ports, self.file, **options)  # type: ignore[arg-type]

    async def talk(self, seconds: float) -> None:
        """The far end says 440 Hz, we say 1000 Hz."""
        far, near = tone(seconds, level=0.25).tobytes(), tone(seconds, frequency_hz=1000, level=0.25).tobytes()
        for start in range(0, len(far), FRAME):
            self.far.write(far[start : start + FRAME])
            self.near.write(near[start : start + FRAME])
            self.mixer.tick()
            await turns(2)


def channels(path: Path) -> np.ndarray:
    with wave.open(str(path)) as reader:
        assert (reader.getframerate(), reader.getsampwidth()) == (RATE_HZ, 2)
        return np.frombuffer(reader.readframes(10**9), "<i2").reshape(-1, reader.getnchannels())


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


def test_every_moment_of_the_file_is_playable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed after any single write: what is on disk opens, and lacks at most the last append."""
    real = os.pwrite
    seen: list[int] = []

    def watched(descriptor: int, data: bytes, offset: int) -> int:
        short = data if offset == 0 else data[: max(1, len(data) // 2)]  # a disk may take less than it is given
        written = real(descriptor, short, offset)
        path = tmp_path / "call.wav"
        if path.stat().st_size >= 44:
            with wave.open(str(path)) as reader:
                assert 44 + reader.getnframes() * 4 <= path.stat().st_size
                seen.append(reader.getnframes())
        return written

    async def scenario() -> None:
        studio = Studio(tmp_path)
        recorder = studio.stereo()
        await recorder.start()
        monkeypatch.setattr(os, "pwrite", watched)
        await studio.talk(2.2)
        await recorder.stop()

    run(scenario())
    assert seen == sorted(seen)
    assert set(seen) >= {8000, 16_000, 24_000, 32_000}


CHILD = """
import asyncio, sys
from pathlib import Path
from tests.media.fakes import FakeMixer, tone
from softphone.media.recorder import Recorder

async def main():
    mixer = FakeMixer()
    far, them, us = mixer.pcm("far"), mixer.pcm("them"), mixer.pcm("us")
    mixer.connect(far, them)
    mixer.connect(far, us)
    recorder = Recorder([them, us], Path(sys.argv[1]))
    await recorder.start()
    second = tone(1).tobytes()
    while True:
        far.write(second)
        for _ in range(50):
            mixer.tick()
            await asyncio.sleep(0.004)
        print(recorder.duration_s, flush=True)

asyncio.run(main())
"""


@pytest.mark.parametrize("lines", [1, 3, 4])
def test_a_killed_process_leaves_a_playable_file(tmp_path: Path, lines: int) -> None:
    path = tmp_path / "killed.wav"
    child = subprocess.Popen([sys.executable, "-c", CHILD, str(path)], stdout=subprocess.PIPE, text=True)
    try:
        assert child.stdout is not None
        said = [float(child.stdout.readline()) for _ in range(lines)]
    finally:
        child.send_signal(signal.SIGKILL)
        child.wait(10)
        child.communicate()
    sound = channels(path)
    assert len(sound) / RATE_HZ >= said[-1] - 1.0
    assert (sound[: len(sound) // FRAME * FRAME, 0] == sound[: len(sound) // FRAME * FRAME, 1]).all()
    decoded = b"".join(AudioFile(path).chunks(RATE_HZ))
    assert len(decoded) / 2 == pytest.approx(len(sound), abs=2)
    if decoded:
        assert loudest_hz(decoded) == pytest.approx(440, abs=3)


def test_an_existing_file_is_kept_unless_told_otherwise(tmp_path: Path) -> None:
    async def scenario() -> None:
        studio = Studio(tmp_path)
        studio.file.write_bytes(b"precious" * 1000)
        with pytest.raises(MediaError, match="exists already"):
            await studio.mono().start()
        assert studio.file.read_bytes() == b"precious" * 1000
        recorder = studio.mono(overwrite=True)
        await recorder.start()
        await studio.talk(0.1)
        await recorder.stop()
        assert len(channels(studio.file)) == 0.1 * RATE_HZ
        assert studio.file.stat().st_size == 44 + 3200

    run(scenario())


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    os.mkfifo(tmp_path / "pipe")
    cases = {
        "missing/x.wav": "folder .*missing does not exist",
        "file/x.wav": "cannot be created",
        "": "this is a folder",
        "pipe": "device or pipe",
        "a\0b": "cannot be created",
        "x" * 300: "cannot be created",
    }

    async def scenario() -> None:
        for name, said in cases.items():
            studio = Studio(tmp_path)
            studio.file = tmp_path / name
            recorder = studio.mono(overwrite=True)
            with pytest.raises(MediaError, match=said):
                await recorder.start()
            await turns()
            assert (studio.ends, studio.them.pcm) == ([], None)
            assert (await recorder.wait()).reason == "failed"  # asking does not hang
        assert open_files(tmp_path) == []

    run(scenario())


def test_no_permission_to_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> int:
        raise PermissionError(13, "Permission denied")

    async def scenario() -> None:
        studio = Studio(tmp_path)
        monkeypatch.setattr(os, "open", refused)  # root may write anywhere, so the refusal is played
        with pytest.raises(MediaError, match="no permission"):
            await studio.mono().start()

    run(scenario())


def test_recordings_are_private(tmp_path: Path) -> None:
    async def scenario() -> None:
        studio = Studio(tmp_path)
        recorder = studio.mono()
        await recorder.start()
        await recorder.stop()
        assert studio.file.stat().st_mode & 0o7137 == 0

    run(scenario())


@pytest.fixture
def small_disk() -> Iterator[int]:
    """The kernel refuses files above this size: EFBIG, which takes the way of ENOSPC."""
    limit = 40_000
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))
    yield limit
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_ends_the_recording_and_nothing_else(tmp_path: Path, small_disk: int) -> None:
    async def scenario() -> None:
        studio = Studio(tmp_path)
        recorder = studio.mono()
        await recorder.start()
        await studio.talk(3.0)
        await turns()
        (end,) = studio.ends
        assert end.reason == "failed"
        assert "call.wav: cannot be written (File too large)" in end.error
        assert end.duration_s == 1.0  # two appends of half a second had room
        assert end.bytes == studio.file.stat().st_size
        assert len(channels(studio.file)) == RATE_HZ
        assert await recorder.stop() == end
        assert open_files(tmp_path) == []
        assert studio.them.pcm is None

    run(scenario())


def test_a_disk_full_from_the_start_leaves_no_empty_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    async def scenario() -> None:
        studio = Studio(tmp_path)
        monkeypatch.setattr(os, "pwrite", full)
        with pytest.raises(MediaError, match="No space left on device"):
            await studio.mono().start()
        assert list(tmp_path.iterdir()) == []
        assert open_files(tmp_path) == []

    run(scenario())


def test_a_disk_that_fails_at_the_very_end_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: int) -> None:
        raise OSError(5, "Input/output error")

    async def scenario() -> None:
        studio = Studio(tmp_path)
        recorder = studio.mono()
        await recorder.start()
        await studio.talk(0.2)
        monkeypatch.setattr(os, "fsync", broken)
        end = await recorder.stop()
        assert (end.reason, end.duration_s) == ("failed", 0.2)
        assert "Input/output error" in end.error
        assert open_files(tmp_path) == []

    run(scenario())


def test_a_disk_that_stands_still_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario() -> None:
        studio = Studio(tmp_path)
        gate = threading.Event()
        real = os.pwrite

        def slow(*arguments: object) -> int:
            gate.wait(30)
            return real(*arguments)  # type: ignore[arg-type]

        with ThreadPoolExecutor(1) as pool:
            recorder = studio.mono(executor=pool)
            await recorder.start()
            monkeypatch.setattr(os, "pwrite", slow)
            for _ in range(35 * 50):
                studio.mixer.tick()
            await turns()
            (end,) = studio.ends  # while the disk still hangs
            assert end.reason == "failed"
            assert "has not taken anything for 30 s" in end.error
            gate.set()
            await until(lambda: open_files(tmp_path) == [])
        await turns()
        assert len(studio.ends) == 1

    run(scenario())


def test_a_slow_disk_holds_nobody_up(tmp_path: Path) -> None:
    async def scenario() -> None:
        studio = Studio(tmp_path)
        with ThreadPoolExecutor(1) as pool:
            recorder = studio.stereo(executor=pool)
            await recorder.start()
            blocked = threading.Event()
            pool.submit(blocked.wait, 30)
            await studio.talk(5.0)
            blocked.set()
            end = await recorder.stop()
        assert end.duration_s == pytest.approx(5.0)
        assert (channels(studio.file)[:, 0] == tone(5.0, level=0.25)).all()

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
