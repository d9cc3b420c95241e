"""The lab judged by baresip: it registers, hears the echo of its own tone, is called, and calls another phone."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from softphone.lab import Lab
from softphone.lab.media.tone import TONE_HZ
from softphone.testing.audio import strongest_tone
from tests.interop.peers.baresip.phone import Baresip

pytestmark = pytest.mark.interop

TALK_S = 1.5


def baresip(lab: Lab, number: str, folder: Path, transport: str, tone_hz: int = 700, *account: str) -> Baresip:
    """A baresip that is an extension of the lab; it answers by itself."""
    port = lab.sip_tls_port if transport == "tls" else lab.sip_udp_port
    return Baresip(
        folder / number,
        tone_hz,
        f'outbound="sip:127.0.0.1:{port};transport={transport}"',
        f"auth_user={number}",
        f"auth_pass={lab.extension(number).password}",
        "audio_codecs=pcma",
        *account,
        aor=f"sip:{number}@{lab.domain};transport={transport}",
        ca_file=lab.ca_file,
    )


async def told(phone: Baresip, type: str, **fields: Any) -> None:
    """Waits for an event of baresip's, while the lab goes on."""
    await asyncio.to_thread(phone.told, type, **fields)


async def hang_up(phone: Baresip) -> None:
    await asyncio.to_thread(phone.does, "hangup")
    await told(phone, "CALL_CLOSED")


def hears(phone: Baresip, frequency_hz: float) -> bool:
    """Whether what it heard in its last call is this tone."""
    found = strongest_tone(phone.heard().cut(0.4))
    return abs(found.frequency_hz - frequency_hz) < 5 and found.share > 0.8


@pytest.mark.parametrize(("transport", "srtp"), [("udp", False), ("tcp", False), ("tls", True)])
def test_registers_hears_the_echo_and_is_called(tmp_path: Path, transport: str, srtp: bool) -> None:
    async def run() -> None:
        encryption = ("mediaenc=srtp-mand",) if srtp else ()
        async with Lab() as lab:
            with baresip(lab, "901", tmp_path, transport, 700, *encryption) as phone:
                await lab.wait_for("registered", extension="901", transport=transport, timeout_s=15)
                await told(phone, "REGISTER_OK")

                await asyncio.to_thread(phone.calls, f"sip:9196@{lab.domain}")
                event = await lab.wait_for("call_answered", callee="9196", timeout_s=15)
                assert event["srtp"] == srtp
                await asyncio.sleep(TALK_S)
                await hang_up(phone)
                assert hears(phone, 700)

                lab.call("901", "9197", srtp=srtp)
                await told(phone, "CALL_ESTABLISHED", direction="incoming")
                await asyncio.sleep(TALK_S)
                await hang_up(phone)
                assert hears(phone, TONE_HZ)
            assert not lab.events.find("garbage")

    asyncio.run(run())


def test_two_of_them_talk_from_one_transport_to_another(tmp_path: Path) -> None:
    async def run() -> None:
        async with Lab() as lab:
            with baresip(lab, "901", tmp_path, "tls", 700) as alice, baresip(lab, "902", tmp_path, "tcp", 900) as bob:
                await lab.wait_for("registered", extension="901", timeout_s=15)
                await lab.wait_for("registered", extension="902", timeout_s=15)
                await asyncio.to_thread(alice.calls, f"sip:902@{lab.domain}")
                await told(bob, "CALL_ESTABLISHED", direction="incoming")
                await told(alice, "CALL_ESTABLISHED", direction="outgoing")
                await asyncio.sleep(TALK_S)
                await hang_up(alice)
                await told(bob, "CALL_CLOSED")
                assert hears(alice, 900)
                assert hears(bob, 700)

    asyncio.run(run())
