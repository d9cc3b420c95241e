"""examples/sipjs: the page, with the lab as its PBX, and with a phone that gives it its credentials."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from playwright.async_api import Page, expect

from softphone.lab import Lab
from softphone.testing.audio import find, heard_share, speech_like, strongest_tone, tone, write_wav
from tests.interop.browser.bundle import bundled
from tests.interop.browser.chromium import Tab, chromium, loopback_network
from tests.interop.peers.ports import free_port
from tests.support.daemon import Daemon

EXAMPLE = Path(__file__).parents[3] / "examples" / "sipjs"
MICROPHONE = speech_like(2, 48_000, seed=31)
TONE_HZ = 600
TOKEN = "only-for-this-very-test"
SLOW_MS = 30_000


@pytest.fixture(autouse=True)
def _network() -> Iterator[None]:
    with loopback_network():
        yield


@asynccontextmanager
async def backend(folder: Path, *options: str) -> AsyncIterator[str]:
    """The example's backend with a built page; gives the page's URL."""
    copy = shutil.copytree(EXAMPLE, folder / "example")
    (copy / "bundle.js").write_text(bundled(copy / "phone.js"))
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, copy / "backend.py", "--port", "0", *options),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env=os.environ | {"SIP_CREDENTIALS_TOKEN": TOKEN},
    )
    assert process.stdout is not None
    try:
        yield (await asyncio.wait_for(process.stdout.readline(), 20)).decode().strip()
    finally:
        process.kill()
        await process.wait()


@asynccontextmanager
async def opened(lab: Lab, folder: Path, *options: str) -> AsyncIterator[Tab]:
    """The page in Chromium, registered."""
    server = ("--server", f"wss://{lab.domain}:{lab.sip_wss_port}/")
    trust = [lab.ca_file.with_name("server.pem")]
    hosts = {lab.domain: "127.0.0.1"}
    async with (
        backend(folder, *server, *options) as url,
        chromium(folder, microphone=MICROPHONE, trust=trust, hosts=hosts) as browser,
    ):
        tab = await browser.open(url)
        await shows(tab.page, "#state", "registered")
        yield tab


async def shows(page: Page, where: str, text: str) -> None:
    await expect(page.locator(where)).to_have_text(text, timeout=SLOW_MS)


async def dial(tab: Tab, number: str) -> None:
    await tab.page.get_by_label("Number").fill(number)
    await tab.page.get_by_role("button", name="Call", exact=True).click()


async def press(tab: Tab, name: str) -> None:
    await tab.page.get_by_role("button", name=name, exact=True).click(timeout=SLOW_MS)


def test_with_the_lab_and_a_file(tmp_path: Path) -> None:
    async def run() -> None:
        async with Lab() as lab:
            credentials = {"extension": "901", "password": lab.extension("901").password, "user_context": lab.domain}
            file = tmp_path / "credentials.json"
            file.write_text(json.dumps(credentials))
            async with opened(lab, tmp_path, "--file", str(file)) as tab:
                await dial(tab, "9196")
                await shows(tab.page, "#state", "in a call")
                await tab.connected()
                await asyncio.sleep(1)  # Chromium's jitter buffer finds its size
                heard = await tab.hears(5)
                print(f"the page heard itself: {find(MICROPHONE, heard)}")
                assert heard_share(MICROPHONE, heard, part_s=0.25) >= 0.5
                await press(tab, "Hold")
                await lab.wait_for("call_held", by="caller")
                await press(tab, "Hold")
                await lab.wait_for("call_resumed", by="caller")
                await press(tab, "Hang up")
                await lab.wait_for("call_ended", callee="9196", by="caller")

                await dial(tab, "9199")
                await shows(tab.page, "#state", "in a call")
                await tab.connected()
                for key in "4*#":
                    await press(tab, key)
                    await asyncio.sleep(0.3)  # as fast as people are; the next key cuts a digit off
                await lab.wait_for("digits", digits="4*", timeout_s=15)
                await press(tab, "Hang up")

                lab.call("901", "9197")
                await press(tab, "Answer")
                await lab.wait_for("call_answered", callee="901", timeout_s=15)
                await tab.page.get_by_label("Number").fill("9196")
                await press(tab, "Transfer to the number above")
                # the lab's own numbers have nothing to say to each other
                await shows(tab.page, "#trouble", "not transferred: 403 Forbidden")
                await press(tab, "Hang up")
                await shows(tab.page, "#state", "registered")

                await dial(tab, "909")  # switched off
                await expect(tab.page.get_by_role("alert")).not_to_be_empty()
                await shows(tab.page, "#state", "registered")

    asyncio.run(run())


def test_a_phone_gives_the_page_its_credentials(tmp_path: Path) -> None:
    async def run() -> None:
        sound = tmp_path / "tone.wav"
        write_wav(sound, tone(TONE_HZ, 5))
        async with Lab() as lab:
            config = lab.agent_config(["902"])
            [entry] = config["accounts"]
            answers = {"incoming": [{"action": "answer"}], "audio": {"file": str(sound), "loop": True}}
            config["accounts"] = [entry | answers, entry | {"extensions": ["901"], "register": False}]
            door = f"127.0.0.1:{free_port()}"
            secret = {"env": "SIP_CREDENTIALS_TOKEN"}
            config["sip_credentials"] = {"listen": door, "token": secret, "extensions": ["901"]}
            (tmp_path / "daemon").mkdir()
            environ = {"SIP_CREDENTIALS_TOKEN": TOKEN}
            async with Daemon(tmp_path / "daemon", config, environ=environ) as daemon:
                await daemon.told("account.registered", account=f"902@{lab.domain}")
                async with opened(lab, tmp_path, "--daemon", f"http://{door}") as tab:
                    await shows(tab.page, "#account", f"901@{lab.domain}")
                    await dial(tab, "902")
                    await daemon.told("call.media", active=True)
                    await tab.connected()
                    found = strongest_tone(await tab.hears(2))
                    assert abs(found.frequency_hz - TONE_HZ) < 5
                    await tab.page.get_by_label("Number").fill("9196")
                    await press(tab, "Transfer to the number above")
                    await lab.wait_for("call_transferred", to="9196", timeout_s=15)
                    await shows(tab.page, "#state", "registered")
                    [call] = await daemon.get("/v1/calls")
                    assert call["state"] == "active"

    asyncio.run(run())
