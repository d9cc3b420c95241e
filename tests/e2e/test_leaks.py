"""What calls leave behind in Python: nothing. And the loop: never held for long while they run."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections import Counter
from pathlib import Path
from typing import Any

import pjsua2 as pj
import pytest

from softphone.engine.call import Call
from softphone.engine.digits import DigitSender
from softphone.engine.sounds import Sounds
from softphone.lab import Lab
from softphone.media.player import Player
from softphone.media.recorder import Recorder
from softphone.stacks.pjsip import graveyard
from softphone.stacks.pjsip.account import PjAccount
from softphone.stacks.pjsip.leg import PjLeg
from softphone.stacks.pjsip.mixer_port import BridgePort
from softphone.stacks.pjsip.native_call import NativeCall
from tests.e2e.test_soak import silence
from tests.support.loopwatch import watched
from tests.support.phone import Phone, running
from tests.support.until import until

KINDS = (Call, PjLeg, NativeCall, DigitSender, Sounds, Player, Recorder, BridgePort)


def alive() -> Counter[str]:
    """Objects of ours that belong to calls, by kind."""
    gc.collect()
    return Counter(type(found).__name__ for found in gc.get_objects() if isinstance(found, KINDS))


def native_ports() -> int:
    return int(pj.Endpoint.instance().mediaActivePorts())


def tasks() -> int:
    return len(asyncio.all_tasks())


async def every_kind_of_call(lab: Lab, phone: Phone, sound: Path) -> None:
    """Out and in, answered, refused, cancelled, unanswered; with sounds, recordings, digits and a moved route."""
    agent = phone.agent
    call = await phone.connected("9196", account="901")
    await agent.play(call, str(sound), loop=True)
    await agent.record(call, "stereo.wav", mode="stereo", overwrite=True)
    agent.send_digits(call, "12")
    await phone.told("call.digits_sent", call=call)
    await phone.hung_up(call)

    out = agent.dial("902", account="901")
    incoming = await phone.told("call.incoming", count=1 + len(phone.all("call.incoming")))
    agent.answer(incoming["call"])
    await phone.told("call.media", call=incoming["call"], active=True)
    await agent.record(incoming["call"], "mono.wav", overwrite=True)
    agent.hang_up(out.id)
    await phone.told("call.ended", call=incoming["call"])

    for target in ("9486", "9404"):
        await phone.told("call.ended", call=agent.dial(target, account="901").id)
    given_up = agent.dial("9480", account="901")
    await phone.told("call.progress", call=given_up.id)
    await phone.hung_up(given_up.id)
    late = await phone.connected("9195", account="902")
    await phone.told("call.ended", call=late)
    await phone.told("record.ended", count=len(phone.all("record.started")))


def test_calls_leave_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(graveyard, "KEPT_S", 0.2)
    sound = silence(tmp_path / "quiet.wav")

    async def play() -> None:
        async with Lab() as lab, running(lab.agent_config(["901", "902"]), tmp_path) as phone:
            await phone.registered(2)
            before, ports, running_tasks = alive(), native_ports(), tasks()
            call = await phone.connected("9196", account="901")
            assert {"Call", "PjLeg", "NativeCall", "BridgePort"} <= set(alive() - before)
            await phone.hung_up(call)
            for _ in range(3):
                await every_kind_of_call(lab, phone, sound)
            assert len(phone.agent.calls()) == 0
            await until(lambda: tasks() <= running_tasks)
            await until(lambda: native_ports() <= ports)
            await until(lambda: alive() - before == Counter())
            ended = phone.agent.call(phone.all("call.ended")[0]["call"])
            assert (ended.state, ended.plays, ended.records) == ("ended", [], [])

    asyncio.run(play())


def test_an_agent_that_stopped_leaves_nothing_behind(tmp_path: Path) -> None:
    """Stopped in the middle of calls."""
    sound = silence(tmp_path / "quiet.wav")
    seen: list[weakref.ref[Any]] = []

    async def play() -> None:
        async with Lab() as lab, running(lab.agent_config(["901", "902"]), tmp_path) as phone:
            await phone.registered(2)
            call = await phone.connected("9196", account="901")
            await phone.agent.play(call, str(sound), loop=True)
            await phone.agent.record(call, "mono.wav")
            phone.agent.dial("902", account="901")
            await phone.told("call.incoming")
            seen.append(weakref.ref(phone.agent))

    before = alive()
    asyncio.run(play())
    assert alive() - before == Counter()
    assert [ref() for ref in seen] == [None]
    assert not [found for found in gc.get_objects() if isinstance(found, PjAccount)]


def test_no_callback_holds_the_loop(tmp_path: Path) -> None:
    """50 ms are two and a half packets; the lab runs in the same loop and is measured with it."""
    sound = silence(tmp_path / "quiet.wav")

    async def play() -> None:
        async with Lab() as lab, running(lab.agent_config(["901", "902"]), tmp_path) as phone:
            await phone.registered(2)
            await every_kind_of_call(lab, phone, sound)  # what is loaded at the first use
            with watched() as held:
                await every_kind_of_call(lab, phone, sound)
                await phone.agent.refresh_provider()
                phone.agent.status()
            print(f"\nlongest of {held.count} callbacks: {held.longest_s * 1000:.1f} ms")
            assert held.count > 100
            assert held.late == []

    asyncio.run(play())
