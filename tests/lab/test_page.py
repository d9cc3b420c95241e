"""The lab's web page in Chromium: it shows what there is and what happens, calls, hangs up, and sets faults."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from pathlib import Path

from playwright.async_api import Page, expect

from softphone.lab import Lab, LabOptions
from softphone.lab.service_options import ServiceOptions, TenantOptions
from tests.interop.browser.chromium import chromium
from tests.lab.phone import phone, sdp
from tests.lab.sound import Rtp

PATIENCE_MS = 20_000
TENANTS = (TenantOptions("shop.lab.test", extensions=("901", "902")), TenantOptions("clinic.lab.test"))


def on_page(folder: Path, test: Callable[[Lab, Page], Awaitable[None]], *, expected: str = "") -> None:
    """`expected`: what the browser may say of in its console, besides nothing."""

    async def run() -> None:
        options = LabOptions(api_token="f00d" * 8, tenants=TENANTS, service=ServiceOptions(did_acceptance_s=None))
        async with Lab(options) as lab, chromium(folder) as browser:
            tab = await browser.open(lab.api_url, microphone=False, viewport={"width": 1280, "height": 860})
            expect.set_options(timeout=PATIENCE_MS)
            await expect(tab.page.locator("#feed")).to_have_text("live")
            await test(lab, tab.page)
            assert [text for text in tab.complaints if not expected or expected not in text] == []

    asyncio.run(run())


def test_the_page_follows_and_acts(tmp_path: Path) -> None:
    async def test(lab: Lab, page: Page) -> None:
        row = page.locator("tr[data-extension='901']").first
        await expect(row).to_contain_text("not registered")
        async with phone(lab, "901") as one, phone(lab, "902") as two, Rtp() as a, Rtp() as b:
            await one.register()
            await two.register()
            await expect(row.locator(".on")).to_have_text("registered")
            await expect(page.locator("summary").first).to_contain_text("5 extensions, 2 registered")
            await page.get_by_label("From").fill("901")
            await page.get_by_label("To", exact=True).fill("902")
            await page.get_by_role("button", name="Call").click()
            invite = await one.expect("INVITE", timeout_s=20)
            one.reply(invite, 200, body=sdp(a.port))
            await one.expect("ACK")
            theirs = await two.expect("INVITE")
            two.reply(theirs, 180)
            two.reply(theirs, 200, body=sdp(b.port))
            await two.expect("ACK")
            await expect(page.locator("#calls tr[data-state='active']")).to_contain_text("901")
            await page.get_by_label("Part").select_option("billing")
            await page.get_by_label("Kind").select_option("lost_answer")
            await expect(page.locator("#fault-text")).to_contain_text("closes the connection without saying so")
            await page.get_by_role("button", name="Set").click()
            await expect(page.locator("#faults tr")).to_contain_text("lost_answer")
            if picture := os.environ.get("LAB_SCREENSHOT"):
                await page.screenshot(path=picture)
            await page.get_by_role("button", name="Hang up 901 to 902").click()
            for each in (one, two):
                each.reply(await each.expect("BYE", timeout_s=20), 200)
            await expect(page.locator("#calls tr[data-state='finished']")).to_contain_text("killed")
            await expect(page.locator("#events")).to_contain_text("call ended")
            order = lab.service.orders.order_did(lab.tenant, "FR", "Paris", "901")
            await page.get_by_role("button", name=f"Accept order {order.id}").click()
            await expect(page.locator("#tenants")).to_contain_text("DID 33199000001")
            await page.get_by_role("button", name="Clear fault 1").click()
            await expect(page.locator("#faults tr")).to_have_count(0)
            assert lab.faults.all() == []

    on_page(tmp_path, test)


def test_a_refusal_is_told_and_nothing_becomes_markup(tmp_path: Path) -> None:
    async def test(lab: Lab, page: Page) -> None:
        await page.get_by_label("To", exact=True).fill("902")
        await page.get_by_role("button", name="Call").click()
        await expect(page.get_by_role("status")).to_have_text("extension 902 is not registered")
        lab.set_password("901", "<img src=x onerror=alert(1)>")
        lab.events.emit("garbage", transport="udp", source="x", why="<script>alert(1)</script>")
        await expect(page.locator("#events")).to_contain_text("<script>alert(1)</script>")
        await expect(page.locator("#tenants")).to_contain_text("<img src=x")
        await expect(page.locator("img")).to_have_count(0)

    on_page(tmp_path, test, expected="409")


def test_its_files_are_packaged() -> None:
    folder = Path(__file__).parents[2] / "softphone" / "lab"
    assert {each.name for each in (folder / "page").iterdir()} == {"index.html", "page.css", "page.js"}
    assert {each.name for each in (folder / "openapi").iterdir()} == {"lab.yaml", "service.yaml"}
