"""A phone that others wrote: SIP.js in Chromium.

async with chromium(folder, microphone=sound, trust=[certificate], hosts={"pbx.test": "127.0.0.1"}) as browser:
    phone = await SipJs.open(browser, wss_url, "931", password, "pbx.test")
    await phone.register()
    await phone.call("902")
    await phone.told("answered")
"""

from __future__ import annotations

import asyncio
from functools import cache
from pathlib import Path
from typing import Any

from softphone.testing.audio import Sound
from tests.interop.browser.bundle import bundled
from tests.interop.browser.chromium import Browser, Tab

DEADLINE_S = 30.0
_ORIGIN = "http://127.0.0.1:1"  # nobody is there: the pages of a secure origin, served by the test itself
_PAGE = '<!doctype html><title>SIP.js</title><audio id="remote" autoplay></audio><script src="/phone.js"></script>'


@cache
def _script() -> str:
    return bundled(Path(__file__).with_name("sipjs.js"))


class SipJs:
    """One phone on a page of its own, and all that it has told: dicts with `type` (see sipjs.js)."""

    def __init__(self, url: str, user: str, password: str, domain: str) -> None:
        self._account = {"url": url, "user": user, "password": password, "domain": domain}
        self._domain = domain
        self._rung = 0  # calls that `answers` has taken
        self._news = asyncio.Condition()
        self.events: list[dict[str, Any]] = []
        self.tab: Tab

    @classmethod
    async def open(cls, browser: Browser, url: str, user: str, password: str, domain: str) -> SipJs:
        """A phone that is not registered yet. url: of the PBX's WebSocket."""
        phone = cls(url, user, password, domain)
        routes = {f"{_ORIGIN}/": ("text/html", _PAGE), f"{_ORIGIN}/phone.js": ("text/javascript", _script())}
        phone.tab = await browser.open("about:blank", routes=routes)
        await phone.tab.page.expose_function("tell", phone._hear)
        await phone.tab.page.goto(f"{_ORIGIN}/")
        return phone

    async def _hear(self, event: dict[str, Any]) -> None:
        async with self._news:
            self.events.append(event)
            self._news.notify_all()

    def all(self, type: str, **fields: Any) -> list[dict[str, Any]]:
        """What was told so far of this type, with these fields."""
        wanted = {"type": type} | fields
        return [event for event in self.events if all(event.get(key) == value for key, value in wanted.items())]

    async def told(self, type: str, *, count: int = 1, within_s: float = DEADLINE_S, **fields: Any) -> dict[str, Any]:
        """Waits until this was told `count` times; returns the last of these."""
        try:
            async with asyncio.timeout(within_s), self._news:
                await self._news.wait_for(lambda: len(self.all(type, **fields)) >= count)
        except TimeoutError:
            log = "\n".join([*self.tab.complaints, *self.tab.console][-60:])
            raise AssertionError(f"SIP.js did not tell {type} {fields}; it told {self.events}\n{log}") from None
        return self.all(type, **fields)[count - 1]

    # ---- what a user does

    async def register(self, *, dtmf_by_rtp: bool = True) -> None:
        """Connects and registers; digits go as RFC 4733 events, or else by SIP INFO."""
        await self._do("register", self._account | {"dtmfByRtp": dtmf_by_rtp})
        await self.told("registered")

    async def call(self, number: str) -> None:
        """Sends an INVITE; `answered`, `ended` and `response` tell what becomes of it."""
        await self._do("call", self._uri(number))

    async def connected(self, number: str) -> None:
        """Calls, and waits for the answer and for media."""
        answered = len(self.all("answered"))
        await self.call(number)
        await self.told("answered", count=answered + 1)
        await self.tab.connected()

    async def answers(self) -> dict[str, Any]:
        """Waits for the next call, takes it, and returns the `ringing` that told of it; media flows."""
        self._rung += 1
        answered = len(self.all("answered"))
        ringing = await self.told("ringing", count=self._rung)
        await self._do("answer")
        await self.told("answered", count=answered + 1)
        await self.tab.connected()
        return ringing

    async def hold(self) -> None:
        held = len(self.all("held", held=True))
        await self._do("hold")
        await self.told("held", held=True, count=held + 1)

    async def resume(self) -> None:
        resumed = len(self.all("held", held=False))
        await self._do("unhold")
        await self.told("held", held=False, count=resumed + 1)

    async def mute(self, on: bool = True) -> None:
        await self._do("mute" if on else "unmute")

    async def digits(self, digits: str, gap_s: float = 0.3) -> None:
        """Presses keys, one after the other."""
        for digit in digits:
            await self._do("digit", digit)
            await asyncio.sleep(gap_s)

    async def transfer(self, number: str) -> None:
        """Sends its call there, blindly, and hangs up when it is answered there."""
        await self._do("transfer", self._uri(number))
        await self.told("transfer", code=200)
        await self.hang_up()

    async def decline(self) -> None:
        await self._do("decline")

    async def hang_up(self) -> None:
        ended = len(self.all("ended"))
        await self._do("hangup")
        await self.told("ended", count=ended + 1)

    async def unregister(self) -> None:
        await self._do("unregister")
        await self.told("unregistered")
        await self._do("disconnect")

    async def hears(self, seconds: float) -> Sound:
        """What comes to it in the next so many seconds."""
        return await self.tab.hears(seconds)

    # ---- inside

    def _uri(self, number: str) -> str:
        return f"sip:{number}@{self._domain}"

    async def _do(self, what: str, argument: Any = None) -> None:
        await self.tab.page.evaluate("([what, argument]) => window.phone[what](argument)", [what, argument])
