"""An order is sent at most once, wherever the connection is cut, and its outcome is told, never guessed.

The server cuts the order's connection before or after any byte of the request and of the answer. It counts what reached
it, and the client's report has to agree with what the server did.
"""

from __future__ import annotations

import asyncio
import json
import re
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import pytest

from softphone.config import Secret
from softphone.errors import OrderUnknown, OutcomeUnknown, ProviderDown, ProviderError
from softphone.kavkom import BillingApi, Endpoint, PbxApi, Retry
from softphone.kavkom.services import BILLING
from tests.kavkom.answers import DOMAIN_UUID, TOKEN, page
from tests.kavkom.test_network import certificate

LENGTH = re.compile(rb"content-length: (\d+)", re.IGNORECASE)
OK = json.dumps({"status": "success", "return": {"id": 152, "accepted": True}}).encode()
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
ANSWER = HEAD % len(OK) + OK


@dataclass(frozen=True)
class Cut:
    """Where the order's connection ends: after so many bytes of the request, or after so many of the answer.

    `reset`: by RST rather than by FIN. `stall`: it does not end, but nothing more happens.
    """

    request: int | None = None
    answer: int | None = None
    reset: bool = False
    stall: bool = False


@dataclass
class Billing:
    """A billing service that keeps orders, and cuts connections that bring one."""

    cut: Cut = Cut()
    answer: bytes = ANSWER
    orders: list[dict[str, object]] = field(default_factory=list)
    posts_begun: int = 0
    posts_complete: int = 0
    posts_before: int = 0
    next_is_the_order: bool = False  # the list was read, as it is before every order

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        is_order, self.next_is_the_order = self.next_is_the_order, False
        seen = b""
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            while True:
                # Byte by byte, so that the cut comes exactly where it is wanted
                if is_order and self._reached(len(seen)):
                    self.posts_begun += 1
                    return await self._end(writer)
                if not (more := await reader.read(1)):
                    break
                seen += more
                if self._complete(seen):
                    return await self._respond(seen, writer)
        self.posts_begun += seen[:1] == b"P"

    def _reached(self, count: int) -> bool:
        return self.cut.request is not None and count >= self.cut.request

    @staticmethod
    def _complete(seen: bytes) -> bool:
        head, mark, rest = seen.partition(b"\r\n\r\n")
        length = LENGTH.search(head)
        return bool(mark) and len(rest) >= int(length[1] if length else 0)

    async def _respond(self, seen: bytes, writer: asyncio.StreamWriter) -> None:
        head, _, body = seen.partition(b"\r\n\r\n")
        assert b"connection: close" in head.lower()
        if seen.startswith(b"GET "):
            listed = json.dumps({"status": "success", "return": self.orders}).encode()
            writer.write(HEAD % len(listed) + listed)
            self.next_is_the_order = self.posts_begun == self.posts_before
            return
        self.posts_begun += 1
        self.posts_complete += 1
        self.orders.append({"id": 152 + len(self.orders), "order_date": "2026-01-01", **json.loads(body)})
        writer.write(self.answer[: self.cut.answer])
        if self.cut.answer is not None:
            await writer.drain()
            await self._end(writer)

    async def _end(self, writer: asyncio.StreamWriter) -> None:
        if self.cut.stall:
            await asyncio.sleep(30)
        if self.cut.reset:
            writer.transport.abort()


