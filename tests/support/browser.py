"""A browser's side of a handset, by somebody else's code: aiortc, with its own tracks, codecs and jitter buffer.

async with Browser(speech) as browser:
    view, answer = await agent.open_handset(await browser.offer())
    await browser.take(answer)
    ...
    heard = browser.heard()      # 48 kHz, mono, int16
"""

from __future__ import annotations

import asyncio
import struct
import time
from fractions import Fraction
from types import TracebackType
from typing import Any, Self

import numpy as np
from aiortc import MediaStreamTrack, RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import MediaStreamError
from av import AudioFrame
from numpy.typing import NDArray

from softphone.testing.audio import Sound

Samples = NDArray[np.int16]

RATE_HZ = 48_000
FRAME = RATE_HZ // 50
PAUSE = RATE_HZ // 4
KEYS = "0123456789*#ABCD"
EVENTS = 101


class Microphone(MediaStreamTrack):
    """Says `samples` (48 kHz, mono) again and again; nothing before that is silence."""

    kind = "audio"

    def __init__(self, samples: Samples) -> None:
        super().__init__()
        self._samples = samples
        self._at = 0
        self._start_s: float | None = None
        self._frames = 0

    def say(self, samples: Samples | None) -> None:
        """From now on this is said, from its beginning; None: nothing."""
        self._samples, self._at = np.zeros(0, np.int16) if samples is None else samples, 0

    async def recv(self) -> AudioFrame:
        now = time.monotonic()
        if self._start_s is None:
            self._start_s = now
        due = self._start_s + self._frames * 0.02
        if due > now:
            await asyncio.sleep(due - now)
        pcm = self._samples[self._at : self._at + FRAME]
        self._at += FRAME
        if self._at >= len(self._samples) + PAUSE:
            self._at = 0
        pcm = np.concatenate([pcm, np.zeros(FRAME - len(pcm), np.int16)])
        frame = AudioFrame.from_ndarray(pcm.reshape(1, -1), format="s16", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = RATE_HZ, self._frames * FRAME, Fraction(1, RATE_HZ)
        self._frames += 1
        return frame


def samples_of(sound: Sound) -> Samples:
    """As the microphone takes it."""
    return (sound.at_rate(RATE_HZ).samples * 20_000).astype(np.int16)


def sound_of(samples: Samples, rate_hz: int = RATE_HZ) -> Sound:
    """As the proofs take it."""
    return Sound(samples / 32768.0, rate_hz)


class Browser:
    """`codec`: the only one that it offers; None: all that aiortc has."""

    def __init__(self, speech: Samples | None = None, *, codec: str | None = None) -> None:
        self.connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self.microphone = Microphone(np.zeros(0, np.int16) if speech is None else speech)
        self.codec = codec
        self._heard: list[Samples] = []
        self._listening: asyncio.Task[None] | None = None
        self.keys: list[str] = []
        self._key_stamp = b""
        self.connection.on("track", self._listen)

    def _listen(self, track: Any) -> None:
        self._listening = asyncio.ensure_future(self._keep(track))

    async def _keep(self, track: Any) -> None:
        try:
            while True:
                frame = await track.recv()
                pcm = frame.to_ndarray().reshape(-1)
                self._heard.append(pcm[:: len(frame.layout.channels)].astype(np.int16))
        except MediaStreamError:
            return

    def heard(self) -> Samples:
        """Everything that came so far, at 48 kHz (G.711: 8 kHz)."""
        return np.concatenate(self._heard) if self._heard else np.zeros(0, np.int16)

    # ---- keys (RFC 4733), which aiortc does not know

    def with_keys(self, offer: str) -> str:
        """The offer with telephone-event; what comes of it is kept in `keys`."""
        lines = offer.splitlines()
        at = next(i for i, line in enumerate(lines) if line.startswith("m=audio"))
        lines[at] += f" {EVENTS}"
        lines.insert(at + 2, f"a=rtpmap:{EVENTS} telephone-event/8000")
        return "\r\n".join(lines) + "\r\n"

    async def press(self, key: str) -> None:
        """Holds a key for 100 ms; the packets are the sender's next ones to whoever receives them."""
        transport = self.connection.getTransceivers()[0].sender.transport
        for number in range(7):
            length = min(number + 1, 5) * 160
            payload = struct.pack("!BBH", KEYS.index(key), (0x80 if number >= 4 else 0) | 10, length)
            await transport._send_rtp(struct.pack("!BBHII", 0x80, EVENTS, number, 0, 4711) + payload)

    def _watch_keys(self) -> None:
        transport = self.connection.getTransceivers()[0].receiver.transport
        handle = transport._handle_rtp_data

        async def look(data: bytes, **rest: Any) -> None:
            if data[1] & 0x7F == EVENTS:
                if data[13] & 0x80 and data[4:8] != self._key_stamp:
                    self._key_stamp = data[4:8]
                    self.keys.append(KEYS[data[12]])
                return
            await handle(data, **rest)

        transport._handle_rtp_data = look

    def die(self) -> None:
        """Answers nothing any more, as a browser that was killed: no goodbye, no checks."""
        for transceiver in self.connection.getTransceivers():
            for protocol in transceiver.sender.transport.transport._connection._protocols:
                protocol.transport.abort()

    async def offer(self) -> str:
        self.connection.addTrack(self.microphone)
        if self.codec is not None:
            from aiortc.codecs import get_capabilities

            wanted = [c for c in get_capabilities("audio").codecs if c.mimeType.lower() == f"audio/{self.codec}"]
            self.connection.getTransceivers()[0].setCodecPreferences(wanted)
        await self.connection.setLocalDescription(await self.connection.createOffer())
        return str(self.connection.localDescription.sdp)

    async def take(self, answer: str) -> None:
        self._watch_keys()
        await self.connection.setRemoteDescription(RTCSessionDescription(answer, "answer"))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None):
        await self.connection.close()
        if self._listening is not None:
            self._listening.cancel()
            await asyncio.gather(self._listening, return_exceptions=True)
