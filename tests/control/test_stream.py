"""/v1/events: order, ids, replay, gaps, filters, heartbeats; and what a slow reader costs the others: nothing."""

from __future__ import annotations

import asyncio
import gc
import json
import tracemalloc

import pytest

from softphone.bus import Subscription
from softphone.control.limits import Limits
from softphone.events import AccountFailed, AccountUnregistered, CallDigit, Event, PlayEnded
from tests.control.fakes import FakeAgent, ended_event
from tests.control.harness import Served, serving, stream, until


def digit(text: str, call: str = "c1") -> CallDigit:
    return CallDigit(call=call, account="901@pbx.example", digit=text, method="rfc4733", duration_ms=100)


def failed() -> AccountFailed:
    return AccountFailed(
        account="901@pbx.example", code=403, reason="Forbidden", cause="wrong password", advice="x", retry_in_s=60
    )


def test_events_come_in_order_with_id_type_and_data() -> None:
    async def run() -> None:
        async with serving() as served, stream(served.http) as events:
            records = [served.agent.bus.publish(event) for event in (digit("1"), ended_event(), failed())]
            for record in records:
                assert await events.event() == json.loads(json.dumps(record.as_dict()))

    asyncio.run(run())


def test_text_of_the_far_end_cannot_break_a_frame() -> None:
    async def run() -> None:
        async with serving() as served, stream(served.http) as events:
            nasty = "x\n\nevent: call.ended\ndata: {}\r\n\u2028\u2029\x85\x00 Grüße 🎉"
            play = PlayEnded(
                call="c1", account="a", play="p1", file=nasty, reason="failed", played_s=float("nan"), error=""
            )
            served.agent.bus.publish(play)
            served.agent.bus.publish(digit("1"))
            first = await events.event()
            assert (first["file"], first["played_s"]) == (nasty, None)
            assert (await events.event())["digit"] == "1"

    asyncio.run(run())


@pytest.mark.parametrize("how", ["header", "query"])
def test_replay_from_an_id_misses_and_doubles_nothing(how: str) -> None:
    async def run() -> None:
        async with serving() as served:
            records = [served.agent.bus.publish(digit(str(n))) for n in range(5)]
            seen = records[1].id
            query = f"?after={seen}" if how == "query" else ""
            headers = {"Last-Event-ID": seen} if how == "header" else {}
            async with stream(served.http, query, **headers) as events:
                served.agent.bus.publish(digit("5"))
                assert [(await events.event())["digit"] for _ in range(4)] == ["2", "3", "4", "5"]

    asyncio.run(run())


def test_a_reader_that_saw_nothing_yet_still_has_an_id_to_come_back_with() -> None:
    async def run() -> None:
        async with serving() as served:
            served.agent.bus.publish(digit("0"))
            async with stream(served.http) as events:
                position = (await events.frame())["id"]
            served.agent.bus.publish(digit("1"))
            async with stream(served.http, **{"Last-Event-ID": position}) as events:
                assert (await events.event())["digit"] == "1"

    asyncio.run(run())


@pytest.mark.parametrize(("after", "words"), [("123abc-7", "earlier run"), ("rubbish", "earlier run"), (None, "kept")])
def test_a_gap_is_told_first(after: str | None, words: str) -> None:
    async def run() -> None:
        async with serving(FakeAgent(history=3)) as served:
            first = served.agent.bus.publish(digit("0")).id
            for n in range(1, 6):
                served.agent.bus.publish(digit(str(n)))
            async with stream(served.http, f"?types=call&after={after or first}") as events:
                gap = await events.event()
                assert (gap["type"], gap["after"]) == ("stream.gap", after or first)
                assert words in gap["cause"]
                assert [(await events.event())["digit"] for _ in range(3)] == ["3", "4", "5"]

    asyncio.run(run())


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        ("?types=call", ["call.digit", "call.ended", "call.digit"]),
        ("?types=call.ended,account.failed", ["account.failed", "call.ended"]),
        ("?types=account", ["account.failed", "account.unregistered"]),
        ("?call=c2", ["call.digit"]),
        ("?call=c1&types=call.ended", ["call.ended"]),
    ],
)
def test_filters(query: str, wanted: list[str]) -> None:
    happened: list[Event] = [digit("1"), failed(), ended_event(), AccountUnregistered(account="x"), digit("2", "c2")]

    async def run() -> None:
        async with serving() as served, stream(served.http, query) as events:
            for event in happened:
                served.agent.bus.publish(event)
            await served.server.stop()  # ends the stream, after what is queued
            frames = await events.rest()
            assert [f["event"] for f in frames if "event" in f] == wanted

    asyncio.run(run())


def test_a_filter_that_matches_nothing_ever_is_refused() -> None:
    async def run() -> None:
        async with serving() as served:
            for types in ("cal", "call.endet", "call,bogus"):
                response = await served.http.get(f"/v1/events?types={types}")
                assert response.status_code == 400
                assert "/v1/events/types" in response.json()["detail"]

    asyncio.run(run())


def test_a_silent_stream_has_heartbeats_that_move_the_id_on() -> None:
    async def run() -> None:
        async with serving(limits=Limits(heartbeat_s=0.05)) as served, stream(served.http, "?types=call") as events:
            await events.frame()
            served.agent.bus.publish(failed())
            frame = await events.frame()
            while frame["id"] != served.agent.bus.last_id:
                frame = await events.frame()
            assert frame[""] == "heartbeat"
            assert "data" not in frame

    asyncio.run(run())


