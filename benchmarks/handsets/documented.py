"""The gateway that aiortc's documentation leads to: tracks, an AudioResampler, and a PCM port at the end."""

from __future__ import annotations

import asyncio
from fractions import Fraction
from typing import Any

import numpy as np
from aiortc import MediaStreamTrack, RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import MediaStreamError
from av import AudioFrame, AudioResampler

from softphone.media.ports import PcmPort


class FromMixer(MediaStreamTrack):
    """What the mixer sends to a port, as a track."""

    kind = "audio"

    def __init__(self, port: PcmPort) -> None:
        super().__init__()
        self._rate_hz = port.rate_hz
        self._queue: asyncio.Queue[bytes] = asyncio.Queue()
        self._at = 0
        port.on_pcm(self._queue.put_nowait)

    async def recv(self) -> AudioFrame:
        pcm = np.frombuffer(await self._queue.get(), np.int16)
        frame = AudioFrame.from_ndarray(pcm.reshape(1, -1), format="s16", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = self._rate_hz, self._at, Fraction(1, self._rate_hz)
        self._at += len(pcm)
        return frame


class Documented:
    """One handset by tracks."""

    def __init__(self, port: PcmPort) -> None:
        self.port = port
        self._connection = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self._listening: asyncio.Task[None] | None = None

        @self._connection.on("track")
        def on_track(track: Any) -> None:
            self._listening = asyncio.ensure_future(self._play(track))

    async def _play(self, track: Any) -> None:
        resampler = AudioResampler(format="s16", layout="mono", rate=self.port.rate_hz)
        while True:
            try:
                frame = await track.recv()
            except MediaStreamError:
                return
            for part in resampler.resample(frame):
                self.port.write(part.to_ndarray().tobytes())

    async def answer(self, offer: str) -> str:
        await self._connection.setRemoteDescription(RTCSessionDescription(offer, "offer"))
        self._connection.addTrack(FromMixer(self.port))
        await self._connection.setLocalDescription(await self._connection.createAnswer())
        return str(self._connection.localDescription.sdp)
