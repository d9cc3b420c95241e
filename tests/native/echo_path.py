"""The echo canceller on a synthetic echo path: how much echo it takes away, and what it leaves of the near end.

    python -m tests.native.echo_path       prints the table of docs/sound.md

The loudspeaker's sound comes back through a room: a delay, 60 ms of decaying reflections, 10 dB quieter. The far end's
speech is speech-like babble; figures are of the last four of ten seconds, once the canceller has found the echo.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
import pjsua2 as pj
from numpy.typing import NDArray

from softphone.stacks.pjsip.devices import echo_options
from softphone.testing.audio import Sound, find, speech_like

from .bench import quiet_endpoint

Samples = NDArray[np.float64]

SECONDS = 10
SETTLED = 6  # seconds
RATES_HZ, DELAYS_MS = (8_000, 16_000, 48_000), (40, 120, 250)
TAIL_MS = 200  # the default of media.echo_cancel.tail_ms


def room(sound: Samples, rate_hz: int, delay_ms: int) -> Samples:
    """What the microphone hears of the loudspeaker."""
    random = np.random.default_rng(1)
    count = round(0.06 * rate_hz)
    reflections = random.standard_normal(count) * np.exp(-np.arange(count) / (0.015 * rate_hz))
    reflections /= np.sqrt(np.sum(reflections**2))
    echo = np.convolve(sound, reflections)[: len(sound)] * 10 ** (-10 / 20)
    shift = rate_hz * delay_ms // 1000
    return np.concatenate([np.zeros(shift), echo])[: len(sound)]


def cancelled(recorded: Samples, played: Samples, rate_hz: int, options: int) -> Samples:
    """What is left of the microphone's sound."""
    frame = rate_hz // 50
    canceller = pj.EchoCanceller(rate_hz, frame, TAIL_MS, options)
    left = canceller.cancel(pcm(recorded), pcm(played))
    return np.frombuffer(left, "<i2") / 32768.0


def pcm(samples: Samples) -> bytes:
    return (np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes()


def dbfs(samples: Samples) -> float:
    return float(20 * np.log10(np.sqrt(np.mean(samples**2)) + 1e-6))


@dataclass(frozen=True)
class Figures:
    """`erle_db`: echo return loss enhancement. `near_score`: likeness of the near end's speech while both talk."""

    erle_db: float
    near_score: float
    near_loss_db: float
    load_percent: float


def measure(rate_hz: int, delay_ms: int) -> Figures:
    """Single talk, then double talk as loud as the echo is."""
    far = speech_like(SECONDS, rate_hz, seed=3, level=0.5).samples
    near = speech_like(SECONDS, rate_hz, seed=4, level=0.25).samples
    near = near * (np.arange(len(near)) > SETTLED * rate_hz)
    echo = room(far, rate_hz, delay_ms)
    options = echo_options(rate_hz)
    began = time.process_time()
    single = cancelled(echo, far, rate_hz, options)
    load = (time.process_time() - began) / SECONDS
    double = cancelled(echo + near, far, rate_hz, options)
    at = SETTLED * rate_hz
    said, kept = Sound(near[at:], rate_hz), Sound(double[at:], rate_hz)
    return Figures(
        erle_db=dbfs(echo[at:]) - dbfs(single[at:]),
        near_score=find(said, kept).score,
        near_loss_db=dbfs(said.samples) - dbfs(kept.samples),
        load_percent=100 * load,
    )


@dataclass(frozen=True)
class Noise:
    """`less_db`: by how much steady noise is quieter. `speech_loss_db`, `score`: what became of the speech in it."""

    less_db: float
    speech_loss_db: float
    score: float


def measure_noise(rate_hz: int) -> Noise:
    """Nobody speaks at the far end; at the near end a fan runs, and from the middle on somebody speaks."""
    count = SECONDS * rate_hz
    fan = np.random.default_rng(2).standard_normal(count) * 10 ** (-45 / 20)
    speech = speech_like(SECONDS, rate_hz, seed=4, level=0.4).samples * (np.arange(count) > SETTLED * rate_hz)
    left = cancelled(fan + speech, np.zeros(count), rate_hz, echo_options(rate_hz, less_noise=True))
    quiet, at = slice(3 * rate_hz, 5 * rate_hz), SETTLED * rate_hz
    return Noise(
        less_db=dbfs(fan[quiet]) - dbfs(left[quiet]),
        speech_loss_db=dbfs(speech[at:]) - dbfs(left[at:]),
        score=find(Sound(speech[at:], rate_hz), Sound(left[at:], rate_hz)).score,
    )


def main() -> None:
    with quiet_endpoint():
        print("| mixer | echo after | ERLE | near end in double talk: likeness, loss | load of one core |")
        for rate_hz in RATES_HZ:
            for delay_ms in DELAYS_MS:
                f = measure(rate_hz, delay_ms)
                print(
                    f"| {rate_hz} Hz | {delay_ms} ms | {f.erle_db:.1f} dB | {f.near_score:.2f}, {f.near_loss_db:.1f} dB"
                    f" | {f.load_percent:.1f} % |"
                )
        for rate_hz in RATES_HZ[1:]:
            n = measure_noise(rate_hz)
            print(f"{rate_hz} Hz: noise -{n.less_db:.1f} dB, speech -{n.speech_loss_db:.1f} dB, {n.score:.2f}")


if __name__ == "__main__":
    main()
