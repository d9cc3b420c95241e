"""The lab judged by the C pjsua: registration, echo, calls, SRTP, digits, over UDP, TCP and TLS."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from softphone.lab import Lab, LabOptions
from softphone.lab.media.tone import TONE_HZ
from softphone.testing.audio import read_wav, rms, strongest_tone, tone, write_wav
from tests.lab.pjsua import Pjsua

# the first test may have to wait while pjsua is built
pytestmark = [pytest.mark.interop, pytest.mark.timeout(600)]


@pytest.mark.parametrize("transport", ["udp", "tcp", "tls"])
@pytest.mark.parametrize("algorithm", ["MD5", "SHA-256"])
def test_registers_and_unregisters(tmp_path: Path, transport: str, algorithm: str) -> None:
    async def run() -> None:
        async with Lab(LabOptions(algorithms=(algorithm,))) as lab:  # type: ignore[arg-type]
            async with Pjsua(lab, "901", transport, tmp_path):
                await lab.wait_for("registered", extension="901", transport=transport, timeout_s=10)
            await lab.wait_for("unregistered", extension="901", cause="request")

    asyncio.run(run())


@pytest.mark.parametrize(("transport", "srtp"), [("udp", 0), ("tcp", 0), ("tls", 0), ("tls", 2)])
def test_hears_its_own_tone_from_the_echo(tmp_path: Path, transport: str, srtp: int) -> None:
    async def run() -> None:
        sound = tmp_path / "played.wav"
        write_wav(sound, tone(440, 3))
        options = (f"--play-file={sound}", "--auto-play", f"--use-srtp={srtp}")
        async with Lab() as lab:
            async with Pjsua(lab, "901", transport, tmp_path, *options, call="9196") as phone:
                event = await lab.wait_for("call_answered", callee="9196", timeout_s=10)
                assert event["srtp"] == (srtp == 2)
                await asyncio.sleep(2)
                phone.command("h")
                event = await lab.wait_for("call_ended", callee="9196", by="caller")
            assert event["rtp_received"] > 80
            assert not lab.events.find("garbage")
        heard = read_wav(phone.recording)
        assert strongest_tone(heard).frequency_hz == pytest.approx(440, abs=5)

    asyncio.run(run())


@pytest.mark.parametrize(("transport", "srtp"), [("udp", 0), ("tls", 2)])
def test_two_phones_talk(tmp_path: Path, transport: str, srtp: int) -> None:
    async def run() -> None:
        sound = tmp_path / "played.wav"
        write_wav(sound, tone(600, 3))
        secure = f"--use-srtp={srtp}"
        async with Lab() as lab, Pjsua(lab, "902", transport, tmp_path, "--auto-answer=200", secure) as bob:
            await lab.wait_for("registered", extension="902", timeout_s=10)
            speaking = (f"--play-file={sound}", "--auto-play", secure)
            async with Pjsua(lab, "901", transport, tmp_path, *speaking, call="902") as alice:
                event = await lab.wait_for("call_answered", caller="901", callee="902", timeout_s=10)
                assert event["srtp"] == (srtp == 2)
                await asyncio.sleep(2)
                alice.command("h")
                await lab.wait_for("call_ended", caller="901", callee="902")
        assert strongest_tone(read_wav(bob.recording)).frequency_hz == pytest.approx(600, abs=5)

    asyncio.run(run())


def test_is_called_by_the_pbx_and_hears_the_tone(tmp_path: Path) -> None:
    async def run() -> None:
        async with Lab() as lab:
            async with Pjsua(lab, "901", "tls", tmp_path, "--auto-answer=200") as phone:
                await lab.wait_for("registered", extension="901", timeout_s=10)
                lab.call("901", "9197")
                await lab.wait_for("call_answered", callee="901", timeout_s=10)
                await asyncio.sleep(1.5)
                phone.command("h")
                await lab.wait_for("call_ended", callee="901", by="callee")
        heard = read_wav(phone.recording)
        assert strongest_tone(heard).frequency_hz == pytest.approx(TONE_HZ, abs=5)
        assert rms(heard) > 0.05

    asyncio.run(run())


def test_digits(tmp_path: Path) -> None:
    async def run() -> None:
        async with Lab() as lab:
            async with Pjsua(lab, "901", "udp", tmp_path, call="9199") as phone:
                await lab.wait_for("call_answered", callee="9199", timeout_s=10)
                await asyncio.sleep(1)  # its console knows of the call a little later
                phone.command("#\n147*#")
                await lab.wait_for("digits", digits="147*", timeout_s=10)
                await asyncio.sleep(1.5)  # the digits on their way back
                phone.command("h")
                await lab.wait_for("call_ended", callee="9199")
            assert all(each["duration_ms"] >= 100 for each in lab.events.find("digit", how="rfc4733"))
        log = phone.log.read_text(errors="replace")
        assert all(f"Incoming DTMF on call 0: {digit}" in log for digit in "147*")

    asyncio.run(run())
