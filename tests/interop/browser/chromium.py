"""A real browser, headless, for tests of what browsers see, say and hear.

async with chromium(folder, microphone=speech_like(3), trust=[certificate], hosts={"pbx.test": "127.0.0.1"}) as browser:
    tab = await browser.open("https://pbx.test:8443/")
    await tab.page.get_by_role("button", name="Call").click()
    heard = await tab.hears(3)

It runs in the network of the thread that starts it: see `loopback_network` for one that no packet leaves.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from playwright.async_api import Browser as PlaywrightBrowser
from playwright.async_api import BrowserContext, Page, async_playwright

from softphone.testing.audio import Sound, write_wav
from tests.support.netns import Namespace, Networks

PROGRAM = "/usr/bin/chromium"
OTHER_ADDRESS = "198.51.100.1"
_EAR = Path(__file__).with_name("ear.js")
_START_MS = 30_000
_MICROPHONE_HZ = 48_000

_ALWAYS = (
    "--no-sandbox",  # tests run as root, in containers too
    "--autoplay-policy=no-user-gesture-required",
    "--allow-loopback-in-peer-connection",
    # plain addresses as ICE candidates, and pages of one loopback port may speak to another
    "--disable-features=WebRtcHideLocalIpsWithMdns,LocalNetworkAccessChecks",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-sync",
    "--no-first-run",
    "--no-proxy-server",
)


@contextmanager
def loopback_network() -> Iterator[Namespace]:
    """A network that ends at this machine; threads, processes and sockets made inside the block live in it.

    Beside 127.0.0.1 it has OTHER_ADDRESS: Asterisk and aioice take no loopback address for an ICE candidate, and would
    have none without it. A browser in here talks from 127.0.0.1 to 127.0.0.1.
    """
    with Networks() as networks:
        here = networks.namespace("browser")
        here.add_address("lo", f"{OTHER_ADDRESS}/32")
        with here.entered():
            yield here


@dataclass
class Tab:
    """A page, what it complained of, and what came to it by WebRTC."""

    page: Page
    complaints: list[str] = field(default_factory=list)  # uncaught errors and console.error
    console: list[str] = field(default_factory=list)

    async def connected(self, within_s: float = 20.0) -> None:
        """Waits until the newest connection of the page carries media."""
        async with asyncio.timeout(within_s):
            await self.page.evaluate("testEar.connected()")

    async def listen(self) -> None:
        """Keeps what every connection of the page receives from now on."""
        await self.page.evaluate("testEar.start()")

    async def heard(self, track: int = -1) -> Sound:
        """Ends `listen`, and returns what one track received; the newest one, unless another is asked for."""
        tracks = await self.page.evaluate("testEar.stop()")
        if not tracks:
            raise AssertionError("the page has received no audio track")
        pcm = np.frombuffer(base64.b64decode(tracks[track]["pcm"]), dtype="<i2")
        return Sound(pcm / 32768.0, tracks[track]["rate_hz"] or _MICROPHONE_HZ)

    async def hears(self, seconds: float, track: int = -1) -> Sound:
        """What comes in the next so many seconds."""
        await self.listen()
        await asyncio.sleep(seconds)
        return await self.heard(track)

    async def stats(self, kind: str | None = None) -> dict[str, Any]:
        """The newest peer connection's states and `report`; with a kind, the first entry of that type in the report."""
        stats = await self.page.evaluate("testEar.stats()")
        if stats is None:
            raise AssertionError("the page has made no peer connection")
        if kind is None:
            return dict(stats)
        return next((dict(entry) for entry in stats["report"] if entry["type"] == kind), {})

    async def media_path(self) -> str:
        """From where to where the media goes, as `127.0.0.1 -> 127.0.0.1`."""
        entries = {entry["id"]: entry for entry in (await self.stats())["report"]}
        transport = next(entry for entry in entries.values() if entry["type"] == "transport")
        pair = entries[transport["selectedCandidatePairId"]]
        ends = (entries[pair[f"{end}CandidateId"]].get("address") for end in ("local", "remote"))
        return " -> ".join(map(str, ends))


class Browser:
    """A running Chromium. Its tabs share nothing: each has a profile of its own."""

    def __init__(self, browser: PlaywrightBrowser) -> None:
        self.playwright = browser

    async def open(
        self, url: str, *, microphone: bool = True, routes: Mapping[str, tuple[str, str]] | None = None, **context: Any
    ) -> Tab:
        """Opens a page. `microphone`: whether it may use it, without being asked.

        routes: URL -> (content type, text) of what no server serves; context: options of Playwright's `new_context`,
        such as viewport={"width": 390, "height": 844}.
        """
        made = await self.playwright.new_context(**context)
        if microphone:
            await made.grant_permissions(["microphone"])
        return await open_tab(made, url, routes or {})


async def open_tab(context: BrowserContext, url: str, routes: Mapping[str, tuple[str, str]] | None = None) -> Tab:
    """Another tab in a profile that is there already."""
    page = await context.new_page()
    tab = Tab(page)
    page.on("pageerror", lambda error: tab.complaints.append(str(error)))
    page.on("console", lambda said: (tab.complaints if said.type == "error" else tab.console).append(said.text))
    await page.add_init_script(path=_EAR)
    for address, (content_type, text) in (routes or {}).items():
        await _route(page, address, content_type, text)
    await page.goto(url, timeout=_START_MS)
    return tab


async def _route(page: Page, address: str, content_type: str, text: str) -> None:
    async def fulfil(route: Any) -> None:
        await route.fulfill(content_type=content_type, body=text)

    await page.route(address, fulfil)


@asynccontextmanager
async def chromium(
    folder: Path,
    *,
    microphone: Sound | None = None,
    trust: Sequence[Path] = (),
    hosts: Mapping[str, str] | None = None,
    options: Sequence[str] = (),
) -> AsyncIterator[Browser]:
    """Chromium from here to the end of the block.

    microphone: what it plays, over and over; without one there is no microphone at all. trust: PEM certificates of
    servers, whose keys are trusted whoever signed them, and no others. hosts: names -> addresses; no other name is
    looked up.
    """
    arguments = [*_ALWAYS, *_microphone(folder, microphone), *_trust(trust), _hosts(hosts or {}), *options]
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=PROGRAM, headless=True, args=arguments, timeout=_START_MS
        )
        try:
            yield Browser(browser)
        finally:
            await browser.close()


def _microphone(folder: Path, sound: Sound | None) -> list[str]:
    if sound is None:
        return []
    file = folder / "microphone.wav"
    write_wav(file, sound.at_rate(_MICROPHONE_HZ))
    return ["--use-fake-device-for-media-stream", f"--use-file-for-fake-audio-capture={file}"]


def _trust(certificates: Sequence[Path]) -> list[str]:
    pins = [_pin(file) for file in certificates]
    return [f"--ignore-certificate-errors-spki-list={','.join(pins)}"] if pins else []


def _pin(certificate: Path) -> str:
    """The key's fingerprint as RFC 7469 (section 2.4) writes it."""
    key = x509.load_pem_x509_certificate(certificate.read_bytes()).public_key()
    digest = hashlib.sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).digest()
    return base64.b64encode(digest).decode()


def _hosts(hosts: Mapping[str, str]) -> str:
    rules = [f"MAP {name} {address}" for name, address in hosts.items()]
    rules += ["MAP * ~NOTFOUND", "EXCLUDE 127.0.0.1", "EXCLUDE localhost"]
    return f"--host-resolver-rules={', '.join(rules)}"
