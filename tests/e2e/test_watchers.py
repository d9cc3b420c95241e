"""Calls whose media dies, and limits on how long they ring and last, against the lab."""

from __future__ import annotations

from typing import Any

import pytest

from softphone.errors import UsageError
from softphone.lab import Lab
from tests.support.phone import Phone

SILENCE = "9198"
ECHO = "9196"
RINGS = "9480"


def test_a_call_without_any_media_is_told_of_and_ended(act: Any) -> None:
    async def scene(lab: Lab, phone: Phone) -> None:
        call = await phone.connected(SILENCE, account="901")
        told = await phone.told("call.media_silent", call=call)
        assert (told["silent"], told["reports"]) == (True, False)
        assert told["silent_s"] >= 1
        ended = await phone.told("call.ended", call=call)
        assert (ended["reason"], ended["by"], ended["phase"]) == ("media_timeout", "local", "active")
        assert ended["cause"] == "no sound arrived for too long"
        assert ended["duration_s"] >= 3

    act(scene, calls={"media_silent_s": 1, "media_timeout_s": 3})


def test_a_held_call_is_left_alone_and_watched_again_when_it_is_resumed(act: Any) -> None:
    async def scene(lab: Lab, phone: Phone) -> None:
        call = await phone.connected(SILENCE, account="901")
        phone.agent.hold(call)
        await phone.told("call.hold", call=call, by="local", held=True)
        other = await phone.connected(SILENCE, account="902")  # not held: its end measures the time
        ended = await phone.told("call.ended", call=other)
        assert ended["reason"] == "media_timeout"
        assert phone.agent.call(call).state == "active"
        assert phone.all("call.media_silent", call=call) == []
        phone.agent.resume(call)
        await phone.told("call.hold", call=call, by="local", held=False)
        ended = await phone.told("call.ended", call=call)
        assert ended["reason"] == "media_timeout"

    act(scene, calls={"media_silent_s": 1, "media_timeout_s": 2})


def test_an_account_may_wait_longer_than_others(act: Any) -> None:
    async def scene(lab: Lab, phone: Phone) -> None:
        call = await phone.connected(SILENCE, account="901")
        await phone.told("call.media_silent", call=call)
        ended = await phone.told("call.ended", call=call)
        assert ended["reason"] == "max_duration"

    act(scene, calls={"media_silent_s": 1, "media_timeout_s": 1}, limits={"media_timeout_s": 0, "max_duration_s": 3})


def test_the_longest_call_by_configuration_and_by_the_caller(act: Any) -> None:
    async def scene(lab: Lab, phone: Phone) -> None:
        short = await phone.connected(ECHO, account="901", max_duration_s=1)
        configured = await phone.connected(ECHO, account="901")
        endless = await phone.connected(ECHO, account="902", max_duration_s=0)
        for call in (short, configured):
            ended = await phone.told("call.ended", call=call)
            assert (ended["reason"], ended["by"], ended["cause"]) == (
                "max_duration",
                "local",
                "the longest allowed call was reached",
            )
        assert phone.all("call.ended")[0]["call"] == short
        assert phone.agent.call(endless).state == "active"
        with pytest.raises(UsageError, match="max_duration_s"):
            phone.agent.dial(ECHO, account="901", max_duration_s=-1)

    act(scene, calls={"max_duration_s": 2})


def test_an_account_gives_up_ringing_sooner(act: Any) -> None:
    async def scene(lab: Lab, phone: Phone) -> None:
        call = phone.agent.dial(RINGS, account="901")
        ended = await phone.told("call.ended", call=call.id, within_s=10)
        assert (ended["reason"], ended["by"]) == ("ring_timeout", "local")

    act(scene, limits={"ring_timeout_s": 0.5})


def test_nobody_answers_an_incoming_call(act: Any) -> None:
    async def scene(lab: Lab, phone: Phone) -> None:
        out = phone.agent.dial("902", account="901")
        came = await phone.told("call.incoming")
        ended = await phone.told("call.ended", call=came["call"])
        assert (ended["reason"], ended["by"]) == ("ring_timeout", "local")
        ended = await phone.told("call.ended", call=out.id)
        assert (ended["reason"], ended["code"]) == ("no_answer", 480)

    act(scene, limits={"answer_timeout_s": 0.5})
