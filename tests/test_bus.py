from __future__ import annotations

import asyncio

import pytest

from softphone.bus import Bus, SubscriberTooSlow
from softphone.events import AccountAdded, CallAnswered, CallEvent, encode, event_types


def answered(n: int) -> CallAnswered:
    return CallAnswered(call=f"c{n}", account="a", by="remote")


def test_events_come_in_order_with_ids_that_survive_a_restart() -> None:
    async def run() -> None:
        bus = Bus()
        with bus.subscribe() as reader:
            first = bus.publish(answered(1))
            bus.publish(answered(2))
            assert (await reader.get()).id == first.id == f"{bus.boot}-1"
            assert (await reader.get()).seq == 2

    asyncio.run(run())


def test_filters_by_type_prefix_and_call() -> None:
    async def run() -> None:
        bus = Bus()
        calls, one = bus.subscribe(("call",)), bus.subscribe(call="c2")
        bus.publish(AccountAdded(account="a"))
        bus.publish(answered(1))
        bus.publish(answered(2))
        for reader in (calls, one):
            reader.close()
        assert [r.seq async for r in calls] == [2, 3]
        assert [r.seq async for r in one] == [3]

    asyncio.run(run())


def test_a_prefix_is_whole_words() -> None:
    async def run() -> None:
        bus = Bus()
        reader = bus.subscribe(("call.ans",))
        bus.publish(answered(1))
        reader.close()
        assert [r async for r in reader] == []

    asyncio.run(run())


def test_reading_on_from_an_id() -> None:
    async def run() -> None:
        bus = Bus(history=3)
        records = [bus.publish(answered(n)) for n in range(5)]
        assert not bus.gap(records[1].id)
        assert bus.gap(records[0].id)
        assert bus.gap("other-7")
        for after, expected in ((records[3].id, [5]), (records[0].id, [3, 4, 5]), ("other-7", [3, 4, 5])):
            reader = bus.subscribe(after=after)
            reader.close()
            assert [r.seq async for r in reader] == expected

    asyncio.run(run())


def test_a_slow_reader_loses_its_subscription_and_nobody_else_does() -> None:
    async def run() -> None:
        bus = Bus()
        slow, quick = bus.subscribe(limit=2), bus.subscribe(limit=100)
        for n in range(5):
            bus.publish(answered(n))
        assert [(await slow.get()).seq for _ in range(2)] == [1, 2]
        with pytest.raises(SubscriberTooSlow):
            await slow.get()
        assert [(await quick.get()).seq for _ in range(5)] == [1, 2, 3, 4, 5]

    asyncio.run(run())


def test_a_listener_that_fails_harms_nobody(caplog: pytest.LogCaptureFixture) -> None:
    bus = Bus()
    seen: list[int] = []

    def bad(_: object) -> None:
        raise ValueError("oops")

    bus.listen(bad)
    stop = bus.listen(lambda record: seen.append(record.seq))
    bus.publish(answered(1))
    stop()
    bus.publish(answered(2))
    assert seen == [1]
    assert "a listener failed on call.answered" in caplog.text


def test_every_event_has_a_name_of_its_resource_and_its_data() -> None:
    types = event_types()
    assert len(types) > 25
    for name, cls in types.items():
        resource, _, verb = name.partition(".")
        assert resource
        assert verb
        assert cls.__doc__
        if resource in ("call", "play", "record", "audio"):
            assert issubclass(cls, CallEvent)
    wanted = {"type": "call.answered", "call": "c1", "account": "a", "by": "remote", "headers": {}}
    assert encode(answered(1)) == wanted