@asynccontextmanager
async def serving(billing: Billing, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        running.add(task)
        try:
            await billing.serve(reader, writer)
        except asyncio.CancelledError:
            pass  # the test is over
        finally:
            running.discard(task)
            writer.close()

    running: set[asyncio.Task[object]] = set()
    listening = await asyncio.start_server(connected, "127.0.0.1", 0, ssl=tls)
    async with listening:
        yield listening.sockets[0].getsockname()[1]
        for task in running:
            task.cancel()


def client(port: int, *, tls_ca: Path | None = None, timeout_s: float = 60.0) -> BillingApi:
    url = f"http{'s' if tls_ca else ''}://127.0.0.1:{port}"
    endpoint = Endpoint(url, Secret(TOKEN), timeout_s, tls_ca, retry=Retry(3, 0.0), keep_alive=False, service=BILLING)
    return BillingApi(endpoint, DOMAIN_UUID)


Outcome = Literal["ordered", "refused or not sent", "unknown"]


async def order_did(api: BillingApi, billing: Billing) -> Outcome:
    """Orders once, and compares what the client says with what the server did."""
    before, begun, complete = len(billing.orders), billing.posts_begun, billing.posts_complete
    billing.posts_before = begun
    outcome: Outcome
    appeared: object = None
    text = ""
    try:
        order = await api.order_did("FR", "Paris", "901", description="Sales line", identity="kyc-1")
    except OrderUnknown as error:
        outcome, appeared, text = "unknown", error.appeared, str(error)
    except ProviderError:
        outcome = "refused or not sent"
    else:
        outcome = "ordered"
        assert (order.id, order.accepted) == (152, True)
    assert billing.posts_begun - begun <= 1
    taken = len(billing.orders) - before
    assert taken == billing.posts_complete - complete <= 1
    assert TOKEN not in text
    if outcome == "unknown":
        assert isinstance(appeared, tuple)
        assert len(appeared) == taken
    else:
        assert taken == (outcome == "ordered")
    return outcome


def request_bytes() -> int:
    """How long the order's request is."""

    async def measure() -> int:
        lengths: list[int] = []

        async def count(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            seen = b""
            while not Billing._complete(seen):
                seen += await reader.read(1)
            lengths.append(len(seen))
            body = b'{"status":"success","return":[]}'
            writer.write(HEAD % len(body) + body)
            writer.close()

        async with await asyncio.start_server(count, "127.0.0.1", 0) as server:
            async with client(server.sockets[0].getsockname()[1]) as api:
                await api.order_did("FR", "Paris", "901", description="Sales line", identity="kyc-1")
        return lengths[1]

    return asyncio.run(measure())


@pytest.mark.parametrize("reset", [False, True], ids=["fin", "rst"])
def test_cut_after_every_byte_of_the_request(reset: bool) -> None:
    async def run() -> list[Outcome]:
        outcomes = []
        billing = Billing()
        async with serving(billing) as port, client(port) as api:
            for count in range(length):
                billing.cut = Cut(request=count, reset=reset)
                outcomes.append(await order_did(api, billing))
        assert billing.posts_complete == 0
        assert billing.posts_begun == length
        return outcomes

    length = request_bytes()
    assert length > 400
    # Cut before the first byte left us, or after it: in either case nobody could know
    assert set(asyncio.run(run())) == {"unknown"}


@pytest.mark.parametrize("reset", [False, True], ids=["fin", "rst"])
def test_cut_after_every_byte_of_the_answer(reset: bool) -> None:
    async def run() -> list[Outcome]:
        outcomes = []
        billing = Billing()
        async with serving(billing) as port, client(port) as api:
            for count in range(len(ANSWER)):
                billing.orders.clear()
                billing.cut = Cut(answer=count, reset=reset)
                outcomes.append(await order_did(api, billing))
        return outcomes

    assert set(asyncio.run(run())) == {"unknown"}


def test_the_whole_answer_is_an_order() -> None:
    async def run() -> Outcome:
        billing = Billing(cut=Cut(answer=len(ANSWER), reset=False))
        async with serving(billing) as port, client(port) as api:
            return await order_did(api, billing)

    assert asyncio.run(run()) == "ordered"


@pytest.mark.parametrize("cut", [Cut(request=0), Cut(request=10), Cut(request=420), Cut(answer=0), Cut(answer=90)])
def test_a_stall_ends_by_the_deadline(cut: Cut) -> None:
    async def run() -> Outcome:
        billing = Billing(cut=replace(cut, stall=True))
        async with serving(billing) as port, client(port, timeout_s=1.0) as api:
            return await order_did(api, billing)

    assert asyncio.run(run()) == "unknown"


def test_before_it_is_accepted_nothing_was_ordered() -> None:
    """The port closes between the list and the order."""

    async def run() -> None:
        billing = Billing()
        async with serving(billing) as port, client(port) as api:
            listed = await api.did_orders()
        assert listed.orders == ()
        async with client(port) as api:
            with pytest.raises(ProviderDown, match="connection refused") as caught:
                await api.order_line({"starter": 2})
            assert not isinstance(caught.value, OutcomeUnknown)
            with pytest.raises(ProviderDown, match="nothing was ordered, since the order list cannot be read first"):
                await api.order_did("FR", "Paris", "901")
        assert billing.posts_begun == 0

    asyncio.run(run())


def test_a_tls_connection_cut_anywhere(tmp_path: Path) -> None:
    """A relay cuts the order's connection after so many encrypted bytes: in the handshake, in the request, later."""
    tls, authority = certificate(tmp_path, "127.0.0.1")

    async def run() -> list[Outcome]:
        outcomes, billing = [], Billing()
        async with serving(billing, tls) as port:
            for count in range(0, 1600, 53):
                async with relay(port, cut_second_after=count) as front, client(front, tls_ca=authority) as api:
                    outcomes.append(await order_did_quietly(api, billing))
        return outcomes

    outcomes = asyncio.run(run())
    assert outcomes[0] == "refused or not sent"  # cut in the handshake: nothing was sent, and we know it
    assert "unknown" in outcomes
    assert set(outcomes) <= {"unknown", "refused or not sent", "ordered"}


async def order_did_quietly(api: BillingApi, billing: Billing) -> Outcome:
    billing.orders.clear()
    return await order_did(api, billing)


@asynccontextmanager
async def relay(port: int, *, cut_second_after: int) -> AsyncIterator[int]:
    """Passes bytes on; the second connection ends after so many from the client."""
    tasks: set[asyncio.Task[None]] = set()
    count = 0

    async def pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter, limit: int | None) -> None:
        passed = 0
        with suppress(ConnectionError):
            while data := await source.read(1 if limit is not None else 4096):
                if limit is not None and passed >= limit:
                    break
                passed += len(data)
                sink.write(data)
                await sink.drain()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal count
        count += 1
        limit = cut_second_after if count == 2 else None
        theirs_reader, theirs_writer = await asyncio.open_connection("127.0.0.1", port)
        there = asyncio.ensure_future(pump(reader, theirs_writer, limit))
        back = asyncio.ensure_future(pump(theirs_reader, writer, None))
        tasks.update((there, back))
        await asyncio.wait({there, back}, return_when=asyncio.FIRST_COMPLETED)
        there.cancel()
        back.cancel()
        theirs_writer.transport.abort()
        writer.transport.abort()

    async with await asyncio.start_server(connected, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1]
        for task in tasks:
            task.cancel()


# ---- answers that leave the outcome open


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (b"500 Oops", b'{"status":"error","message":"database went away"}'),
        (b"502 Bad Gateway", b"<html><title>Bad gateway</title></html>"),
        (b"503 Busy", b""),
        (b"504 Gateway Timeout", b""),
        (b"301 Moved", b""),
        (b"307 Temporary Redirect", b""),
        (b"308 Permanent Redirect", b""),
        (b"200 OK", b""),
        (b"200 OK", b"<html><title>Welcome</title></html>"),
        (b"200 OK", b'{"status":"succ'),
        (b"200 OK", b"{}"),
        (b"200 OK", b'{"status":"pending"}'),
        (b"204 No Content", b""),
        (b"200 OK\r\nContent-Encoding: gzip", b"broken"),
    ],
)
def test_an_answer_that_says_neither_yes_nor_no(status: bytes, body: bytes) -> None:
    async def run() -> Outcome:
        head = b"HTTP/1.1 %s\r\nLocation: /again.php\r\nContent-Length: %d\r\n\r\n" % (status, len(body))
        billing = Billing(answer=head + body)
        async with serving(billing) as port, client(port) as api:
            return await order_did(api, billing)

    assert asyncio.run(run()) == "unknown"


