"""DTLS-SRTP and ICE, judged by aiortc: it calls, is called, and hears what it must hear."""

from __future__ import annotations

import asyncio
import fractions
from collections.abc import Awaitable, Callable
from typing import Any

import numpy as np
import pytest
from aiortc import RTCPeerConnection, RTCRtpSender, RTCSessionDescription
from aiortc.mediastreams import AudioStreamTrack
from av import AudioFrame

from softphone.lab import Lab, LabOptions
from softphone.lab.media.tone import TONE_HZ
from tests.lab.phone import phone, sdp
from tests.lab.sound import Rtp, fields, media_port

RATE_HZ = 48000
FRAME = RATE_HZ // 50
OWN_HZ = 660


def in_lab(test: Callable[[Lab], Awaitable[None]], options: LabOptions | None = None) -> None:
    async def run() -> None:
        async with Lab(options) as lab:
            await test(lab)
            await lab.wait_for("call_ended")

    asyncio.run(run())


class Tone(AudioStreamTrack):
    """A sine, 20 ms at a time."""

    def __init__(self) -> None:
        super().__init__()
        self._position = 0
        self._began = asyncio.get_running_loop().time()

    async def recv(self) -> AudioFrame:
        await asyncio.sleep(self._began + self._position / RATE_HZ - asyncio.get_running_loop().time())
        times = np.arange(self._position, self._position + FRAME) / RATE_HZ
        samples = (8000 * np.sin(2 * np.pi * OWN_HZ * times)).astype(np.int16)
        frame = AudioFrame.from_ndarray(samples.reshape(1, -1), format="s16", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = RATE_HZ, self._position, fractions.Fraction(1, RATE_HZ)
        self._position += FRAME
        return frame


class Browser:
    """aiortc's peer connection, and what it heard."""

    def __init__(self, codec: str = "") -> None:
        self.connection = RTCPeerConnection()
        self.heard: list[np.ndarray] = []
        self.more = asyncio.Event()
        self.tasks: list[asyncio.Task[None]] = []
        self.connection.on("track", self._track)
        if codec:
            transceiver = self.connection.addTransceiver(Tone())
            every = RTCRtpSender.getCapabilities("audio").codecs
            transceiver.setCodecPreferences([each for each in every if each.mimeType.upper() == f"AUDIO/{codec}"])
        else:
            self.connection.addTrack(Tone())

    async def __aenter__(self) -> Browser:
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        await self.connection.close()

    def _track(self, track: Any) -> None:
        self.tasks.append(asyncio.create_task(self._listen(track)))

    async def _listen(self, track: Any) -> None:
        while True:
            frame = await track.recv()
            samples = frame.to_ndarray().reshape(-1).astype(float)
            self.heard.append(samples[:: len(frame.layout.channels)])
            self.rate_hz = frame.sample_rate
            self.more.set()

    async def offer(self) -> bytes:
        await self.connection.setLocalDescription(await self.connection.createOffer())
        return self.connection.localDescription.sdp.encode()

    async def take(self, body: bytes, kind: str = "answer") -> None:
        await self.connection.setRemoteDescription(RTCSessionDescription(body.decode(), kind))

    async def answer(self, offer: bytes) -> bytes:
        await self.take(offer, "offer")
        await self.connection.setLocalDescription(await self.connection.createAnswer())
        return self.connection.localDescription.sdp.encode()

    async def loudest_hz(self, seconds: float = 0.5) -> float:
        """What is heard from now on."""
        self.heard.clear()
        async with asyncio.timeout(15):
            while sum(map(len, self.heard)) < getattr(self, "rate_hz", RATE_HZ) * seconds or not self._loud():
                self.more.clear()
                await self.more.wait()
        samples = np.concatenate(self.heard)[-int(self.rate_hz * seconds) :]
        spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
        return float(np.argmax(spectrum) * self.rate_hz / len(samples))

    def _loud(self) -> bool:
        return bool(np.abs(np.concatenate(self.heard)[-FRAME:]).max() > 500)


@pytest.mark.parametrize("codec", ["OPUS", "PCMU"])
def test_a_browser_hears_itself_from_the_echo(codec: str) -> None:
    async def test(lab: Lab) -> None:
        async with phone(lab, "901", "wss") as ua, Browser(codec) as browser:
            await ua.register()
            await ua.invite("9196", await browser.offer())
            ok = await ua.expect(200)
            assert b"a=ice-lite" in ok.body
            assert b"UDP/TLS/RTP/SAVPF" in ok.body
            ua.ack(ok)
            await browser.take(ok.body)
            assert abs(await browser.loudest_hz() - OWN_HZ) < 10
            assert browser.connection.connectionState == "connected"
            ua.within(ok, "BYE")
            await ua.expect(200)
            await lab.wait_for("call_answered", srtp=True)

    in_lab(test)


def test_a_browser_hears_the_tone_and_its_digits_are_read() -> None:
    async def test(lab: Lab) -> None:
        async with phone(lab, "901", "wss") as ua, Browser() as browser:
            await ua.invite("9197", await browser.offer())
            ok = await ua.expect(200)
            ua.ack(ok)
            await browser.take(ok.body)
            assert abs(await browser.loudest_hz() - TONE_HZ) < 10
            ua.within(ok, "BYE")
            await ua.expect(200)

    in_lab(test)


def test_the_pbx_calls_a_browser() -> None:
    async def test(lab: Lab) -> None:
        async with phone(lab, "901", "wss") as ua, Browser() as browser:
            await ua.register()
            lab.call("901", "9197")
            invite = await ua.expect("INVITE")
            assert b"a=setup:actpass" in invite.body
            ua.reply(invite, 200, body=await browser.answer(invite.body))
            await ua.expect("ACK")
            assert abs(await browser.loudest_hz() - TONE_HZ) < 10
            ua.within_theirs(invite, "BYE")
            await ua.expect(200)

    in_lab(test)


def test_a_browser_and_a_plain_phone_call_each_other() -> None:
    async def test(lab: Lab) -> None:
        async with (
            phone(lab, "901", "wss") as web,
            phone(lab, "902") as desk,
            Browser() as caller,
            Browser() as callee,
            Rtp() as rtp,
        ):
            await web.register()
            await desk.register()
            await web.invite("902", await caller.offer())
            invite = await desk.expect("INVITE")
            assert b"RTP/AVP " in invite.body
            assert b"opus/48000/2" in invite.body.lower()
            desk.reply(invite, 180)
            await web.expect(180)
            desk.reply(invite, 200, body=sdp(rtp.port))
            await desk.expect("ACK")
            ok = await web.expect(200)
            web.ack(ok)
            await caller.take(ok.body)
            assert fields(await rtp.receive(10))[0] == 0
            desk.within_theirs(invite, "BYE")
            await desk.expect(200)
            web.reply(await web.expect("BYE"), 200)
            await lab.wait_for("call_ended", by="callee")

            await desk.invite("901", sdp(rtp.port))
            invite = await web.expect("INVITE")
            web.reply(invite, 200, body=await callee.answer(invite.body))
            await web.expect("ACK")
            ok = await desk.expect(200)
            desk.ack(ok)
            while not rtp.packets.empty():
                rtp.packets.get_nowait()
            assert fields(await rtp.receive(10))[0] == 0
            rtp.send(media_port(ok.body), b"\xff" * 160)
            desk.within(ok, "BYE")
            web.reply(await web.expect("BYE"), 200)
            await lab.wait_for("call_ended", by="caller")

    in_lab(test)


def test_a_wrong_fingerprint_gets_no_sound() -> None:
    async def test(lab: Lab) -> None:
        async with phone(lab, "901", "wss") as ua, Browser() as browser:
            offer = (await browser.offer()).decode()
            lines = [
                "a=fingerprint:sha-256 " + ":".join(["AA"] * 32) if line.startswith("a=fingerprint:sha-256") else line
                for line in offer.split("\r\n")
                if not line.startswith(("a=fingerprint:sha-384", "a=fingerprint:sha-512"))
            ]
            await ua.invite("9196", "\r\n".join(lines).encode())
            ok = await ua.expect(200)
            ua.ack(ok)
            await browser.take(ok.body)
            failed = await lab.wait_for("media_failed", timeout_s=10)
            assert "fingerprint" in failed["why"]
            assert not browser.heard
            ua.within(ok, "BYE")
            await ua.expect(200)
            await lab.wait_for("call_ended", rtp_received=0)

    in_lab(test)
