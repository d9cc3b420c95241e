"""The native meter: levels, and who talks, told from speech-like sound and from noise."""

from __future__ import annotations

import math
import select
import subprocess
import sys
import time
from collections.abc import Iterator

import numpy as np
import pjsua2 as pj
import pytest

from softphone.testing.audio import Sound, silence, speech_like, tone

from .bench import Bench

RATE_HZ = 16_000


@pytest.fixture
def bench(endpoint: pj.Endpoint) -> Iterator[Bench]:
    bench = Bench()
    yield bench
    bench.close()


def joined(*sounds: Sound) -> Sound:
    return Sound(np.concatenate([s.samples for s in sounds]), RATE_HZ)


def noise(seconds: float, dbfs: float, *, slope: float = 0.0) -> Sound:
    """slope: power falls by so many times 6 dB an octave; 0 white, 0.5 pink, 1 brown."""
    samples = np.random.default_rng(5).standard_normal(round(seconds * RATE_HZ))
    spectrum, hz = np.fft.rfft(samples), np.fft.rfftfreq(len(samples), 1 / RATE_HZ)
    samples = np.fft.irfft(spectrum * np.maximum(hz, 20.0) ** -slope, len(samples))
    return Sound(samples / np.sqrt(np.mean(samples**2)) * 10 ** (dbfs / 20), RATE_HZ)


def pcm(sound: Sound) -> bytes:
    return (np.clip(sound.samples, -1, 1) * 32767).astype("<i2").tobytes()


def told(bench: Bench, sounds: list[Sound]) -> list[list[tuple[float, bool]]]:
    """Plays all at once, each into a meter of its own; returns each one's changes as (time in the sound, talking)."""
    bell, sources, meters = pj.MeterBell(), [], []
    for sound in sounds:
        source, meter = bench.port(txBufMs=30_000, clockRate=RATE_HZ), pj.MeterPort()
        meter.open("meter", pj.MeterConfig(), bell)
        data = pcm(sound)
        assert source.write(data) == len(data)
        sources.append(source)
        meters.append(meter)
    for source, meter in zip(sources, meters, strict=True):
        source.startTransmit(meter)
    changes: list[list[tuple[float, bool]]] = [[] for _ in sounds]
    longest = max(sound.seconds for sound in sounds)
    deadline = time.monotonic() + longest + 20
    while max(meter.stat().frames for meter in meters) < (longest + 0.8) * 50:
        assert time.monotonic() < deadline
        if select.select([bell.fileno()], [], [], 0.1)[0]:
            bell.take()
            for meter, found in zip(meters, changes, strict=True):
                stat = meter.stat()
                if stat.talking is not (found[-1][1] if found else False):
                    found.append((stat.frames / 50, stat.talking))
    for meter in meters:
        meter.close()
    return changes


def test_speech_is_talk_and_noise_is_none(bench: Bench) -> None:
    loud, quiet = speech_like(2, seed=2, level=0.3), speech_like(2, seed=4, level=0.03)
    in_noise = noise(5, -45).samples + joined(silence(2), speech_like(2, seed=7, level=0.3), silence(1)).samples
    speech, weak, noisy, hiss, step, pink, rumble = told(
        bench,
        [
            joined(silence(1), loud, silence(1)),
            joined(silence(1), quiet, silence(1)),
            Sound(in_noise, RATE_HZ),
            noise(4, -30),
            joined(noise(2, -50), noise(3, -20)),
            noise(4, -30, slope=0.5),
            noise(4, -25, slope=1.0),
        ],
    )
    for changes, begins_s in ((speech, 1), (weak, 1), (noisy, 2)):
        assert [talking for _, talking in changes] == [True, False]
        assert begins_s < changes[0][0] < begins_s + 0.4
        assert begins_s + 2 < changes[1][0] < begins_s + 3.2
    assert (hiss, step, pink, rumble) == ([], [], [], [])


def test_levels_are_those_of_the_sound(bench: Bench) -> None:
    source, meter = bench.port(txBufMs=5000), pj.MeterPort()
    config = pj.MeterConfig()
    config.talk = False
    meter.open("meter", config)
    source.write(pcm(tone(1000, 5, level=0.25)))
    source.startTransmit(meter)
    bench.until(lambda: meter.stat().frames > 60)
    stat, levels = meter.stat(), pj.portLevels(source)
    assert stat.rms == pytest.approx(0.25 / math.sqrt(2), rel=0.02)
    assert stat.peak == pytest.approx(0.25, rel=0.05)
    assert not stat.talking
    assert levels.heard == pytest.approx(0.25 * 2 / math.pi, rel=0.1)
    pj.setConnectionLevel(source, meter, 0.5)
    frames = meter.stat().frames
    bench.until(lambda: meter.stat().frames > frames + 40)
    assert meter.stat().rms == pytest.approx(0.125 / math.sqrt(2), rel=0.05)
    meter.close()
    assert meter.stat().frames == 0
    meter.close()


def test_a_meter_may_outlive_the_endpoint() -> None:
    code = (
        "import pjsua2 as pj\n"
        "from tests.native.bench import quiet_endpoint\n"
        "bell, meter = pj.MeterBell(), pj.MeterPort()\n"
        "with quiet_endpoint():\n"
        "    meter.open('meter', pj.MeterConfig(), bell)\n"
        "    other = pj.MeterPort(); other.open('other', pj.MeterConfig()); del other\n"
        "print(meter.stat().frames >= 0)\n"
        "meter.close(); del meter, bell\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "True\n", "")


def test_bad_configurations_are_refused(bench: Bench) -> None:
    for name, value in (("clockRate", 1), ("ptimeUsec", 1), ("marginDb", 0.0), ("floorDbfs", 5.0)):
        config = pj.MeterConfig()
        setattr(config, name, value)
        with pytest.raises(pj.Error):
            pj.MeterPort().open("meter", config)
