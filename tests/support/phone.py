"""A phone in the test's own event loop, and waiting for what it tells.

async with running(config) as phone:
    await phone.told("account.registered")
    call = phone.agent.dial("9196")
    ended = await phone.told("call.ended", call=call.id)
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from softphone.agent import Agent
from softphone.bus import Record
from softphone.config import Config, Context
from softphone.wiring import build

DEADLINE_S = 20.0


class Phone:
    """An agent that runs, and everything that it has told so far."""

    def __init__(self, agent: Agent) -> None:
        self.agent = agent
        self.events: list[dict[str, Any]] = []
        agent.bus.listen(self._hear)
        self._waiters: list[asyncio.Event] = []

    def _hear(self, record: Record) -> None:
        self.events.append(record.as_dict())
        for waiter in self._waiters:
            waiter.set()

    def all(self, type: str, **fields: Any) -> list[dict[str, Any]]:
        """What was told so far of this type, with these fields."""
        wanted = {"type": type} | fields
        return [e for e in self.events if all(e.get(k) == v for k, v in wanted.items())]

    async def told(self, type: str, *, count: int = 1, within_s: float = DEADLINE_S, **fields: Any) -> dict[str, Any]:
        """Waits until this was told `count` times; returns the last of these. Fails with what was told instead."""
        news = asyncio.Event()
        self._waiters.append(news)
        try:
            async with asyncio.timeout(within_s):
                while len(found := self.all(type, **fields)) < count:
                    news.clear()
                    await news.wait()
        except TimeoutError:
            seen = "\n".join(str({k: v for k, v in e.items() if k not in ("id", "headers")}) for e in self.events[-25:])
            raise AssertionError(
                f"{type} {fields} was told {len(self.all(type, **fields))} times in {within_s} s, not {count};"
                f" the last events:\n{seen}"
            ) from None
        finally:
            self._waiters.remove(news)
        return found[count - 1]

    async def registered(self, count: int = 1) -> None:
        """Waits until `count` accounts have registered."""
        await self.told("account.registered", count=count)

    async def connected(self, target: str, **options: Any) -> str:
        """Dials, and waits for the answer and for media; returns the call's id."""
        call = self.agent.dial(target, **options)
        await self.told("call.answered", call=call.id)
        await self.told("call.media", call=call.id, active=True)
        return call.id

    async def hung_up(self, call_id: str) -> dict[str, Any]:
        """Hangs up and waits for the end."""
        self.agent.hang_up(call_id)
        return await self.told("call.ended", call=call_id)


def local(config: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """A configuration on loopback, with its files in `folder`."""
    merged = {"sip": {}, "media": {}, "control": {}} | dict(config)
    merged["sip"] = {"bind": "127.0.0.1"} | dict(merged["sip"])
    merged["media"] = {"recordings_dir": str(folder / "recordings")} | dict(merged["media"])
    merged["control"] = {"socket": str(folder / "control.sock")} | dict(merged["control"])
    return merged


@asynccontextmanager
async def running(config: Mapping[str, Any], folder: Path) -> AsyncIterator[Phone]:
    """Starts a phone on loopback and stops it again."""
    agent = build(Config.model_validate(local(config, folder), context=Context(base=folder)))
    phone = Phone(agent)
    try:
        await agent.start()
        yield phone
    finally:
        await agent.stop()
