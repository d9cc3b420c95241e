"""Three hundred calls with a browser each, one after the other: the daemon is as small afterwards as before."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

from softphone.lab import Lab
from tests.support.browser import Browser
from tests.support.daemon import Daemon
from tests.support.procfs import Figures, figures

CALLS = 300
WARM_UP = 100
PARALLEL = 3
GROWTH_KIB_PER_CALL = 40
"""Ended calls are kept for a while, and cycles collected late. A handset that leaked would be 300 KiB and more."""


async def one(daemon: Daemon, browser: Browser) -> None:
    """A browser comes, calls the echo, hears the first of it, and is gone."""
    opened = (await daemon.ask("POST", "/v1/handsets", {"sdp": await browser.offer()})).json()
    handset = opened["handset"]["id"]
    await browser.take(opened["sdp"])
    call = (await daemon.ask("POST", "/v1/calls", {"target": "9196"})).json()["id"]
    await daemon.ask("PUT", f"/v1/handsets/{handset}/calls/{call}", {"mode": "talk"})
    await daemon.told("handset.connected", handset=handset)
    await daemon.ask("DELETE", f"/v1/calls/{call}")
    await daemon.told("call.ended", call=call)
    if int(handset[1:]) % 2:
        await daemon.ask("DELETE", f"/v1/handsets/{handset}")
    else:
        await browser.connection.close()  # gone without a word to the daemon but DTLS's own
    await daemon.told("handset.closed", handset=handset)


async def series(daemon: Daemon, numbers: Sequence[int]) -> None:
    for _ in numbers:
        async with Browser() as browser:
            await one(daemon, browser)


async def calls(daemon: Daemon, count: int) -> Figures:
    await asyncio.gather(*(series(daemon, range(start, count, PARALLEL)) for start in range(PARALLEL)))
    return figures(daemon.pid)


def test_three_hundred_browsers(tmp_path: Path) -> None:
    async def play() -> None:
        async with Lab() as lab:
            config = lab.agent_config(["901"], max_calls=PARALLEL)
            config |= {"control": {"event_history": 500, "socket": str(tmp_path / "control.sock")}}
            config |= {"log": {"level": "warning"}}
            async with Daemon(tmp_path, config) as daemon:
                await daemon.told("account.registered")
                warm = await calls(daemon, WARM_UP)
                last = await calls(daemon, CALLS - WARM_UP)
                print(f"\n{WARM_UP} browsers: {warm}; {CALLS} browsers: {last}")
                assert len(daemon.all("handset.closed")) == CALLS
                assert await daemon.get("/v1/handsets") == []
                assert last.rss_kib - warm.rss_kib < GROWTH_KIB_PER_CALL * (CALLS - WARM_UP)
                assert last.descriptors <= warm.descriptors + 2
                assert last.threads <= warm.threads + 2
                assert daemon.log == ""
                assert await daemon.stop() == 0

    asyncio.run(play())
