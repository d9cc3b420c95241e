"""The proofs about sound are themselves proven, on sounds whose answers are known."""

import math
import wave
from pathlib import Path

import numpy as np
import pytest

from softphone.testing.audio import (
    Sound,
    find,
    find_parts,
    heard_share,
    level_dbfs,
    read_wav,
    rms,
    silence,
    silence_share,
    speech_like,
    strongest_tone,
    tone,
    write_wav,
)


def joined(*sounds: Sound) -> Sound:
    return Sound(np.concatenate([sound.samples for sound in sounds]), sounds[0].rate_hz)


def through_mu_law(sound: Sound) -> Sound:
    """What G.711 leaves: 8 kHz and logarithmic steps."""
    narrow = sound.at_rate(8000).samples
    steps = np.round(np.sign(narrow) * np.log1p(255 * np.abs(narrow)) / math.log(256) * 127) / 127
    return Sound(np.sign(steps) * (256 ** np.abs(steps) - 1) / 255, 8000)


def noisy(sound: Sound, level: float) -> Sound:
    noise = np.random.default_rng(7).normal(0, level, len(sound.samples))
    return Sound(sound.samples + noise, sound.rate_hz)


def test_a_wav_file_gives_back_what_was_written(tmp_path: Path) -> None:
    left, right = tone(300, 0.5), tone(700, 0.5, level=0.2)
    write_wav(tmp_path / "two.wav", left, right)

    assert np.allclose(read_wav(tmp_path / "two.wav", 0).samples, left.samples, atol=1e-4)
    assert np.allclose(read_wav(tmp_path / "two.wav", 1).samples, right.samples, atol=1e-4)
    mix = read_wav(tmp_path / "two.wav")
    assert np.allclose(mix.samples, (left.samples + right.samples) / 2, atol=1e-4)
    assert (mix.rate_hz, mix.seconds) == (16_000, 0.5)


def test_other_sample_sizes_are_refused(tmp_path: Path) -> None:
    with wave.open(str(tmp_path / "8.wav"), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(1)
        file.setframerate(8000)
        file.writeframes(b"\x80" * 80)
    with pytest.raises(ValueError, match="8 bits"):
        read_wav(tmp_path / "8.wav")


def test_levels() -> None:
    assert rms(tone(1000, 1, level=0.5)) == pytest.approx(0.5 / math.sqrt(2), rel=1e-3)
    assert level_dbfs(tone(1000, 1, level=1)) == pytest.approx(-3.01, abs=0.02)
    assert level_dbfs(silence(1)) == -120
    assert rms(Sound(np.zeros(0), 8000)) == 0


def test_silence_share_counts_frames() -> None:
    half = joined(tone(1000, 1), silence(1))
    assert silence_share(half) == pytest.approx(0.5, abs=0.01)
    assert silence_share(tone(1000, 1)) == 0
    assert silence_share(Sound(np.zeros(0), 8000)) == 1


@pytest.mark.parametrize("frequency_hz", [350.0, 440.0, 1004.0, 3000.0])
def test_a_tone_is_named_within_a_hertz(frequency_hz: float) -> None:
    found = strongest_tone(noisy(tone(frequency_hz, 1, 8000), 0.02))
    assert found.frequency_hz == pytest.approx(frequency_hz, abs=1)
    assert found.share > 0.95


def test_speech_is_no_tone_and_silence_neither() -> None:
    assert strongest_tone(speech_like(2)).share < 0.5
    assert strongest_tone(silence(1)).share == 0
    assert strongest_tone(Sound(np.zeros(0), 8000)).share == 0


def test_resampling_keeps_wave_and_length() -> None:
    narrow = speech_like(1, 48_000).at_rate(8000)
    assert (narrow.rate_hz, narrow.seconds) == (8000, 1)
    assert find(speech_like(1, 48_000), narrow).score > 0.98


@pytest.mark.parametrize("lag_s", [0.0, 0.123, 1.7])
def test_a_prompt_is_found_where_it_is(lag_s: float) -> None:
    prompt = speech_like(2, seed=3)
    recording = noisy(joined(silence(lag_s), prompt, silence(0.5)), 0.005)
    match = find(prompt, recording)
    assert match.heard
    assert match.lag_s == pytest.approx(lag_s, abs=0.001)


def test_a_quiet_copy_through_g711_is_still_the_prompt() -> None:
    prompt = speech_like(2, seed=3)
    quiet = Sound(prompt.samples * 0.1, prompt.rate_hz)
    match = find(prompt, through_mu_law(joined(silence(0.4), quiet)))
    assert match.score > 0.95
    assert match.lag_s == pytest.approx(0.4, abs=0.001)


def test_a_recording_that_began_late_has_a_negative_lag() -> None:
    prompt = speech_like(2, seed=4)
    match = find(prompt, joined(prompt.cut(0.6), silence(1)))
    assert match.score > 0.99
    assert match.lag_s == pytest.approx(-0.6, abs=0.001)


@pytest.mark.parametrize("seed", range(10, 20))
def test_other_speech_noise_and_silence_are_not_the_prompt(seed: int) -> None:
    prompt = speech_like(2, seed=3)
    assert find(prompt, speech_like(4, seed=seed)).score < 0.5
    assert find(prompt, noisy(silence(4), 0.3)).score < 0.3
    assert find(prompt, silence(4)).score == 0
    assert find(prompt, Sound(np.zeros(0), 8000)).score == 0


def test_a_slip_of_the_jitter_buffer_is_seen_in_the_parts() -> None:
    prompt = speech_like(4, seed=5)
    slipped = joined(silence(0.2), prompt.cut(0, 2), silence(0.04), prompt.cut(2))
    lags = [match.lag_s for match in find_parts(prompt, slipped)]
    assert heard_share(prompt, slipped) == 1
    assert lags[0] == pytest.approx(0.2, abs=0.001)
    assert lags[-1] == pytest.approx(0.24, abs=0.001)


def test_the_share_heard_falls_with_what_is_missing() -> None:
    prompt = speech_like(4, seed=6)
    half = joined(prompt.cut(0, 2), silence(2))
    assert heard_share(prompt, half) == pytest.approx(0.5, abs=0.13)
    assert heard_share(prompt, speech_like(4, seed=7)) == 0