def test_a_busy_service_did_not_take_the_order() -> None:
    async def run() -> None:
        billing = Billing(answer=b"HTTP/1.1 429 Slow down\r\nContent-Length: 0\r\n\r\n")
        async with serving(billing) as port, client(port) as api:
            with pytest.raises(ProviderDown) as caught:
                await api.order_did("FR", "Paris", "901")
        assert not isinstance(caught.value, OutcomeUnknown)
        assert billing.posts_begun == 1

    asyncio.run(run())


# ---- what is told of an unknown outcome


def unknown(act: Callable[[BillingApi, Billing, int], Awaitable[object]], billing: Billing) -> OrderUnknown:
    async def run() -> OrderUnknown:
        async with serving(billing) as port, client(port) as api:
            with pytest.raises(OrderUnknown) as caught:
                await act(api, billing, port)
        return caught.value

    return asyncio.run(run())


def test_it_names_what_is_new_in_the_list() -> None:
    billing = Billing(cut=Cut(answer=0), orders=[{"id": 9, "country": "FR"}])
    error = unknown(lambda api, _, __: api.order_did("FR", "Paris", "901"), billing)
    assert "new in the list of number orders since: order 153 (FR Paris 2026-01-01)" in str(error)
    assert "look again before you order anew" in str(error)
    assert [str(order) for order in error.listed or ()] == ["order 9 (FR)", "order 153 (FR Paris 2026-01-01)"]


