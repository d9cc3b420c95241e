"""A recording plays whatever happens to the process, and a disk that fails harms nothing but the recording."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import threading
import wave
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from softphone.errors import MediaError
from softphone.media.files import AudioFile
from tests.media.fakes import FRAME, RATE_HZ, loudest_hz, open_files, run, tone, turns, until
from tests.media.studio import Studio, channels


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
