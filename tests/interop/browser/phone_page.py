"""The phone's own page in a browser, by what a person sees and presses."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

from playwright.async_api import Locator, expect

from softphone.testing.audio import Sound, speech_like
from tests.interop.browser.chromium import Browser, Tab, chromium, loopback_network
from tests.support.page import TOKEN, Served, page_of_phone
from tests.support.until import until

PATIENCE_MS = 20_000
VOICE = speech_like(2, 48_000, seed=11)
"""What the browser's microphone hears, again and again."""
PLAIN_SOUND = {"processing": "off"}
"""Suppression of echo and noise takes what is no speech of a person for noise."""


class PhonePage:
    """One tab with the page."""

    def __init__(self, tab: Tab) -> None:
        self.tab, self.page = tab, tab.page
        self.page.set_default_timeout(PATIENCE_MS)

    @classmethod
    async def open(
        cls, browser: Browser, url: str, *, log_in: bool = True, sound: str = "browser", **context: Any
    ) -> PhonePage:
        """sound: where calls that are dialled here are heard, `browser` or `phone`."""
        settings = PLAIN_SOUND | {"dial-sound": sound}
        origin = {"origin": url.rstrip("/"), "localStorage": [{"name": n, "value": v} for n, v in settings.items()]}
        state = {"cookies": [], "origins": [origin]}
        page = cls(await browser.open(url, **({"storage_state": state} | context)))
        if log_in:
            await page.log_in()
        return page

    async def log_in(self, token: str = TOKEN) -> None:
        await self.page.get_by_label("Token").fill(token)
        await self.press("Log in")
        await self.page.locator("#phone").wait_for()

    def button(self, name: str) -> Locator:
        return self.page.get_by_role("button", name=name, exact=True)

    async def press(self, name: str) -> None:
        await self.button(name).click()

    def call(self, index: int = 0) -> Locator:
        """A call's card, the newest first."""
        return self.page.locator("#calls > li").nth(index)

    async def dial(self, number: str) -> None:
        """Types and presses Call; returns when the call is connected."""
        await self.page.get_by_label("Number, extension or SIP address").fill(number)
        await self.press("Call")
        await self.shows("connected")

    async def shows(self, state: str, index: int = 0) -> None:
        """Waits until a call's card says so."""
        await expect(self.call(index).locator(".state")).to_have_text(state, timeout=PATIENCE_MS)

    async def no_calls(self) -> None:
        """Waits until no call runs; those that ended still show for some seconds."""
        await expect(self.page.locator("#calls > li:not(.ended)")).to_have_count(0, timeout=PATIENCE_MS)

    async def notice(self, text: str) -> Locator:
        """Waits for a notice with this text."""
        found = self.page.locator(".notice", has_text=text)
        await expect(found).to_be_visible(timeout=PATIENCE_MS)
        return found

    async def handset(self, state: str) -> None:
        await expect(self.page.locator("#handset-state")).to_have_text(state, timeout=PATIENCE_MS)

    async def sound_of_call(self, choice: str, index: int = 0) -> None:
        await self.call(index).get_by_label("Sound").select_option(label=choice)


@asynccontextmanager
async def phone_and_browser(folder: Path, microphone: Sound) -> AsyncIterator[tuple[Served, Browser]]:
    """The lab, a phone with its page, and a browser that trusts the page's own certificate.

    The browser knows the phone's machine as `phone.test`, too.
    """
    async with (
        page_of_phone(folder) as served,
        chromium(
            folder, microphone=microphone, trust=[served.certificate], hosts={"phone.test": "127.0.0.1"}
        ) as browser,
    ):
        yield served, browser


class Stage:
    """One phone and one browser for all tests of a module, each of which gets tabs of its own and no calls."""

    def __init__(self, runner: asyncio.Runner, served: Served, browser: Browser) -> None:
        self._runner, self._served, self._browser = runner, served, browser

    def play(self, scene: Callable[[Served, Browser], Awaitable[None]]) -> None:
        self._runner.run(self._play(scene))

    async def _play(self, scene: Callable[[Served, Browser], Awaitable[None]]) -> None:
        self._served.phone.events.clear()
        try:
            await scene(self._served, self._browser)
        finally:
            for context in self._browser.playwright.contexts:
                await context.close()
            await self._end_calls()

    async def _end_calls(self) -> None:
        agent = self._served.phone.agent
        for call in agent.calls():
            agent.hang_up(call.id)
        for handset in agent.handsets():
            await agent.close_handset(handset.id)
        await until(lambda: not agent.calls() and not agent.handsets())


@contextmanager
def stage_for(folder: Path) -> Iterator[Stage]:
    """In a network that ends at this machine."""
    with loopback_network(), asyncio.Runner() as runner:
        context = phone_and_browser(folder, VOICE)
        served, browser = runner.run(context.__aenter__())
        try:
            yield Stage(runner, served, browser)
        finally:
            runner.run(context.__aexit__(None, None, None))
