"""Speech holds no digits: more than ten minutes of it, by voices that somebody else made, at full speed."""

from __future__ import annotations

import re
import subprocess
import wave
from pathlib import Path

import numpy as np
import pjsua2 as pj
import pytest

ROOT = Path(__file__).parents[2]
RATE_HZ = 16_000
WORDS = 450
VOICES = [("en", 50), ("en-us+f3", 70), ("en+f5", 90), ("fr+m3", 40), ("de+f2", 60), ("es+m7", 30), ("it+f4", 80)]
"""espeak-ng's voices and pitches; `en+f5` at 90 comes nearest to digits of all that were tried."""


def words() -> list[str]:
    text = " ".join(path.read_text() for path in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))])
    return re.findall(r"[A-Za-z']{2,}", text)


def spoken(voice: str, pitch: int, text: str, file: Path) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Speech at RATE_HZ; its loudest sample is at full scale."""
    command = ["espeak-ng", "-v", voice, "-p", str(pitch), "-w", str(file), "--stdin"]
    subprocess.run(command, input=text.encode(), check=True, timeout=60)
    with wave.open(str(file)) as wav:
        samples = np.frombuffer(wav.readframes(wav.getnframes()), "<i2").astype(np.float64)
        rate_hz = wav.getframerate()
    places = np.arange(int(len(samples) * RATE_HZ / rate_hz)) * rate_hz / RATE_HZ
    sound = np.interp(places, np.arange(len(samples)), samples)
    return sound * 32767 / np.abs(sound).max()


@pytest.mark.parametrize("level_db", [0, -20])
def test_ten_minutes_of_speech_hold_no_digit(tmp_path: Path, level_db: float) -> None:
    all_words = words()
    seconds = 0.0
    found = []
    for turn, (voice, pitch) in enumerate(VOICES):
        begin = turn * WORDS % max(1, len(all_words) - WORDS)
        sound = spoken(voice, pitch, " ".join(all_words[begin : begin + WORDS]), tmp_path / "speech.wav")
        detector = pj.DigitDetector(RATE_HZ)
        detector.feedPcm(np.rint(sound * 10 ** (level_db / 20)).astype(np.int16).tobytes())
        found += [(voice, *heard) for heard in detector.digits()]
        seconds += len(sound) / RATE_HZ
    assert seconds > 600
    assert found == []
