"""The lab judged by SIP.js in Chromium: it registers by secure WebSocket, hears itself, types, is called, and talks to
a plain SIP phone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from softphone.lab import Lab, LabOptions
from softphone.lab.media.tone import TONE_HZ
from softphone.testing.audio import Sound, find, heard_share, speech_like, strongest_tone
from tests.interop.browser.chromium import chromium, loopback_network
from tests.interop.browser.sipjs import SipJs
from tests.lab.test_baresip import baresip, told

MICROPHONE = speech_like(2, 48_000, seed=21)
MOST = 0.5  # of the parts of a sound: Chromium's jitter buffer stretches the others
BARESIP_HZ = 700


@pytest.fixture(autouse=True)
def _network() -> Iterator[None]:
    with loopback_network():
        yield


@asynccontextmanager
async def sipjs(lab: Lab, number: str, folder: Path) -> AsyncIterator[SipJs]:
    """SIP.js as an extension of the lab, registered."""
    hosts = {lab.domain: "127.0.0.1"}
    async with chromium(
        folder, microphone=MICROPHONE, trust=[lab.ca_file.with_name("server.pem")], hosts=hosts
    ) as browser:
        url = f"wss://{lab.domain}:{lab.sip_wss_port}/"
        phone = await SipJs.open(browser, url, number, lab.extension(number).password, lab.domain)
        await phone.register()
        yield phone


def assert_heard(who: str, sound: Sound, recording: Sound) -> None:
    match, share = find(sound, recording), heard_share(sound, recording, part_s=0.25)
    print(f"{who}: correlation {match.score:.3f}, {share:.0%} of its parts")
    assert share >= MOST, f"{who}: {match}, {share}"


def is_tone(sound: Sound, frequency_hz: float) -> bool:
    found = strongest_tone(sound)
    return abs(found.frequency_hz - frequency_hz) < 5 and found.share > 0.8


def test_registers_hears_itself_types_and_is_called(tmp_path: Path) -> None:
    async def run() -> None:
        async with Lab() as lab, sipjs(lab, "901", tmp_path) as phone:
            await lab.wait_for("registered", extension="901", transport="wss")

            await phone.connected("9196")
            event = await lab.wait_for("call_answered", callee="9196")
            assert event["srtp"]
            assert_heard("the browser heard itself", MICROPHONE, await phone.hears(5))
            assert (await phone.tab.stats("transport"))["dtlsState"] == "connected"
            await phone.hold()
            await lab.wait_for("call_held", by="caller")
            await phone.resume()
            await lab.wait_for("call_resumed", by="caller")
            await phone.hang_up()
            await lab.wait_for("call_ended", callee="9196", by="caller")

            await phone.connected("9199")
            await phone.digits("159#")
            await lab.wait_for("digits", digits="159", timeout_s=15)
            assert all(each["how"] == "rfc4733" for each in lab.events.find("digit"))
            await phone.hang_up()

            lab.call("901", "9197")
            await phone.answers()
            assert is_tone(await phone.hears(1.5), TONE_HZ)
            await phone.hang_up()
            await lab.wait_for("call_ended", callee="901", by="callee")

            await phone.unregister()
            await lab.wait_for("unregistered", extension="901", cause="request")
            assert not lab.events.find("garbage")

    asyncio.run(run())


def test_talks_to_a_plain_phone_and_takes_binary_frames(tmp_path: Path) -> None:
    async def run() -> None:
        async with Lab(LabOptions(ws_frames="binary")) as lab, sipjs(lab, "901", tmp_path) as phone:
            with baresip(lab, "902", tmp_path, "udp", BARESIP_HZ) as plain:
                await lab.wait_for("registered", extension="902", timeout_s=15)
                await asyncio.to_thread(plain.calls, f"sip:901@{lab.domain}")
                assert (await phone.answers())["from"] == "902"
                await told(plain, "CALL_ESTABLISHED", direction="outgoing")
                assert is_tone(await phone.hears(2), BARESIP_HZ)
                await asyncio.sleep(2)  # baresip hears more of the browser
                await phone.hang_up()
                await told(plain, "CALL_CLOSED")
                assert_heard("baresip heard the browser", MICROPHONE, plain.heard())

    asyncio.run(run())
