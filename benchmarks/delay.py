"""Mouth to ear: how long sound takes through our phone, out and in, by codec.

A chirp is played into a call whose far end returns every RTP packet as it is (the lab's echo). The recording has what
we said on one channel and what we heard on the other, sample by sample on the mixer's clock; the distance between the
two is what one phone of ours that speaks and another that listens add together: mixer, packet, codec, the machine's own
network, jitter buffer, mixer.
"""

from __future__ import annotations

import asyncio
import tempfile
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np

from benchmarks.processes import BenchError, undisturbed
from softphone.lab import Lab, LabOptions
from softphone.testing.audio import Sound, find, read_wav, write_wav
from tests.support.phone import running

CODECS = ("pcmu", "pcma", "g722", "opus", "gsm", "speex")
ECHO = "9196"
RATE_HZ = 16_000
CHIRP_S, PAUSE_S, CHIRPS = 0.25, 0.85, 10
SETTLE_S = 2.0  # the first packets of a call come in disorder
HEARD, SAID = 0, 1  # channels of a stereo recording


@dataclass(frozen=True, slots=True)
class Delay:
    """Milliseconds over CHIRPS chirps. `buffer_ms` and `told_ms`: what the call itself tells of its delay."""

    codec: str
    median_ms: float
    least_ms: float
    most_ms: float
    buffer_ms: float
    told_ms: float


def chirp() -> Sound:
    """300 to 3,000 Hz, which every codec carries, with soft ends."""
    time_s = np.arange(int(CHIRP_S * RATE_HZ)) / RATE_HZ
    phase = 2 * np.pi * (300 * time_s + (3_000 - 300) / (2 * CHIRP_S) * time_s**2)
    return Sound(0.4 * np.hanning(len(time_s)) * np.sin(phase), RATE_HZ)


def train() -> Sound:
    """CHIRPS chirps with pauses of their own length: no two distances between chirps are alike."""
    parts = [np.zeros(int(0.2 * RATE_HZ))]
    for place in range(CHIRPS):
        parts += [chirp().samples, np.zeros(int((PAUSE_S + 0.037 * place) * RATE_HZ))]
    return Sound(np.concatenate(parts), RATE_HZ)


async def measured(codec: str, folder: Path) -> Delay:
    """One call with this codec."""
    prompt, file = folder / "chirps.wav", folder / f"{codec}.wav"
    write_wav(prompt, train())
    async with Lab(LabOptions(extensions=("901",))) as lab:
        async with running(lab.agent_config(["901"], codecs=[codec]), folder) as phone:
            await phone.registered()
            call = await phone.connected(ECHO)
            await asyncio.sleep(SETTLE_S)
            await phone.agent.record(call, str(file), mode="stereo")
            play = await phone.agent.play(call, str(prompt))
            await phone.told("play.ended", play=play, within_s=60)
            await asyncio.sleep(0.5)
            await phone.agent.stop_record(call)
            told = phone.agent.quality(call) or {}
    lags = delays_ms(read_wav(file, SAID), read_wav(file, HEARD))
    return Delay(codec, median(lags), min(lags), max(lags), float(told["jitter_buffer_ms"]), float(told["delay_ms"]))


def delays_ms(said: Sound, heard: Sound) -> list[float]:
    """The distance of each chirp from its echo. Raises BenchError where fewer than half are found."""
    wanted = train()
    start_s = find(wanted, said).lag_s
    found, place_s = [], 0.2
    for place in range(CHIRPS):
        first_s = start_s + place_s
        window = heard.cut(max(0.0, first_s - 0.05), first_s + PAUSE_S)
        echo = find(chirp(), window)
        spoken = find(chirp(), said.cut(max(0.0, first_s - 0.05), first_s + CHIRP_S + 0.1))
        if echo.heard and spoken.heard:
            found.append(1000 * (echo.lag_s - spoken.lag_s))
        place_s += CHIRP_S + PAUSE_S + 0.037 * place
    if len(found) < CHIRPS / 2:
        raise BenchError(f"only {len(found)} of {CHIRPS} chirps came back")
    return found


def table(rows: list[Delay]) -> str:
    """As docs/quality.md shows it."""
    lines = ["| codec | mouth to ear | least, most | jitter buffer | told by the call |", "|---|---|---|---|---|"]
    for r in rows:
        lines.append(
            f"| {r.codec} | {r.median_ms:.0f} ms | {r.least_ms:.0f}, {r.most_ms:.0f} ms"
            f" | {r.buffer_ms:.0f} ms | {r.told_ms:.0f} ms |"
        )
    return "\n".join(lines)


def run() -> list[Delay]:
    """A call with each codec."""
    with undisturbed(), tempfile.TemporaryDirectory(prefix="softphone-bench-") as folder:
        return [asyncio.run(measured(codec, Path(folder))) for codec in CODECS]


if __name__ == "__main__":
    print(table(run()))
