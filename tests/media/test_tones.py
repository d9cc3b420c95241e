"""Sounds made by arithmetic, and sources put together."""

from __future__ import annotations

from itertools import islice

import numpy as np
import pytest

from softphone.errors import MediaError, UsageError
from softphone.media import dtmf, tones
from softphone.media.sources import Pcm, Playlist, Silence, Source
from tests.media.fakes import RATE_HZ, loudest_hz


def samples(source: Source, rate_hz: int = RATE_HZ) -> np.ndarray:
    return np.frombuffer(b"".join(source.chunks(rate_hz)), np.int16)


def two_loudest_hz(wave: np.ndarray, rate_hz: int) -> set[float]:
    """Local maxima of the spectrum that stand out."""
    spectrum = np.abs(np.fft.rfft(wave * np.hanning(len(wave)), 8 * rate_hz))
    found: set[float] = set()
    for _ in range(2):
        top = int(np.argmax(spectrum))
        found.add(top / 8)
        spectrum[max(0, top - 400) : top + 400] = 0
    return found


def test_a_sine_is_one_frequency_at_its_level() -> None:
    wave = samples(tones.sine(1000, 1.0, level_dbfs=-20))
    assert len(wave) == RATE_HZ
    assert loudest_hz(wave.tobytes()) == pytest.approx(1000, abs=1)
    assert np.abs(wave).max() == pytest.approx(3277, rel=0.01)


def test_pieces_join_without_a_step() -> None:
    wave = samples(tones.sine(333, 2.0)).astype(int)
    steepest = 2 * np.pi * 333 / RATE_HZ * np.abs(wave).max()
    assert np.abs(np.diff(wave)).max() <= steepest + 1


def test_bursts_fade_in_and_out() -> None:
    wave = samples(tones.beep())
    assert wave[0] == wave[-1] == 0
    assert np.abs(wave[:16]).max() < 0.25 * np.abs(wave).max()


@pytest.mark.parametrize("rate_hz", [8_000, 16_000])
@pytest.mark.parametrize("digit", list(dtmf.DIGITS))
def test_dtmf_digits_carry_their_two_frequencies(digit: str, rate_hz: int) -> None:
    wave = samples(tones.dtmf(digit), rate_hz)
    assert len(wave) == rate_hz // 5
    low, high = sorted(two_loudest_hz(wave[: rate_hz // 10], rate_hz))
    assert (low, high) == pytest.approx(dtmf.FREQUENCIES_HZ[digit], abs=4)


def test_a_row_of_digits_keeps_its_gaps_and_pauses() -> None:
    wave = samples(tones.dtmf("1,2", tone_ms=80, gap_ms=60))
    assert len(wave) == round((0.14 + 0.5 + 0.14) * RATE_HZ)
    sounding = np.abs(wave).reshape(-1, RATE_HZ // 100).max(axis=1) > 500
    assert sounding.tolist() == [True] * 8 + [False] * 56 + [True] * 8 + [False] * 6


def test_ringback_rings_every_five_seconds() -> None:
    wave = samples(tones.ringback(times=2))
    assert len(wave) == 10 * RATE_HZ
    seconds = np.abs(wave).reshape(10, -1).max(axis=1) > 500
    assert seconds.tolist() == [True, False, False, False, False] * 2
    endless = tones.ringback().chunks(RATE_HZ)
    assert sum(len(chunk) for chunk in islice(endless, 100)) == 50 * RATE_HZ * 2
    assert len(samples(tones.busy(times=3))) == 3 * RATE_HZ


@pytest.mark.parametrize(
    "build",
    [
        lambda: tones.sine(440, 0),
        lambda: tones.sine(440, 1, level_dbfs=3),
        lambda: tones.dtmf(""),
        lambda: tones.dtmf("Z"),
        lambda: tones.dtmf("1", tone_ms=10),
        lambda: tones.Tones(()),
    ],
)
def test_senseless_tones_are_refused(build: object) -> None:
    with pytest.raises(UsageError):
        build()  # type: ignore[operator]


def test_a_playlist_is_its_parts_in_order() -> None:
    one, two = Pcm(b"\1\0" * 100, RATE_HZ), Pcm(b"\2\0" * 50, RATE_HZ)
    playlist = Playlist([one, Silence(0.01), two], times=2)
    expected = (b"\1\0" * 100 + bytes(320) + b"\2\0" * 50) * 2
    assert samples(playlist).tobytes() == expected


def test_a_playlist_without_sound_ends_although_endless() -> None:
    assert samples(Playlist([Pcm(b"", RATE_HZ), Silence(0)], times=None)).size == 0


def test_pcm_of_another_rate_is_refused() -> None:
    with pytest.raises(MediaError, match="8000 Hz"):
        samples(Pcm(bytes(100), 8_000))


def test_pcm_keeps_whole_samples() -> None:
    assert samples(Pcm(b"\1\0\2", RATE_HZ)).tolist() == [1]
