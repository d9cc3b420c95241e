"""The live client beside real calls of the lab, whose service repeats, shuffles, and lets tokens end."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from softphone.config import Provider, load
from softphone.kavkom import CallState, Connected, Gap, LiveCalls, LiveItem, Trouble
from softphone.lab import Lab, LabOptions
from softphone.lab.service_options import ServiceOptions
from tests.lab.phone import Phone, phone, sdp
from tests.support.lab_account import lab_account


class Told:
    """What the client tells while calls go on."""

    def __init__(self) -> None:
        self.items: list[LiveItem] = []
        self.came = asyncio.Event()

    async def read(self, live: LiveCalls) -> None:
        async for item in live:
            self.items.append(item)
            self.came.set()

    async def until(self, calls: int) -> None:
        """So many calls are finished."""
        async with asyncio.timeout(60):
            while sum(isinstance(item, CallState) and item.finished for item in self.items) < calls:
                self.came.clear()
                await self.came.wait()

    def states(self) -> dict[str, Counter[str]]:
        found: dict[str, Counter[str]] = defaultdict(Counter)
        for item in self.items:
            if isinstance(item, CallState):
                found[item.call_uuid][item.state] += 1
        return found

    def interruptions(self) -> list[LiveItem]:
        return [item for item in self.items if isinstance(item, Gap | Trouble)]


@asynccontextmanager
async def following(lab: Lab, provider: Provider) -> AsyncIterator[Told]:
    told = Told()
    async with LiveCalls.of(provider, ["901"]) as live:
        reading = asyncio.ensure_future(told.read(live))
        await lab.wait_for("live_opened")
        yield told
    await reading


async def a_call(lab: Lab, at: Phone) -> None:
    """The PBX calls, the phone answers and hangs up."""
    record = lab.call("901", "9196")
    invite = await at.expect("INVITE")
    at.reply(invite, 200, body=sdp(4000))
    await at.expect("ACK")
    at.within_theirs(invite, "BYE")
    await at.expect(200)
    await lab.wait_for("call_ended", call=record.uuid)


EACH_ONCE = Counter(ringing=1, active=1, finished=1)


def test_each_state_is_told_once_though_messages_are_repeated_and_shuffled(tmp_path: Path) -> None:
    async def run() -> None:
        async with Lab(LabOptions(service=ServiceOptions(seed=4))) as lab, phone(lab, "901") as at:
            await at.register()
            provider = load(lab_account(lab, tmp_path)).provider
            assert provider is not None
            async with following(lab, provider) as told:
                faults = [lab.fault("live", kind, probability=0.3) for kind in ("duplicate", "reorder")]  # type: ignore[arg-type]
                for _ in range(30):
                    await a_call(lab, at)
                lab.faults.clear("live")
                await a_call(lab, at)  # brings what was still held back
                await told.until(31)
            assert all(fault.struck > 5 for fault in faults)
            assert list(told.states().values()) == [EACH_ONCE] * 31
            assert any(isinstance(item, CallState) and item.late for item in told.items)
            assert told.interruptions() == []

    asyncio.run(run())


def test_no_event_is_lost_while_tokens_come_and_go(tmp_path: Path) -> None:
    async def run() -> None:
        service = ServiceOptions(access_ttl_s=8.0, verify_extends=False)
        async with Lab(LabOptions(service=service)) as lab, phone(lab, "901") as at:
            await at.register()
            provider = load(lab_account(lab, tmp_path)).provider
            assert provider is not None
            opened = 0
            end = lab.events.listen(lambda event: events.append(event.name))
            events: list[str] = []
            calls = 0
            async with following(lab, provider) as told:
                async with asyncio.timeout(60):
                    while opened < 2:
                        await a_call(lab, at)
                        calls += 1
                        opened = events.count("live_opened")
                await told.until(calls)
            end()
            assert list(told.states().values()) == [EACH_ONCE] * calls
            assert told.interruptions() == []
            assert sum(isinstance(item, Connected) for item in told.items) == 1

    asyncio.run(run())
