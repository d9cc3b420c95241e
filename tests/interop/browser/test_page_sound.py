"""Chromium as the handset of calls: what is said into it comes back from the echo, wherever the sound is moved."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest
from playwright.async_api import expect

from softphone.testing.audio import Sound, find_parts, read_wav, silence_share
from tests.interop.browser.chromium import Browser, open_tab
from tests.interop.browser.phone_page import VOICE, PhonePage, Stage, stage_for
from tests.support.page import Served
from tests.support.pulse import SoundSystem
from tests.support.until import until

ECHO = "9196"
# Of its parts: the jitter buffer of a browser stretches some, more of them on a busy machine. Of a sound that somebody
# else made, not a single one is found.
MOST = 0.25
TRIES = 5
US = 1


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with stage_for(tmp_path_factory.mktemp("page")) as stage:
        yield stage


async def hears(who: str, listen: Callable[[], Awaitable[Sound]]) -> None:
    """Listens until the voice is there. Where the machine is busy with other things, a browser stumbles at first."""
    for left in reversed(range(TRIES)):
        recording = await listen()
        # by parts: the microphone's file begins anew after its end, and a jitter buffer stretches
        parts = find_parts(VOICE, recording, part_s=0.25)
        found = [part.score for part in parts if part.heard]
        share, score = len(found) / len(parts), sum(found) / len(found) if found else 0.0
        print(f"{who}: correlation {score:.3f} in {share:.0%} of its parts")
        if share >= MOST:
            return
        assert left, f"{who}: {parts}"


def test_the_echo_is_heard_in_the_browser_and_again_after_the_tab_was_loaded_anew(stage: Stage, tmp_path: Path) -> None:
    async def scene(served: Served, browser: Browser) -> None:
        phone, page = served.phone, await PhonePage.open(browser, served.url)
        await page.dial(ECHO)
        await page.handset("connected")
        call = (await phone.told("call.answered"))["call"]
        (first,) = phone.agent.handsets()
        assert first.calls == {call: "talk"}
        await hears("the browser hears itself from the echo", lambda: page.tab.hears(3.5))
        for meter in ("Microphone level", "Loudspeaker level", "Their level", "Our level"):
            level = page.page.get_by_role("meter", name=meter)
            await expect(level).not_to_have_attribute("aria-valuenow", "-60", timeout=10_000)
        await expect(page.call().locator(".figures")).to_have_text(
            re.compile(r"MOS \d\.\d · loss \d+\.\d % · jitter \d+ ms"), timeout=10_000
        )

        await page.page.reload()
        await page.shows("connected")
        await phone.told("handset.closed", handset=first.id)
        second = (await phone.told("handset.attached", call=call, mode="talk", count=2))["handset"]
        assert second != first.id
        await page.handset("connected")
        await hears("the browser hears the echo after the reload", lambda: page.tab.hears(3.5))

        await page.press("Hang up")
        await phone.told("handset.closed", handset=second)  # some seconds after its last call
        await page.handset("not in use")
        assert page.tab.complaints == []

    stage.play(scene)


def test_the_sound_of_a_call_moves_there_and_back_and_modes_are_kept(stage: Stage, tmp_path: Path) -> None:
    async def scene(served: Served, browser: Browser) -> None:
        phone, one = served.phone, await PhonePage.open(browser, served.url, sound="phone")
        await one.dial(ECHO)
        call = (await phone.told("call.answered"))["call"]
        await one.sound_of_call("This browser")
        mine = (await phone.told("handset.attached", call=call, mode="talk"))["handset"]
        await one.handset("connected")
        await hears("the browser hears the call that was moved to it", lambda: one.tab.hears(3.5))

        two = PhonePage(await open_tab(one.page.context, served.url))
        await two.sound_of_call("This browser")
        other = (await phone.told("handset.attached", call=call, mode="talk", count=2))["handset"]
        await expect(one.call().locator(".figures")).to_contain_text("talks")
        await two.call().get_by_label("How I take part").select_option("listen")
        await phone.told("handset.attached", call=call, handset=other, mode="listen")
        await two.handset("connected")
        await two.call().get_by_label("How I take part").select_option("whisper")
        await phone.told("handset.attached", call=call, handset=other, mode="whisper")

        await one.sound_of_call("Nowhere")
        await phone.told("handset.detached", call=call, handset=mine, reason="asked")
        assert silence_share(await said(served.phone.agent, call, tmp_path)) > 0.9, "a whisper reached the far end"
        await two.call().focus()
        await two.page.keyboard.press("s")
        await phone.told("handset.detached", call=call, handset=other, reason="asked")
        await expect(two.call().locator(".route")).to_have_value("null")
        await two.page.keyboard.press("s")
        await phone.told("handset.attached", call=call, handset=other, mode="talk", count=2)
        await hears("the far end hears the second browser", lambda: said(served.phone.agent, call, tmp_path))

    stage.play(scene)


async def said(agent: object, call: str, folder: Path, seconds: float = 2.5) -> Sound:
    """What our side sends to the far end."""
    file = folder / f"said-{len(list(folder.glob('said-*')))}.wav"
    await agent.record(call, str(file), mode="stereo")  # type: ignore[attr-defined]
    await asyncio.sleep(seconds)
    await agent.stop_record(call)  # type: ignore[attr-defined]
    return read_wav(file, US)


def test_the_sound_moves_from_the_sound_card_to_the_browser_and_back(
    stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scene(served: Served, browser: Browser) -> None:
        phone, page = served.phone, await PhonePage.open(browser, served.url, sound="phone")
        await page.dial(ECHO)
        call = (await phone.told("call.answered"))["call"]
        await page.sound_of_call("Sound card: Desk, both directions")
        await until(lambda: phone.agent.call(call).sound.device == "open")
        await page.sound_of_call("This browser")
        await page.handset("connected")
        await until(lambda: phone.agent.call(call).audio.route == "null")
        await hears("the browser hears the call of the sound card", lambda: page.tab.hears(3.5))
        await page.call().focus()
        await page.page.keyboard.press("s")
        await phone.told("handset.detached", call=call, reason="asked")
        await until(lambda: phone.agent.call(call).audio.output == "desk")
        await page.sound_of_call("This browser, beside the sound card")
        await phone.told("handset.attached", call=call, count=2)
        assert phone.agent.call(call).audio.route == "device"

    with SoundSystem(tmp_path / "sound") as sound:
        sound.configure(monkeypatch)
        stage.play(scene)


def test_a_sound_connection_that_breaks_is_told_of_and_made_anew(stage: Stage) -> None:
    async def scene(served: Served, browser: Browser) -> None:
        phone, page = served.phone, await PhonePage.open(browser, served.url)
        await page.dial(ECHO)
        await page.handset("connected")
        (first,) = phone.agent.handsets()
        # as if no packet had come for half a minute
        phone.agent._handsets.closed(first.id, "lost", "a test")  # type: ignore[union-attr]
        await page.notice("The sound connection to the phone broke.")
        await phone.told("handset.attached", mode="talk", count=2)
        await page.handset("connected")
        await expect(page.page.locator(".notice")).to_have_count(0)

    stage.play(scene)


def test_a_caller_is_answered_in_the_browser_without_a_microphone_and_it_is_heard_once_there_is_one(
    stage: Stage, tmp_path: Path
) -> None:
    async def scene(served: Served, browser: Browser) -> None:
        phone, page = served.phone, await PhonePage.open(browser, served.url, microphone=False)
        await page.dial(ECHO)
        await page.notice("The browser may not use the microphone.")
        await page.handset("hears only")
        call = (await phone.told("call.answered"))["call"]
        await page.page.context.grant_permissions(["microphone"])
        await page.press("Try again")
        await page.handset("connected")
        await hears("the far end hears the browser", lambda: said(phone.agent, call, tmp_path))

    stage.play(scene)