def test_it_says_when_nothing_is_new() -> None:
    billing = Billing(cut=Cut(request=200), orders=[{"id": 9, "country": "FR"}])
    error = unknown(lambda api, _, __: api.order_did("FR", "Paris", "901"), billing)
    assert "new in the list of number orders since: none" in str(error)
    assert error.appeared == ()


def test_it_says_when_the_list_cannot_be_read_either() -> None:
    class Gone(Billing):
        async def _respond(self, seen: bytes, writer: asyncio.StreamWriter) -> None:
            if seen.startswith(b"GET ") and self.posts_begun:
                return
            await super()._respond(seen, writer)

    error = unknown(lambda api, _, __: api.order_did("FR", "Paris", "901"), Gone(cut=Cut(request=200)))
    assert "the list of number orders cannot be read either" in str(error)
    assert (error.appeared, error.listed) == (None, None)


def test_a_line_order_is_looked_for_among_the_extensions() -> None:
    class WithExtensions(Billing):
        async def _respond(self, seen: bytes, writer: asyncio.StreamWriter) -> None:
            if not seen.startswith(b"GET /api/pbx"):
                return await super()._respond(seen, writer)
            numbers = ["901", *(["902"] if self.orders else [])]
            body = json.dumps(page([{"extension": number} for number in numbers])).encode()
            writer.write(HEAD % len(body) + body)

    async def act(api: BillingApi, _: Billing, port: int) -> object:
        endpoint = Endpoint(f"http://127.0.0.1:{port}", Secret(TOKEN), retry=Retry(1), keep_alive=False)
        async with PbxApi(endpoint, DOMAIN_UUID) as pbx:
            return await api.order_line({"starter": 1}, pbx=pbx)

    error = unknown(act, WithExtensions(cut=Cut(answer=3)))
    assert "new extensions since: 902" in str(error)
    assert error.appeared == ("902",)
    error = unknown(lambda api, _, __: api.order_line({"starter": 1}), Billing(cut=Cut(answer=3)))
    assert "has no list of line orders" in str(error)
