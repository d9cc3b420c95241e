"""Webhooks, timelines and credentials in the daemon as it is installed, and what a crash leaves of them."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path
from typing import Any

import httpx
import pytest

from softphone.lab import Lab
from softphone.lab.service_options import WebhookOptions
from tests.cli.shell import softphone
from tests.support.daemon import Daemon
from tests.support.pbx_side import SECRET, hearing

pytestmark = pytest.mark.e2e

TOKEN = "credentials-token-of-the-test"


def settings(lab: Lab, folder: Path) -> dict[str, Any]:
    (folder / "token").write_text(TOKEN)
    (folder / "token").chmod(0o600)
    credentials = {"listen": "127.0.0.1:0", "token": {"file": str(folder / "token")}, "extensions": ["901"]}
    return hearing(
        lab,
        folder,
        extensions=["901"],
        sections={"sip_credentials": credentials, "timeline": {"grace_s": 1.0, "settle_s": 2.0}},
    )


async def posts_to(daemon: Daemon, lab: Lab) -> str:
    """Where its receiver listens; the lab is told."""
    port = (await daemon.get("/v1/status"))["webhook"]["port"]
    url = f"http://127.0.0.1:{port}/webhooks/calls"
    lab.tenant.webhook = WebhookOptions(url=url, headers={"Authorization": SECRET}, retry_s=0.1)
    return url


def test_a_crash_in_mid_call_loses_no_webhook_and_no_timeline(tmp_path: Path) -> None:
    async def run() -> None:
        async with Lab() as lab, Daemon(tmp_path, settings(lab, tmp_path)) as daemon:
            await daemon.told("account.registered")
            await daemon.told("pbx.live_connected")
            url = await posts_to(daemon, lab)
            first = await daemon.dial("9196")
            await daemon.told("pbx.webhook_call", state="active")
            await daemon.hang_up(first)
            await daemon.told("timeline.closed", call=first)
            second = await daemon.dial("9196")
            await daemon.told("pbx.webhook_call", state="active", count=2)
            assert (await daemon.get(f"/v1/timeline/{second}"))["phone"]["state"] == "active"  # it is on disk by now
            stranger = {"event": "cdr", "callUuid": "late", "direction": "inbound", "number": "12", "duration": 3}
            async with httpx.AsyncClient(trust_env=False) as pbx:
                assert (await pbx.post(url, json=stranger, headers={"Authorization": SECRET})).status_code == 200
            daemon.signal(signal.SIGKILL)
            await daemon.ended()
            daemon.events.clear()
            daemon.notices.clear()
            await daemon.start()
            await daemon.ready()
            await daemon.told("timeline.closed", call=second)
            found = {view["call"]: view for view in (await daemon.get("/v1/timeline"))["timelines"]}
            assert found.keys() == {first, second, ""}
            assert (found[first]["complete"], found[first]["differences"]) == (True, [])
            assert found[second]["phone"]["end_reason"] == "lost"
            assert found[""]["call_uuid"] == "late"
            told = daemon.all("pbx.cdr", call_uuid="late")
            assert [event["replayed"] for event in told] in ([], [True])
            drawn = await asyncio.to_thread(softphone, "timeline", first, socket=daemon.socket)
            assert "the PBX has the call as active" in drawn.out

    asyncio.run(run())


def test_the_page_s_backend_gets_its_credentials_and_nobody_sees_them(tmp_path: Path) -> None:
    async def run() -> None:
        async with Lab() as lab, Daemon(tmp_path, settings(lab, tmp_path)) as daemon:
            await daemon.told("account.registered")
            listeners = {each["name"]: each["url"] for each in (await daemon.get("/v1/status"))["listeners"]}
            url = listeners["sip_credentials"]
            async with httpx.AsyncClient(trust_env=False) as backend:
                reply = await backend.get(url, headers={"Authorization": f"Bearer {TOKEN}"})
                extension = lab.extension("901")
                assert reply.json() == {
                    "extension": "901",
                    "password": extension.password,
                    "user_context": lab.domain,
                }
                assert (await backend.get(url)).status_code == 401
            told = [str(daemon.events), str(await daemon.get("/v1/status")), str(await daemon.get("/v1/accounts"))]
            assert all(extension.password not in text and TOKEN not in text for text in (*told, daemon.log))

    asyncio.run(run())
