"""What a broken or hostile client may do to the socket: lose its own connection."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import random

import pytest

from softphone.control.limits import Limits
from softphone.engine.views import AccountView
from tests.control.fakes import FakeAgent, account_view
from tests.control.harness import DEADLINE_S, Served, serving

HOST = b"Host: x\r\n"
JSON = b"Content-Type: application/json\r\n"


async def still_well(served: Served) -> None:
    assert (await served.http.get("/v1/status")).status_code == 200


@pytest.mark.parametrize(
    "garbage",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200),  # a TLS client
        b"SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP x\r\n\r\n",
        b"GET /v1/status\r\n\r\n",
        b"GET  /v1/status HTTP/1.1\r\n\r\n",
        b"GET /v1/status HTTP/1.1\r\nno colon\r\n\r\n",
        b"GET /v1/status HTTP/1.1\r\n\r\n",  # no Host
        b"GET /v1/status HTTP/1.1\r\n" + HOST + b"Content-Length: many\r\n\r\n",
        b"\x00\r\n\r\n",
    ],
)
def test_what_is_no_http_gets_a_400_and_is_cut(garbage: bytes, caplog: pytest.LogCaptureFixture) -> None:
    async def run() -> None:
        async with serving() as served:
            status, problem = await served.exchange(garbage)
            assert (status, problem["type"]) == (400, "urn:softphone:problem:malformed")
            await still_well(served)

    asyncio.run(run())
    assert not [r for r in caplog.records if r.levelno >= logging.ERROR]


def test_random_bytes(caplog: pytest.LogCaptureFixture) -> None:
    async def run() -> None:
        dice = random.Random(7)
        async with serving() as served:
            for size in range(1, 200, 3):
                reader, writer = await served.raw(dice.randbytes(size) + b"\r\n\r\n")
                writer.write_eof()
                async with asyncio.timeout(DEADLINE_S):
                    await reader.read()
                writer.close()
            await served.connections_fall_to(0)
            await still_well(served)

    asyncio.run(run())
    assert not [r for r in caplog.records if r.levelno >= logging.ERROR]


def test_garbage_in_the_middle_of_a_chunked_body(caplog: pytest.LogCaptureFixture) -> None:
    async def run() -> None:
        async with serving() as served:
            head = b"POST /v1/calls HTTP/1.1\r\n" + HOST + JSON + b"Transfer-Encoding: chunked\r\n\r\n"
            reader, writer = await served.raw(head + b"2\r\n{}\r\n")
            writer.write(b"this is no chunk size\r\n")
            async with asyncio.timeout(DEADLINE_S):
                assert (await reader.read()).startswith(b"HTTP/1.1 400 ")
            writer.close()
            await served.connections_fall_to(0)
            await still_well(served)

    asyncio.run(run())
    assert not [r for r in caplog.records if r.levelno >= logging.ERROR]


def test_headers_without_end() -> None:
    async def run() -> None:
        async with serving() as served:
            status, problem = await served.exchange(b"GET / HTTP/1.1\r\nX-Long: " + b"x" * 200_000)
            assert (status, problem["type"]) == (431, "urn:softphone:problem:head-too-large")
            lines = b"".join(b"X-%d: y\r\n" % n for n in range(10_000))
            assert (await served.exchange(b"GET / HTTP/1.1\r\n" + lines))[0] == 431
            await still_well(served)

    asyncio.run(run())


def test_a_request_that_trickles_in_is_cut() -> None:
    async def run() -> None:
        async with serving(limits=Limits(head_timeout_s=0.1)) as served:
            for start in (b"", b"GET /v1/st", b"GET /healthz HTTP/1.1\r\n" + HOST):
                status, problem = await served.exchange(start)
                assert (status, problem["type"]) == (408, "urn:softphone:problem:request-timeout")
            await still_well(served)

    asyncio.run(run())


def test_the_second_request_on_a_connection_may_not_trickle_either() -> None:
    async def run() -> None:
        async with serving(limits=Limits(head_timeout_s=0.1)) as served:
            whole = b"GET /healthz HTTP/1.1\r\n" + HOST + b"\r\n"
            reader, writer = await served.raw(whole)
            assert b"200" in await reader.readline()
            writer.write(whole[:10])
            async with asyncio.timeout(DEADLINE_S):
                assert b"HTTP/1.1 408 " in await reader.read()
            writer.close()

    asyncio.run(run())


def test_an_idle_connection_may_idle_between_requests() -> None:
    async def run() -> None:
        async with serving(limits=Limits(head_timeout_s=0.05)) as served:
            reader, writer = await served.raw(b"GET /healthz HTTP/1.1\r\n" + HOST + b"\r\n")
            await reader.readuntil(b'{"status":"ok"}')
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.2):
                    await reader.read(1)
            writer.write(b"GET /healthz HTTP/1.1\r\n" + HOST + b"\r\n")
            await reader.readuntil(b'{"status":"ok"}')
            writer.close()

    asyncio.run(run())


def test_a_body_that_trickles_in_is_cut() -> None:
    async def run() -> None:
        async with serving(limits=Limits(body_timeout_s=0.1)) as served:
            head = b"POST /v1/calls HTTP/1.1\r\n" + HOST + JSON + b"Content-Length: 100\r\n\r\n{"
            status, problem = await served.exchange(head)
            assert (status, problem["type"]) == (408, "urn:softphone:problem:request-timeout")
            await still_well(served)

    asyncio.run(run())


@pytest.mark.parametrize("framing", [b"Content-Length: 5000\r\n", b"Transfer-Encoding: chunked\r\n"])
def test_a_body_that_is_too_large_is_refused_while_it_comes(framing: bytes) -> None:
    async def run() -> None:
        async with serving(limits=Limits(max_body_bytes=1000)) as served:
            body = b"3e8\r\n" + b"x" * 1000 + b"\r\n3e8\r\n" + b"x" * 1000 + b"\r\n"
            status, problem = await served.exchange(
                b"POST /v1/calls HTTP/1.1\r\n" + HOST + JSON + framing + b"\r\n" + body
            )
            assert (status, problem["type"]) == (413, "urn:softphone:problem:too-large")
            assert served.agent.commands == []
            await still_well(served)

    asyncio.run(run())


def test_the_largest_body_passes_and_one_byte_more_does_not() -> None:
    async def run() -> None:
        async with serving(limits=Limits(max_body_bytes=1000)) as served:
            body = json.dumps({"target": "9196"}).encode()
            headers = {"Content-Type": "application/json"}
            for size, status in ((1000, 201), (1001, 413)):
                response = await served.http.post("/v1/calls", content=body.ljust(size), headers=headers)
                assert response.status_code == status

    asyncio.run(run())


def test_a_client_that_leaves_in_the_middle_of_its_body(caplog: pytest.LogCaptureFixture) -> None:
    async def run() -> None:
        async with serving() as served:
            _, writer = await served.raw(b"POST /v1/calls HTTP/1.1\r\n" + HOST + JSON + b"Content-Length: 9\r\n\r\n{")
            writer.close()
            await served.connections_fall_to(0)
            await still_well(served)

    asyncio.run(run())
    assert not [r for r in caplog.records if r.levelno >= logging.ERROR]


def test_expect_100_continue_and_pipelining() -> None:
    async def run() -> None:
        async with serving() as served:
            reader, writer = await served.raw(
                b"POST /v1/calls HTTP/1.1\r\n" + HOST + JSON + b"Content-Length: 17\r\nExpect: 100-continue\r\n\r\n"
            )
            assert b"100" in await reader.readline()
            writer.write(b'{"target":"9196"}' + (b"GET /healthz HTTP/1.1\r\n" + HOST + b"\r\n") * 3)
            async with asyncio.timeout(DEADLINE_S):
                for _ in range(3):
                    await reader.readuntil(b'{"status":"ok"}')
            writer.close()

    asyncio.run(run())


def test_more_connections_than_allowed() -> None:
    async def run() -> None:
        async with serving(limits=Limits(max_connections=3)) as served:
            held = [await served.raw() for _ in range(3)]
            await served.connections_fall_to(3)
            status, problem = await served.exchange(b"")
            assert (status, problem["type"]) == (503, "urn:softphone:problem:too-many-connections")
            for _, writer in held:
                writer.close()
            await served.connections_fall_to(0)
            await still_well(served)

    asyncio.run(run())


class ManyAccounts(FakeAgent):
    """`count` accounts, so that answers are as large as a test needs."""

    count = 2000

    def accounts(self) -> list[AccountView]:
        return [account_view(f"{n:05}") for n in range(self.count)]


async def leave_unread(served: Served) -> int:
    """Asks for the accounts and reads nothing until it is cut: how many bytes had gone out by then."""
    reader, writer = await served.raw()
    writer.transport.pause_reading()  # type: ignore[attr-defined]
    writer.write(b"GET /v1/accounts HTTP/1.1\r\n" + HOST + b"\r\n")
    await served.connections_fall_to(1)
    await served.connections_fall_to(0)
    writer.transport.resume_reading()  # type: ignore[attr-defined]
    got = len(await reader.read())
    writer.close()
    return got


def test_a_client_that_never_reads_its_answers_is_cut() -> None:
    async def run() -> None:
        async with serving(ManyAccounts(), Limits(stall_timeout_s=0.1)) as served:
            assert 0 < await leave_unread(served) < 400_000
            assert len((await served.http.get("/v1/accounts")).json()) == 2000

    asyncio.run(run())


def test_a_client_that_leaves_little_unread_is_cut_when_it_idles() -> None:
    """What is left is too little to stop a writer: only the end of keep-alive finds it."""

    async def run() -> None:
        agent = ManyAccounts()
        async with serving(agent, Limits(stall_timeout_s=0.1, keep_alive_s=0)) as served:
            one = len((await served.http.get("/v1/accounts")).content) / agent.count
            agent.count = int((await leave_unread(served) + 30_000) / one)
            assert await leave_unread(served) < agent.count * one - 10_000

    asyncio.run(run())


def test_websocket_upgrades_are_answered_as_plain_requests() -> None:
    async def run() -> None:
        async with serving() as served:
            headers = {"Connection": "Upgrade", "Upgrade": "websocket"}
            assert (await served.http.get("/v1/events/types", headers=headers)).status_code == 200

    asyncio.run(run())


def test_no_descriptor_is_left_by_clients_that_come_and_go() -> None:
    async def run() -> None:
        async with serving() as served:
            await still_well(served)
            before = len(os.listdir("/proc/self/fd"))
            for start in (b"", b"GET", b"GET /v1/events HTTP/1.1\r\n" + HOST + b"\r\n", b"\xff\r\n\r\n"):
                for _ in range(50):
                    _, writer = await served.raw(start)
                    writer.close()
            await served.connections_fall_to(1)
            assert len(os.listdir("/proc/self/fd")) <= before + 1

    asyncio.run(run())
