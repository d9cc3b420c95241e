"""SIP.js in Chromium with Asterisk."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from softphone.testing.audio import find, heard_share, speech_like
from tests.interop.browser.chromium import chromium, loopback_network
from tests.interop.browser.sipjs import SipJs
from tests.interop.peers.asterisk import numbers
from tests.interop.peers.asterisk.server import Asterisk

MICROPHONE = speech_like(3, 48_000, seed=11)
BROWSER = "931"


@pytest.fixture(scope="module")
def pbx() -> Iterator[Asterisk]:
    with loopback_network(), Asterisk() as asterisk:
        yield asterisk


@asynccontextmanager
async def sipjs(pbx: Asterisk, folder: Path) -> AsyncIterator[SipJs]:
    """SIP.js, registered."""
    certificate = pbx.run_dir / "etc" / "good.crt"
    hosts = {pbx.domain: "127.0.0.1"}
    async with chromium(folder, microphone=MICROPHONE, trust=[certificate], hosts=hosts) as browser:
        phone = await SipJs.open(browser, pbx.wss_url, BROWSER, pbx.users[BROWSER].password, pbx.domain)
        await phone.register()
        yield phone


def test_echo(pbx: Asterisk, tmp_path: Path) -> None:
    async def run() -> None:
        async with sipjs(pbx, tmp_path) as phone:
            await phone.connected(numbers.ECHO)
            heard = await phone.hears(5)
            print(f"the browser heard itself: {find(MICROPHONE, heard)}")
            assert heard_share(MICROPHONE, heard, part_s=0.25) >= 0.7
            assert await phone.tab.media_path() == "127.0.0.1 -> 127.0.0.1"
            await phone.hang_up()
            await phone.unregister()

    asyncio.run(run())
