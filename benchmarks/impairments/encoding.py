"""The speech as RTP payloads of 20 ms, as our phone would send it."""

from __future__ import annotations

import av
import numpy as np

from benchmarks.impairments.voices import RATE_HZ, Samples
from softphone.config.sound import Opus
from softphone.lab.media import g711
from softphone.testing.audio import Sound


def payloads(said: Samples, codec: str, opus: Opus) -> list[bytes]:
    """`codec`: PCMU or opus, the latter as these settings say."""
    return _opus(said, opus) if codec == "opus" else _pcmu(said)


def _pcmu(said: Samples) -> list[bytes]:
    halved = Sound(said / 32768, RATE_HZ).at_rate(8_000).samples  # band-limited: nothing folds back into the speech
    payload = g711.encode("PCMU", tuple(np.clip(halved * 32768, -32768, 32767).astype(int).tolist()))
    return [payload[start : start + 160] for start in range(0, len(payload) - 159, 160)]


def _opus(said: Samples, settings: Opus) -> list[bytes]:
    encoder = av.CodecContext.create("libopus", "w")
    if not isinstance(encoder, av.AudioCodecContext):
        raise TypeError("libopus is no audio codec")
    encoder.sample_rate, encoder.layout, encoder.format = RATE_HZ, "mono", "s16"
    encoder.bit_rate = settings.bitrate_bps
    encoder.options = {
        "application": "voip",
        "frame_duration": "20",
        "compression_level": str(settings.complexity),
        "fec": str(int(settings.fec)),
        "packet_loss": str(settings.loss_percent),
    }
    size = RATE_HZ // 50
    packets = []
    for start in range(0, len(said) - size + 1, size):
        frame = av.AudioFrame.from_ndarray(said[np.newaxis, start : start + size], "s16", "mono")
        frame.sample_rate, frame.pts = RATE_HZ, start
        packets += encoder.encode(frame)
    return [bytes(packet) for packet in packets]
