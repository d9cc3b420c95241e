"""Digits as sound, and digits put together, between two phones of ours through the lab."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from softphone.engine.collecting import CollectPlan
from softphone.lab import Lab
from softphone.media.dtmf import DIGITS
from softphone.testing.audio import tone, write_wav
from tests.e2e.conftest import OVER
from tests.support.phone import Phone

pytestmark = OVER

ANSWER = {"incoming": [{"from": "*", "action": "answer"}]}


async def two(phone: Phone) -> tuple[str, str]:
    """A call from 901 to 902: both legs' ids."""
    caller = await phone.connected("902", account="901")
    called = (await phone.told("call.incoming"))["call"]
    await phone.told("call.media", call=called, active=True)
    return caller, called


@pytest.mark.parametrize("codec", ["pcmu", "g722", "opus"])
def test_all_digits_as_sound(act: Callable[..., None], codec: str) -> None:
    async def scene(pbx: Lab, phone: Phone) -> None:
        caller, called = await two(phone)
        phone.agent.send_digits(caller, DIGITS, method="inband", duration_ms=80, pause_ms=60)
        sent = await phone.told("call.digits_sent", call=caller)
        assert (sent["digits"], sent["method"]) == (DIGITS, "inband")
        await phone.told("call.digit", call=called, count=len(DIGITS))
        heard = phone.all("call.digit", call=called)
        assert "".join(e["digit"] for e in heard) == DIGITS
        assert {e["method"] for e in heard} == {"inband"}
        assert all(40 <= e["duration_ms"] <= 120 for e in heard)

    act(scene, dtmf_detect="on", codecs=[codec], **ANSWER)


def test_where_the_far_end_knows_events_sound_is_not_searched(act: Callable[..., None]) -> None:
    async def scene(pbx: Lab, phone: Phone) -> None:
        caller, called = await two(phone)
        phone.agent.send_digits(caller, "12", method="inband")
        phone.agent.send_digits(caller, "#")
        await phone.told("call.digits_sent", call=caller, count=2)
        assert phone.all("call.digits_sent")[1]["method"] == "rfc4733"
        last = await phone.told("call.digit", call=called)
        assert (last["digit"], last["method"]) == ("#", "rfc4733")
        assert last["duration_ms"] == pytest.approx(160, abs=60)

    act(scene, **ANSWER)


def test_digits_are_collected_and_silence_the_prompt(act: Callable[..., None], tmp_path: Path) -> None:
    prompt = tmp_path / "prompt.wav"
    write_wav(prompt, tone(440, 30))

    async def scene(pbx: Lab, phone: Phone) -> None:
        caller, called = await two(phone)
        await phone.agent.play(called, str(prompt))
        result = asyncio.ensure_future(phone.agent.collect(called, max_digits=8, stop_plays=True))
        await phone.told("digits.collecting", call=called)
        phone.agent.send_digits(caller, "47#", duration_ms=60, pause_ms=40)
        async with asyncio.timeout(20):
            collected = await result
        assert (collected.digits, collected.reason, collected.terminator) == ("47", "terminator", "#")
        assert (await phone.told("play.ended", call=called))["reason"] == "stopped"
        assert (await phone.told("digits.collected", call=called))["digits"] == "47"
        waiting = phone.agent.start_collect(called, CollectPlan(max_digits=5))
        await phone.hung_up(caller)
        over = await phone.told("digits.collected", collect=waiting.id)
        assert over["reason"] == "call_ended"

    act(scene, **ANSWER)
