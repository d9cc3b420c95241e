"""The settings of `media.opus`: what they make of our SDP, and what leaves on the wire."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import numpy as np
import pytest

from softphone.testing.audio import Sound, speech_like, strongest_tone, tone, write_wav
from tests.e2e.test_media_changes import Scene, with_peer
from tests.support.far_end import FarEnd, decoded

pytestmark = pytest.mark.e2e
__all__ = ["with_peer"]

SECOND = 50  # packets


def parameters(sdp: str) -> dict[str, str]:
    """Opus's fmtp in an SDP."""
    found = re.search(r"(?m)^a=fmtp:96 (.*?)\r?$", sdp)
    return dict(item.split("=") for item in found[1].split(";")) if found else {}


async def bits_per_second(peer: FarEnd, packets: int) -> float:
    """The payload's rate, over so many packets of 20 ms."""
    await peer.rtp.hear("opus", packets)
    return sum(len(p.payload or b"") for p in peer.rtp.packets) * 8 / (len(peer.rtp.packets) * 0.02)


@pytest.mark.parametrize("bitrate_bps", [8000, 24_000, 64_000])
def test_the_bit_rate(with_peer: Any, tmp_path: Any, bitrate_bps: int) -> None:
    write_wav(tmp_path / "speech.wav", speech_like(6))

    async def play(scene: Scene) -> None:
        dialog, call = await scene.peer.called(scene.phone, scene.peer.audio("opus"))
        assert parameters(dialog.sdp)["maxaveragebitrate"] == str(bitrate_bps)
        await scene.peer.rtp.hear("opus", SECOND // 2)  # it begins with more
        measured = await bits_per_second(scene.peer, 2 * SECOND)
        assert 0.6 * bitrate_bps < measured < 1.25 * bitrate_bps
        await scene.phone.hung_up(call)

    audio = {"file": str(tmp_path / "speech.wav"), "loop": True}
    opus = {"bitrate_bps": bitrate_bps, "rate_hz": 48_000, "fec": False, "complexity": 5}
    with_peer(play, media={"opus": opus, "clock_rate_hz": 48_000}, audio=audio)


def test_the_far_end_may_want_less(with_peer: Any, tmp_path: Any) -> None:
    write_wav(tmp_path / "speech.wav", speech_like(6))

    async def play(scene: Scene) -> None:
        answer = scene.peer.audio("opus", fmtp="maxaveragebitrate=10000")
        _, call = await scene.peer.called(scene.phone, answer)
        await scene.peer.rtp.hear("opus", SECOND // 2)
        assert await bits_per_second(scene.peer, SECOND) < 13_000
        await scene.phone.hung_up(call)

    with_peer(play, media={"opus": {"bitrate_bps": 40_000}}, audio={"file": str(tmp_path / "speech.wav"), "loop": True})


@pytest.mark.parametrize("rate_hz", [8000, 16_000, 48_000])
def test_the_bandwidth(with_peer: Any, tmp_path: Any, rate_hz: int) -> None:
    """Of noise, nothing above the bandwidth is sent."""
    noise = Sound(np.random.default_rng(1).normal(0, 0.1, 48_000 * 4), 48_000)
    write_wav(tmp_path / "noise.wav", noise)

    async def play(scene: Scene) -> None:
        dialog, call = await scene.peer.called(scene.phone, scene.peer.audio("opus"))
        assert parameters(dialog.sdp).get("maxplaybackrate", "48000") == str(rate_hz)
        await scene.peer.rtp.hear("opus", SECOND // 2)
        heard = await scene.peer.rtp.hear("opus", SECOND)
        power = np.abs(np.fft.rfft(heard.samples)) ** 2
        above = power[int(len(power) * rate_hz / 48_000 * 1.1) :]
        assert above.sum() < 0.02 * power.sum()
        if rate_hz > 8000:  # and what is below is not thinner than it should be
            assert power[int(len(power) * 4500 / 24_000) :].sum() > 0.05 * power.sum()
        await scene.phone.hung_up(call)

    opus = {"rate_hz": rate_hz, "bitrate_bps": 64_000}
    audio = {"file": str(tmp_path / "noise.wav"), "loop": True}
    with_peer(play, media={"opus": opus, "clock_rate_hz": 48_000}, audio=audio)


@pytest.mark.parametrize("fec", [True, False])
def test_forward_error_correction(with_peer: Any, tmp_path: Any, fec: bool) -> None:
    """With it, packets of speech carry a second copy, which the LBRR flag of the first byte of SILK tells of (RFC 6716
    section 4.2.4)."""
    write_wav(tmp_path / "speech.wav", speech_like(6))

    async def play(scene: Scene) -> None:
        answer = scene.peer.audio("opus", fmtp="useinbandfec=1")
        dialog, call = await scene.peer.called(scene.phone, answer)
        assert parameters(dialog.sdp).get("useinbandfec") == ("1" if fec else None)
        await scene.peer.rtp.hear("opus", 2 * SECOND)
        silk = [
            p.payload for p in scene.peer.rtp.packets if p.payload and p.payload[0] >> 3 < 12 and len(p.payload) > 1
        ]
        spare = [payload for payload in silk if payload[1] & 0x40]  # one mono frame of 20 ms: VAD, then LBRR
        assert len(silk) > SECOND
        assert (len(spare) > 10) == fec, (len(spare), len(silk))
        await scene.phone.hung_up(call)

    opus = {"fec": fec, "loss_percent": 20, "bitrate_bps": 24_000}
    with_peer(play, media={"opus": opus}, audio={"file": str(tmp_path / "speech.wav"), "loop": True})


@pytest.mark.parametrize("dtx", [True, False])
def test_nothing_is_sent_while_nobody_speaks(with_peer: Any, tmp_path: Any, dtx: bool) -> None:
    """Two seconds of silence, then a tone that is heard."""
    write_wav(tmp_path / "tone.wav", tone(440, 1.5))

    async def play(scene: Scene) -> None:
        peer, phone = scene.peer, scene.phone
        dialog, call = await peer.called(phone, peer.audio("opus", fmtp="usedtx=1"))
        assert parameters(dialog.sdp).get("usedtx") == ("1" if dtx else None)
        await peer.rtp.hear("opus", 10)
        await asyncio.sleep(0.5)
        peer.rtp.packets.clear()
        await asyncio.sleep(2)
        silent = len(peer.rtp.packets)
        assert silent < 20 if dtx else silent > 80, silent
        peer.rtp.packets.clear()
        await phone.agent.play(call, str(tmp_path / "tone.wav"))
        await phone.told("play.ended", call=call)
        heard = decoded("opus", [p.payload for p in peer.rtp.packets if p.payload])
        assert abs(strongest_tone(heard).frequency_hz - 440) < 5
        await phone.hung_up(call)

    with_peer(play, media={"opus": {"dtx": dtx}}, audio=None)


def test_a_far_end_that_wants_all_packets_gets_them(with_peer: Any) -> None:
    async def play(scene: Scene) -> None:
        _, call = await scene.peer.called(scene.phone, scene.peer.audio("opus", fmtp="usedtx=0"))
        await scene.peer.rtp.hear("opus", 2 * SECOND)
        await scene.phone.hung_up(call)

    with_peer(play, media={"opus": {"dtx": True}}, audio=None)
