"""Chromium as the handset of calls: what is said into it comes back from the echo, wherever the sound is moved."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.async_api import expect

from softphone.testing.audio import Sound, find, heard_share, read_wav, silence_share, speech_like
from tests.interop.browser.chromium import loopback_network, open_tab
from tests.interop.browser.phone_page import PhonePage, phone_and_browser
from tests.support.until import until

ECHO = "9196"
VOICE = speech_like(2, 48_000, seed=11)
MOST = 0.5  # of its parts: jitter buffers stretch some, more of them on a busy machine
US, THEM = 1, 0


@pytest.fixture(scope="module", autouse=True)
def network() -> Iterator[None]:
    with loopback_network():
        yield


def assert_heard(who: str, recording: Sound) -> None:
    match, share = find(VOICE, recording), heard_share(VOICE, recording, part_s=0.25)
    print(f"{who}: correlation {match.score:.3f}, {share:.0%} of its parts")
    assert share >= MOST, f"{who}: {match}, {share}"


def test_the_echo_is_heard_in_the_browser_and_again_after_the_tab_was_loaded_anew(tmp_path: Path) -> None:
    async def run() -> None:
        async with phone_and_browser(tmp_path, microphone=VOICE) as (served, browser):
            phone, page = served.phone, await PhonePage.open(browser, served.url)
            await page.dial(ECHO)
            await page.handset("connected")
            call = (await phone.told("call.answered"))["call"]
            assert phone.agent.handsets()[0].calls == {call: "talk"}
            assert_heard("the browser hears itself from the echo", await page.tab.hears(3.5))
            for meter in ("Microphone level", "Loudspeaker level", "Their level", "Our level"):
                level = page.page.get_by_role("meter", name=meter)
                await expect(level).not_to_have_attribute("aria-valuenow", "-60", timeout=10_000)
            await expect(page.call().locator(".figures")).to_have_text(
                re.compile(r"MOS \d\.\d · loss \d+\.\d % · jitter \d+ ms"), timeout=10_000
            )

            await page.page.reload()
            await page.shows("connected")
            await phone.told("handset.closed", handset="h1")
            await phone.told("handset.attached", handset="h2", call=call, mode="talk")
            await page.handset("connected")
            assert_heard("the browser hears the echo after the reload", await page.tab.hears(3.5))

            await page.press("Hang up")
            await phone.told("handset.closed", handset="h2", within_s=20)  # some seconds after its last call
            await page.handset("not in use")
            assert page.tab.complaints == []

    asyncio.run(run())


def test_the_sound_of_a_call_moves_there_and_back_and_modes_are_kept(tmp_path: Path) -> None:
    async def run() -> None:
        async with phone_and_browser(tmp_path, microphone=VOICE) as (served, browser):
            phone, one = served.phone, await PhonePage.open(browser, served.url, sound="phone")
            await one.dial(ECHO)
            call = (await phone.told("call.answered"))["call"]
            await one.sound_of_call("This browser")
            await phone.told("handset.attached", call=call, mode="talk")
            await one.handset("connected")
            assert_heard("the browser hears the call that was moved to it", await one.tab.hears(3))

            two = PhonePage(await open_tab(one.page.context, served.url))
            await two.sound_of_call("This browser")
            await phone.told("handset.attached", call=call, handset="h2", mode="talk")
            await expect(one.call().locator(".figures")).to_contain_text("talks")
            await two.call().get_by_label("I", exact=True).select_option("listen")
            await phone.told("handset.attached", call=call, handset="h2", mode="listen")
            await two.handset("connected")
            await two.call().get_by_label("I", exact=True).select_option("whisper")
            await phone.told("handset.attached", call=call, handset="h2", mode="whisper")

            await one.sound_of_call("Nowhere")
            await phone.told("handset.detached", call=call, handset="h1", reason="asked")
            assert silence_share(await said(served.phone.agent, call, tmp_path)) > 0.9, "a whisper reached the far end"
            await two.call().focus()
            await two.page.keyboard.press("s")
            await phone.told("handset.detached", call=call, handset="h2", reason="asked")
            await two.page.keyboard.press("s")
            await phone.told("handset.attached", call=call, handset="h2", mode="talk", count=2)
            assert_heard("the far end hears the second browser", await said(served.phone.agent, call, tmp_path))

    asyncio.run(run())


async def said(agent: object, call: str, folder: Path, seconds: float = 2.5) -> Sound:
    """What our side sends to the far end."""
    file = folder / f"said-{len(list(folder.glob('said-*')))}.wav"
    await agent.record(call, str(file), mode="stereo")  # type: ignore[attr-defined]
    await asyncio.sleep(seconds)
    await agent.stop_record(call)  # type: ignore[attr-defined]
    return read_wav(file, US)


def test_a_caller_is_answered_in_the_browser_without_a_microphone_and_it_is_heard_once_there_is_one(
    tmp_path: Path,
) -> None:
    async def run() -> None:
        async with phone_and_browser(tmp_path, microphone=VOICE) as (served, browser):
            phone, page = served.phone, await PhonePage.open(browser, served.url, microphone=False)
            await page.dial(ECHO)
            await page.notice("The browser may not use the microphone.")
            await page.handset("hears only")
            call = (await phone.told("call.answered"))["call"]
            await page.page.context.grant_permissions(["microphone"])
            await page.press("Try again")
            await page.handset("connected")
            assert_heard("the far end hears the browser", await said(phone.agent, call, tmp_path))

    asyncio.run(run())


def test_a_browser_that_is_killed_in_mid_call_leaves_nothing_behind(tmp_path: Path) -> None:
    async def run() -> None:
        async with phone_and_browser(tmp_path, microphone=VOICE) as (served, browser):
            phone, page = served.phone, await PhonePage.open(browser, served.url)
            await page.dial(ECHO)
            await page.handset("connected")
            await browser.playwright.close()
            closed = await phone.told("handset.closed", within_s=60)
            print(f"the handset was closed: {closed['reason']}, {closed['cause']}")
            assert [call.state for call in phone.agent.calls()] == ["active"]
            await until(lambda: not len(served.server._sessions))

    asyncio.run(run())
