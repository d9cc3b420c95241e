"""Waiting for what happened, or is about to."""

from __future__ import annotations

import asyncio

import pytest

from softphone.lab.events import MAX_KEPT, EventLog


def test_past_and_future_events_count() -> None:
    async def run() -> None:
        log = EventLog()
        log.emit("digit", digit="1")
        loop = asyncio.get_running_loop()
        loop.call_later(0.01, lambda: log.emit("digit", digit="2"))
        loop.call_later(0.02, lambda: log.emit("digit", digit="1"))
        assert (await log.wait_for("digit", digit="1"))["digit"] == "1"
        second = await log.wait_for("digit", digit="1", count=2)
        assert second.sequence == 3
        assert [each["digit"] for each in log.find("digit")] == ["1", "2", "1"]

    asyncio.run(run())


def test_only_what_comes_after_a_position() -> None:
    async def run() -> None:
        log = EventLog()
        log.emit("digit", digit="1")
        with pytest.raises(TimeoutError, match="the last events were: none"):
            await log.wait_for("digit", since=log.position, timeout_s=0.01)

    asyncio.run(run())


def test_followers_see_every_event_and_the_log_stays_bounded() -> None:
    async def run() -> None:
        log = EventLog()
        seen = []

        async def follow() -> None:
            async for event in log.follow():
                seen.append(event.sequence)

        task = asyncio.create_task(follow())
        await asyncio.sleep(0)
        for _ in range(MAX_KEPT + 10):
            log.emit("digit", digit="1")
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert len(log) == MAX_KEPT
        assert seen == list(range(1, MAX_KEPT + 11))

    asyncio.run(run())
