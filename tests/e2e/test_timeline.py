"""One timeline per call: the phone, the lab's live events and the lab's webhooks, joined."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from softphone.lab import Lab, LabOptions
from softphone.timeline.query import Query
from softphone.timeline.views import TimelineView
from tests.support.daemon import Daemon
from tests.support.pbx_side import phone_with_ears
from tests.support.phone import Phone

pytestmark = pytest.mark.e2e

SOON = {"timeline": {"grace_s": 0.5}}
Scene = Callable[[Lab, Phone], Awaitable[None]]


def play(tmp_path: Path, scene: Scene, *, options: LabOptions | None = None, **account: Any) -> None:
    async def run() -> None:
        async with (
            Lab(options or LabOptions()) as lab,
            phone_with_ears(lab, tmp_path, extensions=["901", "902"], **account) as (phone, _),
        ):
            await phone.registered(2)
            await phone.told("pbx.live_connected")
            await scene(lab, phone)

    asyncio.run(run())


async def closed(phone: Phone, call: str) -> TimelineView:
    """The timeline of a call when it is closed."""
    await phone.told("timeline.closed", call=call)
    return await phone.agent.timeline(call)


def test_all_three_sides_tell_the_same(tmp_path: Path) -> None:
    async def scene(lab: Lab, phone: Phone) -> None:
        call = await phone.connected("9196", account="901")
        await phone.told("pbx.call", state="active")
        await phone.hung_up(call)
        view = await closed(phone, call)
        assert (view.complete, view.missing, view.differences) == (True, [], [])
        (record,) = lab.calls
        assert (view.call_uuid, view.joined_by) == (record.uuid, "number")
        assert view.phone
        assert view.pbx
        assert view.cdr
        assert (view.pbx.state, view.pbx.number, view.pbx.direction) == ("finished", "9196", "out")
        sources = {entry.source for entry in view.entries}
        assert sources == {"phone", "live", "webhook", "cdr"}
        status = phone.agent.status()
        assert status.timeline
        assert (status.timeline.closed, status.timeline.complete) == (1, 1)
        assert status.live
        assert status.live.state == "connected"
        assert status.webhook
        assert (status.webhook.received, status.webhook.dropped) == (4, 0)

    play(tmp_path, scene)


def test_two_extensions_of_ours_in_one_call_have_a_timeline_each(tmp_path: Path) -> None:
    async def scene(lab: Lab, phone: Phone) -> None:
        call = await phone.connected("902", account="901")
        (incoming,) = phone.all("call.incoming")
        await phone.hung_up(call)
        out, into = await closed(phone, call), await closed(phone, incoming["call"])
        assert (out.direction, into.direction) == ("out", "in")
        assert out.call_uuid == into.call_uuid == lab.calls[0].uuid
        assert [out.complete, into.complete] == [True, True]
        assert [out.differences, into.differences] == [[], []]
        page = await phone.agent.timelines(Query(number="902"))
        assert [view.id for view in page.timelines] == [out.id]

    play(tmp_path, scene, incoming=[{"from": "*", "action": "answer"}])


@pytest.mark.parametrize("header", ["", "X-Call-UUID"])
def test_click_to_call_is_answered_bridged_and_joined_by_its_uuid(tmp_path: Path, header: str) -> None:
    async def scene(lab: Lab, phone: Phone) -> None:
        phone.agent.set_dnd("901", True)  # it was ordered, so it may disturb
        click = await phone.agent.click_to_call("9196", account="901")
        assert click.recorded
        (told,) = phone.all("pbx.click_to_call")
        assert (told["call_uuid"], told["recorded"]) == (click.call_uuid, True)
        met = await phone.told("expect.ended", expect=click.expect, reason="met")
        answered = await phone.told("call.answered", call=met["call"])
        assert answered["by"] == "local"
        await lab.wait_for("call_answered", call=click.call_uuid)
        await phone.told("pbx.call", call_uuid=click.call_uuid, state="active")
        await phone.hung_up(met["call"])
        view = await closed(phone, met["call"])
        assert (view.call_uuid, view.joined_by) == (click.call_uuid, "uuid")
        assert (view.complete, view.differences) == (True, [])
        assert view.click
        assert (view.click.destination, view.click.recorded) == ("9196", True)
        (sip_call_id,) = view.sip_call_ids
        assert (
            (await phone.agent.timeline(sip_call_id)).id == (await phone.agent.timeline(click.call_uuid)).id == view.id
        )

    play(tmp_path, scene, options=LabOptions(call_uuid_header=header))


def test_a_click_that_the_pbx_refuses_leaves_nothing_expected(tmp_path: Path) -> None:
    async def scene(lab: Lab, phone: Phone) -> None:
        from softphone.errors import Conflict, ProviderError

        with pytest.raises(ProviderError):
            await phone.agent.click_to_call("no-such-number", account="901")
        assert phone.agent.expected_calls() == []
        phone.agent.unregister("902")
        await phone.told("account.unregistered")
        with pytest.raises(Conflict, match="not registered"):
            await phone.agent.click_to_call("9196", account="902")

    play(tmp_path, scene)


def test_live_events_that_break_in_mid_call_and_come_back(tmp_path: Path) -> None:
    async def scene(lab: Lab, phone: Phone) -> None:
        call = await phone.connected("9196", account="901")
        await phone.told("pbx.call", state="active")
        assert lab.drop_live() == 1
        await phone.told("pbx.live_lost")
        await phone.told("pbx.live_connected", count=2)
        await phone.hung_up(call)
        view = await closed(phone, call)
        assert view.complete
        assert view.differences == []
        assert ["live_lost", "live_back"] == [e.what for e in view.entries if e.what.startswith("live_")]

    play(tmp_path, scene)


def test_a_call_that_ended_while_nobody_listened_is_closed_by_its_cdr(tmp_path: Path) -> None:
    async def scene(lab: Lab, phone: Phone) -> None:
        lab.fault("live", "lose")
        call = await phone.connected("9196", account="901")
        await phone.hung_up(call)
        view = await closed(phone, call)
        assert view.complete  # webhooks told the states too
        assert {entry.source for entry in view.entries} == {"phone", "webhook", "cdr"}

    play(tmp_path, scene)


def test_a_call_at_another_phone_of_the_same_extension_never_came_here(tmp_path: Path) -> None:
    async def run() -> None:
        async with (
            Lab() as lab,
            phone_with_ears(lab, tmp_path / "ears", extensions=["901"], register=False, sections=SOON) as (phone, _),
            Daemon(tmp_path, lab.agent_config(["901", "902"], incoming=[{"from": "*", "action": "answer"}])) as other,
        ):
            await phone.told("pbx.live_connected")
            await other.told("account.registered", count=2)
            call = await other.dial("901", account="902")
            told = await phone.told("timeline.difference")
            assert (told["kind"], told["call"], told["account"]) == ("never_here", "", f"901@{lab.domain}")
            await other.hang_up(call)

    asyncio.run(run())


def test_a_damaged_file_is_told_of_and_stops_no_call(tmp_path: Path) -> None:
    (tmp_path / "timeline.sqlite").write_bytes(b"no database " * 1000)

    async def scene(lab: Lab, phone: Phone) -> None:
        await phone.told("timeline.store_failed")
        call = await phone.connected("9196", account="901")
        await phone.hung_up(call)
        assert (await closed(phone, call)).complete
        assert any("damaged" in problem for problem in phone.agent.status().problems)

    play(tmp_path, scene)


def test_the_file_is_an_ordinary_database(tmp_path: Path) -> None:
    async def scene(lab: Lab, phone: Phone) -> None:
        call = await phone.connected("9196", account="901")
        await phone.hung_up(call)
        await closed(phone, call)

    play(tmp_path, scene)
    base = sqlite3.connect(tmp_path / "timeline.sqlite")
    assert base.execute("SELECT number, state, complete FROM timelines").fetchall() == [("9196", "closed", 1)]
    base.close()
