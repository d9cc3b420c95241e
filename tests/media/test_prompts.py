"""Files that are played again come from memory, and are the same sound."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from softphone.errors import MediaError
from softphone.media.files import AudioFile
from softphone.media.prompts import Prompts
from softphone.testing.audio import speech_like, write_wav

RATE_HZ = 16_000
SECOND = RATE_HZ * 2


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "prompt.wav"
    write_wav(path, speech_like(2))
    return path


def played(prompts: Prompts, path: Path, rate_hz: int = RATE_HZ) -> bytes:
    return b"".join(prompts.source(path).chunks(rate_hz))


def test_the_second_time_nothing_is_decoded(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    prompts = Prompts(1 << 20)
    first = played(prompts, file)
    assert first == b"".join(AudioFile(file).chunks(RATE_HZ))
    assert prompts.size == len(first)
    monkeypatch.setattr(AudioFile, "chunks", None)
    assert played(prompts, file) == first


def test_each_rate_is_a_sound_of_its_own(file: Path) -> None:
    prompts = Prompts(1 << 20)
    assert len(played(prompts, file, 8000)) * 2 == pytest.approx(len(played(prompts, file)), abs=64)


def test_a_file_that_was_replaced_is_read_anew(file: Path) -> None:
    prompts = Prompts(1 << 20)
    before = played(prompts, file)
    write_wav(file, speech_like(1, seed=5))
    os.utime(file, (time.time() + 5,) * 2)
    after = played(prompts, file)
    assert len(after) < len(before)
    assert after == b"".join(AudioFile(file).chunks(RATE_HZ))


def test_a_sound_that_was_broken_off_is_not_kept(file: Path) -> None:
    prompts = Prompts(1 << 20)
    chunks = prompts.source(file).chunks(RATE_HZ)
    next(chunks)
    chunks.close()
    assert prompts.size == 0
    assert len(played(prompts, file)) > SECOND


def test_the_limit_holds_and_the_oldest_goes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = [tmp_path / f"{i}.wav" for i in range(5)]
    for i, path in enumerate(files):
        write_wav(path, speech_like(1, seed=i))
    prompts = Prompts(4 * (SECOND + 4000))
    for path in files[:4]:
        played(prompts, path)
    played(prompts, files[0])
    played(prompts, files[4])  # files[1] goes
    assert prompts.size <= 4 * (SECOND + 4000)
    monkeypatch.setattr(AudioFile, "chunks", lambda self, rate_hz: iter([b"disk"]))
    assert [played(prompts, path) == b"disk" for path in files] == [False, True, False, False, False]


def test_a_long_file_and_no_memory_at_all(file: Path) -> None:
    for limit in (SECOND, 0):
        prompts = Prompts(limit)
        assert len(played(prompts, file)) > SECOND
        assert prompts.size == 0


def test_what_is_missing_is_told_as_ever(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match="no such file"):
        played(Prompts(1 << 20), tmp_path / "none.wav")
