"""Takes the pictures of the page that the docs show: `python -m tools.page_pictures` in the source folder, as root.

A phone at the lab, its page, and Chromium with a microphone that speaks: the pictures are of what is there.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from pathlib import Path

from softphone.testing.audio import speech_like
from tests.interop.browser.chromium import Browser, loopback_network
from tests.interop.browser.phone_page import PhonePage, phone_and_browser
from tests.support.daemon import Daemon
from tests.support.page import Served

IMAGES = Path(__file__).parents[1] / "docs" / "images"
DESKTOP, PHONE = {"width": 1120, "height": 660}, {"width": 375, "height": 812}
ECHO = "9196"
SETTLE_S = 3.0
MOST_BYTES = 100_000


async def take(folder: Path) -> None:
    (elsewhere := folder / "caller").mkdir()
    async with (
        phone_and_browser(folder, speech_like(3, 48_000, seed=5)) as (served, browser),
        Daemon(elsewhere, served.lab.agent_config(["903"])) as caller,
    ):
        await caller.told("account.registered")
        page = await talking(served, browser, caller)
        await picture(page, "page-light.png")
        await page.page.emulate_media(color_scheme="dark")
        await picture(page, "page-dark.png")
        await page.page.emulate_media(color_scheme="light")
        await page.page.set_viewport_size(PHONE)  # type: ignore[arg-type]
        await picture(page, "page-phone.png")


async def talking(served: Served, browser: Browser, caller: Daemon) -> PhonePage:
    """A page in a call, while somebody else calls."""
    page = await PhonePage.open(browser, served.url, viewport=DESKTOP)
    await page.dial(ECHO)
    await page.handset("connected")
    await caller.ask("POST", "/v1/calls", {"target": "902"})
    await page.shows("calls you")
    await asyncio.sleep(SETTLE_S)
    return page


async def picture(page: PhonePage, name: str) -> None:
    await page.page.evaluate("document.activeElement.blur(); scrollTo(0, 0)")
    await asyncio.sleep(0.5)
    await page.page.screenshot(path=IMAGES / name)
    size = (IMAGES / name).stat().st_size
    sys.stdout.write(f"{name}: {size / 1000:.0f} kB{'' if size < MOST_BYTES else ', too large'}\n")


def main() -> None:
    IMAGES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, loopback_network():
        asyncio.run(take(Path(folder)))


if __name__ == "__main__":
    main()
