from __future__ import annotations

import asyncio

import pytest

from softphone.aio import Backoff, Tasks, Timers


def test_an_owner_takes_its_tasks_with_it() -> None:
    async def run() -> None:
        tasks = Tasks("owner")
        ended = asyncio.Event()

        async def work() -> None:
            try:
                await asyncio.Event().wait()
            finally:
                ended.set()

        tasks.spawn(work(), "wait for ever")
        await asyncio.sleep(0)
        await tasks.close()
        assert ended.is_set()
        assert len(tasks) == 0

    asyncio.run(run())


def test_nothing_starts_after_the_end() -> None:
    async def run() -> None:
        tasks = Tasks("owner")
        await tasks.close()
        with pytest.raises(RuntimeError, match="owner is closed: late"):
            tasks.spawn(asyncio.sleep(0), "late")

    asyncio.run(run())


def test_a_failure_is_logged_with_its_name_and_harms_no_other(caplog: pytest.LogCaptureFixture) -> None:
    async def run() -> None:
        tasks = Tasks("owner")

        async def fail() -> None:
            raise ValueError("oops")

        task = tasks.spawn(fail(), "the bad one")
        other = tasks.spawn(asyncio.sleep(0, "fine"), "the good one")
        await asyncio.wait([task])
        assert await other == "fine"
        await tasks.close()

    asyncio.run(run())
    assert "owner: the bad one failed: oops" in caplog.text


def test_timers_are_replaced_cancelled_and_closed() -> None:
    async def run() -> None:
        timers, fired, last = Timers(), [], asyncio.Event()
        timers.set("a", 60, lambda: fired.append("never"))
        timers.set("a", 0.001, lambda: fired.append("a"))
        timers.set("b", 0.001, lambda: fired.append("b"))
        timers.set("c", 60, lambda: fired.append("c"))
        timers.cancel("b")
        timers.set("last", 0.01, last.set)
        async with asyncio.timeout(5):
            await last.wait()
        assert fired == ["a"]
        assert "c" in timers
        timers.close()
        assert "c" not in timers

    asyncio.run(run())


def test_delays_double_up_to_the_limit_and_are_spread() -> None:
    backoff = Backoff(2, 60, jitter=0.25)
    delays = [backoff.next_s() for _ in range(12)]
    for n, delay in enumerate(delays):
        base = min(60, 2 * 2**n)
        assert base * 0.75 <= delay <= base * 1.25
    backoff.reset()
    assert backoff.next_s() <= 2.5
