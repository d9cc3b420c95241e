"""The mouth-to-ear measurement, on sound whose delay is known."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.delay import CHIRPS, RATE_HZ, Delay, delays_ms, table, train
from benchmarks.processes import BenchError
from softphone.testing.audio import Sound


def late(sound: Sound, delay_ms: float, level: float = 1.0) -> Sound:
    return Sound(np.concatenate([np.zeros(int(delay_ms * RATE_HZ / 1000)), level * sound.samples]), RATE_HZ)


def test_each_chirp_is_found_where_it_is() -> None:
    said = late(train(), 500)
    noise = np.random.default_rng(1).normal(0, 0.01, len(said.samples) + RATE_HZ)
    heard = late(said, 63, 0.5)
    noise[: len(heard.samples)] += heard.samples
    assert delays_ms(said, Sound(noise, RATE_HZ)) == pytest.approx([63] * CHIRPS, abs=0.5)


def test_silence_is_no_measurement() -> None:
    said = late(train(), 500)
    with pytest.raises(BenchError, match="0 of 10 chirps"):
        delays_ms(said, Sound(np.zeros(len(said.samples)), RATE_HZ))


def test_the_table() -> None:
    row = Delay("pcmu", 61.2, 58.0, 66.6, 20.0, 40.1)
    assert table([row]).splitlines()[-1] == "| pcmu | 61 ms | 58, 67 ms | 20 ms | 40 ms |"
