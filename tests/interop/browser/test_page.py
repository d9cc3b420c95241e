"""The phone's own page in Chromium: every button and key, several tabs, and what it says when something is wrong."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.async_api import expect

from softphone.config.secrets import Secret
from softphone.config.web import Web
from softphone.web import WebServer
from tests.interop.browser.chromium import Browser, chromium, open_tab
from tests.interop.browser.phone_page import PhonePage, Stage, stage_for
from tests.support.page import TOKEN, Served

ECHO, READ_BACK = "9196", "9199"


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with stage_for(tmp_path_factory.mktemp("page")) as stage:
        yield stage


def test_every_button_of_a_call_does_what_it_says(stage: Stage) -> None:
    async def scene(served: Served, browser: Browser) -> None:
        phone, since = served.phone, len(list(served.lab.events))
        page = await PhonePage.open(browser, served.url, sound="phone")
        for key in "9196":
            await page.button(key).click()
        await page.press("Call")
        await page.shows("connected")
        call = (await phone.told("call.answered"))["call"]

        await page.press("Hold")
        await page.shows("on hold")
        assert (await phone.told("call.hold", call=call, held=True))["by"] == "local"
        await page.press("Resume")
        await page.shows("connected")
        await page.press("Mute")
        await phone.told("call.muted", call=call, muted=True)
        await page.press("Unmute")
        await phone.told("call.muted", call=call, muted=False)

        for key in ("1", "star", "hash"):
            await page.button(key).click()
        await served.lab.wait_for("digit", count=3, since=since)
        typed = [event for event in served.lab.events if event.name == "digit" and event.sequence > since]
        assert [event["digit"] for event in typed] == ["1", "*", "#"]

        await page.press("Transfer")
        await page.page.get_by_label("To a number").fill("902")
        await page.page.locator("form.transfer").get_by_role("button", name="Transfer").click()
        await page.press("Answer")  # 902 is this phone as well
        done = await phone.told("call.transfer", call=call, state="done")
        assert done["target"] == f"sip:902@{served.lab.domain}"
        await phone.told("call.ended", call=call)
        await page.shows("connected")
        await page.call().get_by_role("button", name="Hang up").click()
        await page.no_calls()

        await page.dial(ECHO)
        await page.press("Hang up")
        await phone.told("call.ended", by="local", reason="local_hangup")
        await page.no_calls()
        assert page.tab.complaints == []

    stage.play(scene)


def test_a_caller_is_answered_or_refused_and_two_calls_are_connected(stage: Stage) -> None:
    async def scene(served: Served, browser: Browser) -> None:
        phone = served.phone
        page = await PhonePage.open(browser, served.url, sound="phone")
        # 902 is this phone too: each call shows from both of its ends
        await page.page.locator("#dial-account").select_option("901@pbx.lab.test")
        await page.page.get_by_label("Number, extension or SIP address").fill("902")
        await page.press("Call")
        await page.press("Refuse")
        await phone.told("call.ended", count=2)
        await page.no_calls()

        await page.page.get_by_label("Number, extension or SIP address").fill("902")
        await page.press("Call")
        await page.press("Answer")
        await phone.told("call.answered", count=2)
        await page.dial(ECHO)
        caller = page.page.locator("#calls > li:not(.ended)", has_text="as 901@").nth(1)
        await caller.get_by_role("button", name="Transfer").first.click()
        await caller.locator(".transfer-call").select_option(label=ECHO)
        await caller.get_by_role("button", name="Connect the two").click()
        done = await phone.told("call.transfer", state="done")
        assert done["consulted"] == (await phone.told("call.dialing", target=f"sip:{ECHO}@{served.lab.domain}"))["call"]
        await served.lab.wait_for("call_transferred", how="attended")

    stage.play(scene)


def test_the_whole_page_works_by_keys(stage: Stage) -> None:
    async def scene(served: Served, browser: Browser) -> None:
        phone, page = served.phone, await PhonePage.open(browser, served.url, sound="phone")
        keys = page.page.keyboard
        await keys.press("/")
        await keys.type(READ_BACK)
        await keys.press("Enter")
        await page.shows("connected")
        await page.call().focus()
        for key in "42#":
            await keys.press(key)
        assert (await served.lab.wait_for("digits"))["digits"] == "42"
        await keys.press("h")
        await page.shows("on hold")
        await keys.press("h")
        await page.shows("connected")
        await keys.press("m")
        await expect(page.button("Unmute")).to_have_attribute("aria-pressed", "true")
        await keys.press("t")
        await expect(page.page.get_by_label("To a number")).to_be_focused()
        await keys.press("Escape")
        await expect(page.button("Transfer")).to_be_focused()
        await keys.press("?")
        await expect(page.page.get_by_role("dialog", name="Keys")).to_be_visible()
        await keys.press("Escape")
        await keys.press("x")
        await phone.told("call.ended")
        await page.no_calls()

        await page.page.locator("#theme").focus()
        seen = []
        for _ in range(25):
            seen.append(await page.page.evaluate("document.activeElement.id || document.activeElement.dataset.key"))
            await keys.press("Tab")
        wanted = [
            "theme",
            "help-open",
            "logout",
            "number",
            "1",
            "#",
            "dial-account",
            "dial",
            "microphone",
            "speaker",
        ]
        assert [each for each in seen if each in wanted] == wanted

    stage.play(scene)


def test_several_tabs_show_the_same_and_each_stays_in_step(stage: Stage) -> None:
    async def scene(served: Served, browser: Browser) -> None:
        one = await PhonePage.open(browser, served.url, sound="phone")
        # of the same profile: the session is shared, and nobody is asked for the token
        two = PhonePage(await open_tab(one.page.context, served.url))
        await one.dial(ECHO)
        await two.shows("connected")
        await two.press("Hold")
        await one.shows("on hold")
        await one.page.locator('#accounts li[data-account="902@pbx.lab.test"]').get_by_role("button").click()
        await served.phone.told("account.dnd", account="902@pbx.lab.test", on=True)
        pressed = two.page.locator('#accounts li[data-account="902@pbx.lab.test"]').get_by_role("button")
        await expect(pressed).to_have_attribute("aria-pressed", "true")
        await two.press("Log out")
        await expect(two.page.get_by_label("Token")).to_be_visible()
        await one.press("Hang up")
        await one.no_calls()

    stage.play(scene)


def test_it_fits_a_phones_screen(stage: Stage) -> None:
    async def scene(served: Served, browser: Browser) -> None:
        size = {"width": 375, "height": 812}
        page = await PhonePage.open(browser, served.url, sound="phone", viewport=size, has_touch=True)
        await page.dial(ECHO)
        await page.press("Transfer")
        assert await page.page.evaluate("document.documentElement.scrollWidth") <= 375
        small = await page.page.evaluate(
            "[...document.querySelectorAll('#phone button, #phone select')].filter((e) => e.offsetParent"
            " && !e.closest('#accounts') && e.offsetHeight < 40).map((e) => e.textContent)"
        )
        assert small == []

    stage.play(scene)


# ---- who may not come in


def test_a_page_of_another_origin_gets_nothing(stage: Stage) -> None:
    async def scene(served: Served, browser: Browser) -> None:
        good = await PhonePage.open(browser, served.url)
        evil = f"https://localhost:{served.url.rstrip('/').rpartition(':')[2]}/evil.html"
        page = "<!doctype html><title>evil</title>"
        tab = await open_tab(good.page.context, evil, {evil: ("text/html", page)})
        outcome = await tab.page.evaluate(
            """async (url) => {
              const socket = new WebSocket(url.replace("https", "wss") + "v1/ws", "softphone.v1");
              const opened = await new Promise((done) => {
                socket.onopen = () => done(true);
                socket.onerror = () => done(false);
              });
              const asked = fetch(url + "v1/session", { credentials: "include" });
              const read = await asked.then(() => true, () => false);
              const sent = fetch(url + "v1/login", { method: "POST", mode: "no-cors", body: "{}" });
              return { opened, read, answered: await sent.then(() => true, () => false) };
            }""",
            served.url,
        )
        assert outcome == {"opened": False, "read": False, "answered": False}

    stage.play(scene)


# ---- when something is wrong


def test_a_phone_that_goes_away_is_told_of_and_comes_back_by_itself(stage: Stage) -> None:
    async def scene(served: Served, browser: Browser) -> None:
        page = await PhonePage.open(browser, served.url, sound="phone")
        await page.dial(ECHO)
        port = int(served.url.rstrip("/").rpartition(":")[2])
        await served.server.stop()
        await page.notice("The phone does not answer.")
        await expect(page.page.locator("#link")).to_have_text("no connection")
        token = served.server._web.token
        served.server = WebServer(served.phone.agent, Web(token=token, port=port), served.folder / "web")
        await served.server.start()
        await expect(page.page.locator("#link")).to_have_text("connected", timeout=20_000)
        await expect(page.page.locator(".notice")).to_have_count(0)
        await page.shows("connected")
        await page.press("Hang up")
        await page.no_calls()

    stage.play(scene)


def test_a_wrong_token_and_a_missing_microphone_are_explained(stage: Stage, tmp_path: Path) -> None:
    async def scene(served: Served, browser: Browser) -> None:
        async with chromium(tmp_path, trust=[served.certificate]) as mute:
            await wrong_token_then_no_microphone(served, await PhonePage.open(mute, served.url, log_in=False))

    stage.play(scene)


async def wrong_token_then_no_microphone(served: Served, page: PhonePage) -> None:
    await page.page.get_by_label("Token").fill("a wrong token of good length")
    for _ in range(5):
        async with page.page.expect_response("**/v1/login"):
            await page.press("Log in")
    await expect(page.page.get_by_role("alert")).to_contain_text("This access token is wrong")
    await page.press("Log in")
    await expect(page.page.get_by_role("alert")).to_contain_text("wait")
    served.server._access._wrong.clear()
    await page.log_in()
    await page.press("Try the microphone")
    await page.notice("There is no microphone.")


def test_a_forbidden_microphone_is_explained(stage: Stage, tmp_path: Path) -> None:
    async def scene(served: Served, browser: Browser) -> None:
        page = await PhonePage.open(browser, served.url, microphone=False)
        await page.press("Try the microphone")
        notice = await page.notice("The browser may not use the microphone.")
        await page.page.context.grant_permissions(["microphone"])
        await notice.get_by_role("button", name="Try again").click()
        await page.notice("The microphone works")

    stage.play(scene)


def test_a_page_that_is_not_safe_is_explained(stage: Stage, tmp_path: Path) -> None:
    async def scene(served: Served, browser: Browser) -> None:
        plain = WebServer(served.phone.agent, Web(token=Secret(TOKEN), port=0, tls=False), tmp_path)
        await plain.start()
        try:
            page = await PhonePage.open(browser, plain.view().url.replace("127.0.0.1", "phone.test"))
            await page.notice("Browsers give a microphone to safe pages only.")
        finally:
            await plain.stop()

    stage.play(scene)