def test_event_types_are_all_described() -> None:
    async def run() -> None:
        async with serving() as served:
            types = {t["type"]: t for t in (await served.http.get("/v1/events/types")).json()}
            assert {"call.ended", "account.failed", "record.ended", "stream.gap"} <= set(types)
            assert types["call.digit"]["fields"]["properties"]["digit"] == {"title": "Digit", "type": "string"}
            assert all(t["description"] for t in types.values())

    asyncio.run(run())


# ---- readers that do not read, or go


def test_a_reader_that_leaves_frees_its_subscription() -> None:
    async def run() -> None:
        async with serving() as served:
            async with stream(served.http):
                assert served.server.connections == 1
            await served.connections_fall_to(0)
            await until(lambda: subscriptions() == 0)

    asyncio.run(run())


def test_a_reader_that_never_reads_is_cut_and_holds_no_memory() -> None:
    limits = Limits(stall_timeout_s=0.3)

    async def run() -> None:
        async with serving(FakeAgent(history=100), limits) as served:
            _, deaf = await served.raw(b"GET /v1/events HTTP/1.1\r\nHost: x\r\n\r\n")
            await until(lambda: subscriptions() == 1)
            tracemalloc.start()
            before = tracemalloc.get_traced_memory()[0]
            for n in range(100_000):
                served.agent.bus.publish(digit(str(n)))
                if n % 200 == 0:
                    await asyncio.sleep(0)
            await served.connections_fall_to(0)
            await until(lambda: subscriptions() == 0)
            gc.collect()
            grown = tracemalloc.get_traced_memory()[0] - before
            tracemalloc.stop()
            deaf.close()
            assert grown < 512 * 1024

    asyncio.run(run())


def subscriptions() -> int:
    """By exact type: isinstance would ask weak references to what has gone."""
    return sum(type(thing) is Subscription for thing in gc.get_objects())


def test_a_reader_that_never_reads_is_cut_also_where_its_queue_overflows_first() -> None:
    limits = Limits(stall_timeout_s=0.3, stream_queue=20)

    async def run() -> None:
        async with serving(limits=limits) as served:
            for events in (50, 5000):  # less than the buffers take, and more
                _, deaf = await served.raw(b"GET /v1/events HTTP/1.1\r\nHost: x\r\n\r\n")
                await until(lambda: subscriptions() == 1)
                for n in range(events):
                    served.agent.bus.publish(digit(str(n)))
                    if n % 25 == 0:
                        await asyncio.sleep(0)
                await served.connections_fall_to(0)
                await until(lambda: subscriptions() == 0)
                deaf.close()

    asyncio.run(run())


def test_a_slow_reader_loses_its_own_stream_and_nothing_else() -> None:
    limits = Limits(stall_timeout_s=0.3)

    async def run() -> None:
        async with serving(limits=limits) as served, stream(served.http) as events:
            _, deaf = await served.raw(b"GET /v1/events HTTP/1.1\r\nHost: x\r\n\r\n")
            await served.connections_fall_to(2)
            for batch in range(40):
                for n in range(250):
                    served.agent.bus.publish(digit(f"{batch}/{n}"))
                for n in range(250):
                    assert (await events.event())["digit"] == f"{batch}/{n}"
            await served.connections_fall_to(1)
            assert (await served.http.get("/v1/status")).status_code == 200
            deaf.close()

    asyncio.run(run())


def test_a_burst_beyond_the_queue_ends_the_stream_and_coming_back_misses_nothing() -> None:
    async def run() -> None:
        async with serving(limits=Limits(stream_queue=10)) as served:
            async with stream(served.http) as events:
                await events.frame()
                for n in range(50):
                    served.agent.bus.publish(digit(str(n)))
                frames = await events.rest()
            got = [json.loads(f["data"])["digit"] for f in frames if "data" in f]
            assert "closed, more than 10 events" in frames[-1][""]
            last = [f["id"] for f in frames if "id" in f][-1]
            async with stream(served.http, **{"Last-Event-ID": last}) as events:
                got += [(await events.event())["digit"] for _ in range(50 - len(got))]
            assert got == [str(n) for n in range(50)]

    asyncio.run(run())


def test_two_hundred_readers_get_every_event_while_requests_are_answered() -> None:
    async def read(served: Served, ready: asyncio.Semaphore) -> list[str]:
        reader, writer = await served.raw(b"GET /v1/events?types=call HTTP/1.1\r\nHost: x\r\n\r\n")
        await reader.readuntil(b"retry: 1000\n\n")
        ready.release()
        got = []
        while len(got) < 20:
            line = await reader.readuntil(b"\n")
            if line.startswith(b"data: "):
                got.append(json.loads(line[6:])["digit"])
        writer.close()
        return got

    async def run() -> None:
        async with asyncio.timeout(60), serving() as served:
            ready = asyncio.Semaphore(0)
            readers = [asyncio.ensure_future(read(served, ready)) for _ in range(200)]
            for _ in readers:
                await ready.acquire()
            for n in range(20):
                served.agent.bus.publish(digit(str(n)))
                assert (await served.http.get("/v1/status")).status_code == 200
            assert await asyncio.gather(*readers) == [[str(n) for n in range(20)]] * 200

    asyncio.run(run())
