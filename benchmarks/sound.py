"""What is spoken in the calls: ten seconds that a codec takes for speech, the same in every run."""

from __future__ import annotations

import wave
from collections.abc import Mapping
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from softphone.lab.media import g711

RATE_HZ = 16_000
SECONDS = 10
CLOCK_HZ: Mapping[str, int] = {"PCMU": 8_000, "opus": 48_000}
"""Rates of the RTP clocks (RFC 3551, RFC 7587)."""


def speech() -> NDArray[np.int16]:
    """Syllables of voiced harmonics and hiss, with short pauses; mono at RATE_HZ."""
    chance = np.random.default_rng(11)
    time_s = np.arange(RATE_HZ * SECONDS) / RATE_HZ
    pitch = 120 + 25 * np.sin(2 * np.pi * 0.7 * time_s)
    phase = 2 * np.pi * np.cumsum(pitch) / RATE_HZ
    voiced = sum(np.sin(n * phase) / n for n in range(1, 20))
    hiss = chance.standard_normal(len(time_s)) * 0.15
    syllables = np.abs(np.sin(2 * np.pi * 1.6 * time_s)) ** 0.5
    pauses = np.sin(2 * np.pi * 0.3 * time_s) > -0.8
    return ((voiced + hiss) * syllables * pauses * 5000).astype(np.int16)


def write_wav(path: Path) -> Path:
    """The speech as a file to play."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE_HZ)
        file.writeframes(speech().tobytes())
    return path


def encoded(samples: NDArray[np.int16], codec: str) -> list[bytes]:
    """The samples as payloads of 20 ms each."""
    return _opus(samples) if codec == "opus" else _pcmu(samples)


def _pcmu(samples: NDArray[np.int16]) -> list[bytes]:
    halved = samples.reshape(-1, 2).mean(axis=1).astype(int)
    payload = g711.encode("PCMU", tuple(halved.tolist()))
    return [payload[start : start + 160] for start in range(0, len(payload) - 159, 160)]


def _opus(samples: NDArray[np.int16]) -> list[bytes]:
    encoder = av.CodecContext.create("libopus", "w")
    assert isinstance(encoder, av.AudioCodecContext)
    encoder.sample_rate, encoder.layout, encoder.format = RATE_HZ, "mono", "s16"
    encoder.bit_rate = 24_000
    encoder.options = {"application": "voip", "frame_duration": "20", "vbr": "on"}
    size = RATE_HZ // 50
    packets = []
    for start in range(0, len(samples) - size + 1, size):
        frame = av.AudioFrame.from_ndarray(samples[np.newaxis, start : start + size], "s16", "mono")
        frame.sample_rate, frame.pts = RATE_HZ, start
        packets += encoder.encode(frame)
    return [bytes(packet) for packet in packets]
