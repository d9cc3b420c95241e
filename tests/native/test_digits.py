"""What the digit detector takes and refuses, against the limits of ITU-T Q.24 annex A."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pjsua2 as pj
import pytest

from .bench import Bench
from .dial import ALL, Sound, detect, dialled, pcm, silence, tone

RATES = [8000, 16000, 48000]


def heard(sound: Sound, rate_hz: int = 8000) -> str:
    return "".join(digit for digit, _, _ in detect(sound, rate_hz))


@pytest.mark.parametrize("rate_hz", RATES)
@pytest.mark.parametrize("level", [0, -3, -10, -25, -27])
def test_every_digit_at_every_level(level: float, rate_hz: int) -> None:
    assert heard(dialled(rate_hz=rate_hz, low_dbm0=level, high_dbm0=level), rate_hz) == ALL


def test_what_is_too_faint_is_refused() -> None:
    assert heard(dialled(100, low_dbm0=-31, high_dbm0=-31)) == ""


@pytest.mark.parametrize("twist_db", [4, -8])
def test_the_high_tone_may_be_4_db_louder_or_8_db_fainter(twist_db: float) -> None:
    assert heard(dialled(low_dbm0=-12, high_dbm0=-12 + twist_db)) == ALL


@pytest.mark.parametrize("twist_db", [8, -12])
def test_beyond_that_it_is_refused(twist_db: float) -> None:
    assert heard(dialled(100, low_dbm0=-14, high_dbm0=-14 + twist_db)) == ""


OFF = [(1, 1), (-1, -1), (1, -1), (-1, 1), (1, 0), (-1, 0), (0, 1), (0, -1)]


@pytest.mark.parametrize("off", OFF)
@pytest.mark.parametrize("percent", [1.5, 1.8])
def test_frequencies_may_be_a_little_off(off: tuple[int, int], percent: float) -> None:
    assert heard(dialled(low_off=off[0] * percent / 100, high_off=off[1] * percent / 100)) == ALL


@pytest.mark.parametrize("off", OFF)
@pytest.mark.parametrize("percent", [3.0, 3.5])
def test_frequencies_that_are_further_off_are_refused(off: tuple[int, int], percent: float) -> None:
    assert heard(dialled(100, low_off=off[0] * percent / 100, high_off=off[1] * percent / 100)) == ""


@pytest.mark.parametrize("rate_hz", RATES)
@pytest.mark.parametrize("ms", [40, 50, 100, 400])
def test_how_long_a_digit_sounds_is_told(ms: int, rate_hz: int) -> None:
    found = detect(dialled(ms, rate_hz=rate_hz), rate_hz)
    assert "".join(digit for digit, _, _ in found) == ALL
    assert all(lasted == pytest.approx(ms, abs=3) for _, _, lasted in found)


@pytest.mark.parametrize("ms", [10, 20, 23, 24])
def test_what_is_too_short_is_refused(ms: int) -> None:
    assert heard(dialled(ms)) == ""
    assert heard(dialled(ms, noise_db=15)) == ""


def test_pauses_of_40_ms_part_digits() -> None:
    assert heard(dialled(40, gap_ms=40)) == ALL


@pytest.mark.parametrize(("pause_ms", "presses"), [(5, 1), (10, 1), (40, 2)])
def test_the_same_digit_again(pause_ms: int, presses: int) -> None:
    for digit in ALL[:16]:
        sound = [silence(50), tone(digit, 50), silence(pause_ms), tone(digit, 50, phase=1), silence(100)]
        assert heard(np.concatenate(sound)) == digit * presses


def test_a_digit_that_fades_away_ends_where_it_is_half_as_loud() -> None:
    fade = np.concatenate([np.ones(800), np.linspace(1, 0, 640), np.zeros(800)])  # 100 ms, then 80 ms of fading
    [(digit, _, lasted)] = detect(tone("8", len(fade) / 8) * fade)
    assert (digit, lasted) == ("8", pytest.approx(140, abs=15))


def test_noise_15_db_below() -> None:
    assert heard(dialled(noise_db=15)) == ALL
    assert heard(dialled(noise_db=15, low_off=0.015, high_off=-0.015)) == ALL
    assert heard(dialled(noise_db=15, low_dbm0=-25, high_dbm0=-25)) == ALL


def test_when_a_digit_began_is_told() -> None:
    sound = np.concatenate([silence(500), tone("5", 80), silence(200), tone("#", 60), silence(100)])
    [(five, first_ms, _), (hash_, second_ms, _)] = detect(sound)
    assert (five, hash_) == ("5", "#")
    assert first_ms == pytest.approx(500, abs=4)
    assert second_ms == pytest.approx(780, abs=4)


def test_noise_and_single_tones_are_no_digits() -> None:
    random = np.random.default_rng(1)
    assert heard(random.normal(0, 8000, 8000 * 60)) == ""
    times_s = np.arange(8000) / 8000
    for hertz in (350, 425, 440, 620, 697, 941, 1100, 1209, 1633, 2100):
        assert heard(12_000 * np.sin(2 * np.pi * hertz * times_s)) == ""


def test_what_nobody_takes_is_bounded() -> None:
    detector = pj.DigitDetector(8000)
    detector.feedPcm(pcm(np.tile(np.concatenate([tone("1", 50), silence(50)]), 100)))
    assert len(detector.digits()) == 64
    detector.feedPcm(pcm(np.concatenate([tone("2", 50), silence(100)])))
    assert [digit for digit, _, _ in detector.digits()] == ["2"]


# ---- on the mixer


@pytest.fixture
def bench() -> Iterator[Bench]:
    made = Bench()
    yield made
    made.close()


@pytest.mark.usefixtures("endpoint")
def test_a_port_hears_what_is_connected_to_it(bench: Bench) -> None:
    source, ear = bench.port(), bench.port(hearDigits=True)
    source.startTransmit(ear)
    sound = np.concatenate([silence(40, 16000), tone("7", 80, rate_hz=16000), silence(120, 16000)])
    source.write(pcm(sound))
    found: list[tuple[str, int, int]] = []

    def heard_it() -> bool:
        bench.pump(0)
        found.extend(ear.takeDigits())
        return bool(found)

    bench.until(heard_it)
    assert (found[0][0], found[0][2]) == ("7", pytest.approx(80, abs=4))
    assert (ear.getPortId(), pj.PCM_DIGITS) in bench.events
    assert ear.readable() == 0


@pytest.mark.usefixtures("endpoint")
@pytest.mark.parametrize("wrong", [{"channelCount": 2}, {"clockRate": 44100}])
def test_a_port_hears_digits_in_one_channel_of_a_rate_that_it_can(bench: Bench, wrong: dict[str, int]) -> None:
    with pytest.raises(pj.Error):
        bench.port(hearDigits=True, **wrong)
