"""Click-to-call. On a real account a phone rings, so the environment has to name whose."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import Any

import pytest

from softphone.errors import SourceRefused, SwitchRefused
from softphone.kavkom import CallState, Connected, LiveCalls, PbxApi
from tests.contract.account import Account, run

pytestmark = pytest.mark.contract("call")


def test_a_source_that_does_not_exist(account: Account) -> None:
    async def call() -> None:
        async with PbxApi.of(account.provider) as pbx:
            await pbx.call("000000", "000001")

    with pytest.raises(SourceRefused):
        run(call())


def test_a_call_that_does_not_exist_cannot_be_hung_up(account: Account) -> None:
    async def kill() -> None:
        async with PbxApi.of(account.provider) as pbx:
            await pbx.kill("00000000-0000-4000-8000-000000000000")

    with pytest.raises(SwitchRefused):
        run(kill())


@pytest.mark.contract("live")
def test_a_call_is_started_told_of_and_hung_up(account: Account) -> None:
    assert account.switches.call is not None
    source, destination = account.switches.call

    async def call() -> tuple[Any, list[CallState]]:
        told: list[CallState] = []
        async with AsyncExitStack() as stack:
            pbx = await stack.enter_async_context(PbxApi.of(account.provider))
            live = await stack.enter_async_context(LiveCalls.of(account.provider, [source]))
            items = aiter(live)
            assert isinstance(await anext(items), Connected)
            await stack.enter_async_context(account.phone_of_the_source())
            started = await pbx.call(source, destination, auto_answer=True)
            async with asyncio.timeout(60):
                while not told or told[-1].state != "active":
                    await _next_state(items, told)
                await pbx.kill(started.call_uuid)
                while not told[-1].finished:
                    await _next_state(items, told)
        return started, told

    started, told = run(call())
    assert started.recorded
    # The documentation does not say that the two names mean the same: here it is seen
    assert {each.call_uuid for each in told} == {started.call_uuid}
    assert {each.extension for each in told} == {source}
    assert [each.state for each in told] == ["ringing", "active", "finished"]


async def _next_state(items: Any, told: list[CallState]) -> None:
    item = await anext(items)
    if isinstance(item, CallState):
        told.append(item)
