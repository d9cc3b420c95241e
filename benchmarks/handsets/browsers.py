"""The browsers: one process with many aiortc connections that send encoded sound and throw away what comes.

    python -m benchmarks.handsets.browsers --codec opus

Its processor time is nobody's, so it neither encodes nor decodes while it is measured. Lines in: `offers N`, `answers
[...]`, `sent`, `gaps`. Lines out: JSON. The first connection says a chirp each second; `sent` tells when.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import struct
import sys
import time
from typing import Any

import av
import numpy as np
from aiortc import MediaStreamTrack, RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.codecs import get_capabilities
from numpy.typing import NDArray

from benchmarks.impairments.voices import speech as voices
from benchmarks.sound import CLOCK_HZ, RATE_HZ, encoded, speech

FRAME_S = 0.02
CHIRP_S = 0.16
PERIOD = 50  # frames from chirp to chirp


def chirp() -> NDArray[np.int16]:
    """Rises from 400 to 3000 Hz: found again in any recording, to a fraction of a millisecond."""
    time_s = np.arange(int(RATE_HZ * CHIRP_S)) / RATE_HZ
    phase = 2 * np.pi * (400 * time_s + (3000 - 400) / CHIRP_S * time_s**2 / 2)
    return (12_000 * np.sin(phase) * np.hanning(len(time_s)) ** 0.25).astype(np.int16)


def marked() -> NDArray[np.int16]:
    """Ten seconds: a chirp at each full second, and nothing else."""
    samples = np.zeros(RATE_HZ * 10, np.int16)
    for second in range(10):
        at = second * RATE_HZ
        samples[at : at + int(RATE_HZ * CHIRP_S)] = chirp()
    return samples


def protected(samples: NDArray[np.int16]) -> list[bytes]:
    """As Opus with in-band FEC, which is what browsers send."""
    encoder = av.CodecContext.create("libopus", "w")
    assert isinstance(encoder, av.AudioCodecContext)
    encoder.sample_rate, encoder.layout, encoder.format, encoder.bit_rate = RATE_HZ, "mono", "s16", 32_000
    encoder.options = {"application": "voip", "frame_duration": "20", "fec": "1", "packet_loss": "10"}
    size, packets = RATE_HZ // 50, []
    for start in range(0, len(samples) - size + 1, size):
        frame = av.AudioFrame.from_ndarray(samples[np.newaxis, start : start + size], "s16", "mono")
        frame.sample_rate, frame.pts = RATE_HZ, start
        packets += encoder.encode(frame)
    return [bytes(packet) for packet in packets]


class Silent(MediaStreamTrack):
    """A track that never has anything: what is sent is sent below it."""

    kind = "audio"

    async def recv(self) -> Any:
        await asyncio.Event().wait()


class Line:
    """One connection. `times`: when each frame that begins a chirp went out."""

    def __init__(self, codec: str, frames: list[bytes], number: int) -> None:
        self._frames, self._step = frames, round(CLOCK_HZ[codec] * FRAME_S)
        self._type, self._number, self._at = 0 if codec == "PCMU" else 96, number, 0
        self.connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self.connection.addTrack(Silent())
        wanted = [c for c in get_capabilities("audio").codecs if c.mimeType.lower() == f"audio/{codec.lower()}"]
        self.connection.getTransceivers()[0].setCodecPreferences(wanted)
        self._ssrc = self.connection.getSenders()[0]._ssrc  # as offered: Chromium drops what is not
        self.times: list[float] = []
        self.heard = self.gaps = 0
        self._last_s = 0.0

    async def offer(self) -> str:
        await self.connection.setLocalDescription(await self.connection.createOffer())
        return str(self.connection.localDescription.sdp)

    async def take(self, answer: str) -> None:
        self._transport = self.connection.getTransceivers()[0].sender.transport
        self._transport._handle_rtp_data = self._count
        await self.connection.setRemoteDescription(RTCSessionDescription(answer, "answer"))

    async def _count(self, data: bytes, arrival_time_ms: int) -> None:
        now = time.monotonic()
        self.heard += 1
        self.gaps += bool(self._last_s) and now - self._last_s > 0.1
        self._last_s = now

    async def speak(self) -> None:
        """Sends its sound for ever, from its own moment within the 20 ms on."""
        while self._transport.state != "connected":  # noqa: ASYNC110  # it has no event
            await asyncio.sleep(0.01)
        due_s = time.monotonic() + self._number * 0.0037 % FRAME_S
        while True:
            await asyncio.sleep(max(0.0, due_s - time.monotonic()))
            header = struct.pack("!BBHII", 0x80, self._type, self._at & 0xFFFF, self._at * self._step, self._ssrc)
            if self._at % PERIOD == 0:
                self.times.append(time.monotonic())
            await self._transport._send_rtp(header + self._frames[self._at % len(self._frames)])
            self._at += 1
            due_s += FRAME_S


async def serve(codec: str, parts: int) -> None:
    """Answers lines until its input ends."""
    loop = asyncio.get_running_loop()
    lines: list[Line] = []
    work: set[asyncio.Task[None]] = set()
    said, marks = encoded(speech(), codec), protected(voices(parts)) if parts else encoded(marked(), codec)
    while text := await loop.run_in_executor(None, sys.stdin.readline):
        word, _, rest = text.strip().partition(" ")
        if word == "offers":
            before = len(lines)
            fresh = [Line(codec, said if before or n else marks, before + n) for n in range(int(rest))]
            lines += fresh
            _say([await line.offer() for line in fresh])
        elif word == "answers":
            answers = json.loads(rest)
            for line, answer in zip(lines[-len(answers) :], answers, strict=True):
                await line.take(answer)
                work.add(asyncio.ensure_future(line.speak()))
            _say("ok")
        elif word == "sent":
            _say(lines[0].times)
        elif word == "gaps":
            _say([[line.heard, line.gaps] for line in lines])


def _say(words: object) -> None:
    sys.stdout.write(json.dumps(words) + "\n")
    sys.stdout.flush()


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--codec", choices=sorted(CLOCK_HZ), default="opus")
    parser.add_argument("--speech", type=int, default=0, metavar="N", help="N parts of real speech instead of chirps")
    args = parser.parse_args()
    asyncio.run(serve(args.codec, args.speech))


if __name__ == "__main__":
    main()
