"""Every parser of what the service sends, with anything at all: no exception but ours, and no token in any text."""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosedError
from websockets.frames import Close
from websockets.http11 import Response

from softphone.config import Secret
from softphone.errors import OrderUnknown, OutcomeUnknown, ProviderError, ProviderUnreadable
from softphone.kavkom import (
    AuthApi,
    BillingApi,
    CallState,
    Endpoint,
    PbxApi,
    Retry,
    WebhookEvent,
    WebhookMapping,
    parse_webhook,
)
from softphone.kavkom import livesocket as socket_side
from softphone.kavkom.fields import epoch_of, instant_of, seconds_of, text_of
from softphone.kavkom.frames import pong, read_frame
from softphone.kavkom.hiding import Hider
from softphone.kavkom.http import trust
from softphone.kavkom.ledger import Ledger
from softphone.kavkom.live_items import FINISHED
from softphone.kavkom.models import parse_extension
from softphone.kavkom.services import AUTH, BILLING
from softphone.kavkom.webhook import OUR_FIELDS
from tests.kavkom.answers import DOMAIN_UUID, TOKEN, page, record

ACCESS = "access-hunter2/+ü"[:-1]

# Words that the service knows make it likely that an example gets past the first check
_WORDS = st.sampled_from(
    "data return success status error message validationErrors token expiresAt valid event ping call sentStamp"
    " expiresInSec callUuid state direction number presenceId extension createdEpoch answeredEpoch duration call_uuid"
    " recording invoiceid order_number id accepted extension_uuid user_context password enabled src".split()
)
_TEXTS = (
    st.text(max_size=30)
    | st.sampled_from(["true", "0", "ringing", "finished", "-ERR x", "src invalid", "2026-01-01T00:00:00Z", "1" * 25])
    | st.sampled_from([TOKEN, f"bad {TOKEN}!", f"t={ACCESS}"])
)
_LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | _TEXTS | st.integers(10**20, 10**400)
JSON = st.recursive(
    _LEAVES,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_WORDS | _TEXTS, inner, max_size=6),
    max_leaves=20,
)
OBJECTS = st.dictionaries(_WORDS | _TEXTS, JSON, max_size=10)


def dumped(value: Any) -> bytes:
    return json.dumps(value).encode()


@st.composite
def spoiled(draw: st.DrawFn, *bodies: Any) -> bytes:
    """A documented body with some of it cut out, changed or doubled."""
    body = bytearray(dumped(draw(st.sampled_from(bodies))))
    for _ in range(draw(st.integers(1, 3))):
        first = draw(st.integers(0, len(body)))
        last = draw(st.integers(first, min(len(body), first + 20)))
        body[first:last] = draw(st.binary(max_size=10) | st.just(bytes(body[first:last]) * 2))
    return bytes(body)


def answers(*documented: Any) -> st.SearchStrategy[bytes]:
    return JSON.map(dumped) | OBJECTS.map(dumped) | spoiled(*documented) | st.binary(max_size=200)


STATUSES = st.sampled_from([200, 200, 200, 201, 204, 302, 400, 401, 403, 404, 408, 422, 429, 500, 503])
CALL_FRAME = {
    "event": "call",
    "data": {
        "callUuid": "abc-123",
        "state": "active",
        "direction": "inbound",
        "number": "380501234567",
        "presenceId": "1001@contact.example.kavkom.com",
        "createdEpoch": 1710763200,
        "answeredEpoch": 1710763205,
        "duration": 120,
    },
}
CDR = {"event": "cdr", "callUuid": "a1", "direction": "outbound", "number": "336", "state": "finished", "duration": 120}
STARTED = {"success": True, "message": "ok", "call_uuid": "a1b2", "recording": "+OK"}


def no_secret_in(text: str, *secrets: str) -> None:
    assert not any(secret in text for secret in secrets or (TOKEN,))


# ---- answers by HTTP, through the clients


class Service:
    """A service that says what the example says, and clients that ask it."""

    def __init__(self) -> None:
        self.body, self.status, self.kind = b"", 200, ""
        self._loop = asyncio.new_event_loop()
        transport = httpx.MockTransport(self._answer)
        api = Endpoint("https://api.kavkom.com", Secret(TOKEN), retry=Retry(1, 0.0), transport=transport)
        self.pbx = PbxApi(api, DOMAIN_UUID, max_records=50)
        bill = Endpoint("https://b", Secret(TOKEN), retry=Retry(1, 0.0), transport=transport, service=BILLING)
        self.billing = BillingApi(bill, DOMAIN_UUID)
        live = Endpoint(
            "https://l", Secret(TOKEN), retry=Retry(1, 0.0), transport=transport, scheme="bearer", service=AUTH
        )
        self.auth = AuthApi(live, Secret("user"))

    def _answer(self, request: httpx.Request) -> httpx.Response:
        return httpx.Response(self.status, content=self.body, headers={"content-type": self.kind})

    def ask(self, act: Callable[[], Awaitable[Any]], body: bytes, status: int, *secrets: str) -> Any:
        """What came of it: a result, or an error of ours that shows none of what was sent."""
        self.body, self.status = body, status
        try:
            return self._loop.run_until_complete(_done(act))
        except ProviderError as error:
            failure = error
        no_secret_in(f"{failure} {failure!r}", TOKEN, *secrets)
        assert failure.service
        return failure

    def close(self) -> None:
        for api in (self.pbx, self.billing, self.auth):
            self._loop.run_until_complete(api.aclose())
        self._loop.close()


async def _done(act: Callable[[], Awaitable[Any]]) -> Any:
    return await act()


@contextmanager
def service() -> Iterator[Service]:
    running = Service()
    try:
        yield running
    finally:
        running.close()


@pytest.mark.parametrize(
    ("act", "documented"),
    [
        (lambda s: s.pbx.extensions(), page([record()])),
        (lambda s: s.pbx.extensions_page(1, limit=5), page([record()])),
        (lambda s: s.pbx.extensions_limited(), page([record()])),
        (lambda s: s.pbx.call("901", "902"), STARTED),
        (lambda s: s.pbx.kill("a1b2"), {"success": True, "message": "ok"}),
        (lambda s: s.billing.order_line({"starter": 1}), {"invoiceid": 10231, "order_number": "0123456789"}),
        (lambda s: s.billing.did_orders(), {"status": "success", "return": [{"id": 1, "country": "FR"}]}),
        (lambda s: s.auth.acquire_access([1001]), {"token": "t", "expiresAt": "2026-01-01T00:00:00Z"}),
        (lambda s: s.auth.verify_access(Secret(ACCESS)), {"valid": True, "expiresAt": "2026-01-01T00:00:00Z"}),
        (lambda s: s.auth.revoke_access(Secret(ACCESS)), {"success": True}),
    ],
    ids="list page limited call kill order-line did-list acquire verify revoke".split(),
)
def test_any_answer_is_a_result_or_our_error(
    act: Callable[[Service], Awaitable[Any]], documented: Any, request: pytest.FixtureRequest
) -> None:
    sent = [ACCESS] if request.node.callspec.id in ("verify", "revoke") else []
    with service() as running:

        @given(answers(documented), STATUSES)
        def any_answer(body: bytes, status: int) -> None:
            result = running.ask(lambda: act(running), body, status, *sent)
            if hasattr(result, "model_dump_json"):
                json.loads(result.model_dump_json())

        any_answer()


def test_a_number_order_is_an_order_a_refusal_or_unknown() -> None:
    with service() as running:

        @given(answers({"status": "success", "return": {"id": 152, "accepted": True}}), STATUSES)
        def any_answer(body: bytes, status: int) -> None:
            result = running.ask(lambda: running.billing.order_did("FR", "Paris", "901"), body, status)
            if isinstance(result, OutcomeUnknown):
                assert isinstance(result, OrderUnknown)

        any_answer()


# ---- messages of the WebSocket


@given(answers(CALL_FRAME, {"event": "ping", "data": {"sentStamp": 1710763200000, "expiresInSec": 60}}))
@example(b'{"event":"call","data":{"callUuid":1e999,"state":"x"}}')
@example(b'{"event":"ping","data":' + b"[" * 50_000 + b"]" * 50_000 + b"}")
@example(dumped({"event": "error", "data": {"message": f"Invalid token {TOKEN}"}}))
@example(dumped({"event": TOKEN}))
def test_any_frame(frame: bytes) -> None:
    for each in (frame, frame.decode("utf-8", "replace")):
        try:
            read = read_frame(each, only_extension="1001", hide=Hider((Secret(TOKEN), Secret(ACCESS))))
        except ProviderUnreadable as error:
            no_secret_in(str(error), TOKEN, ACCESS)
            continue
        if isinstance(read, CallState):
            assert read.call_uuid
            assert read.state
            json.loads(read.model_dump_json())


@given(JSON)
def test_a_pong_carries_the_pings_data(data: Any) -> None:
    frame = json.dumps({"event": "ping", "data": data})
    try:
        ping = read_frame(frame)
    except ProviderUnreadable:
        assert "NaN" in frame or "Infinity" in frame
        return
    assert json.loads(pong(ping)) == {"event": "pong", "data": json.loads(frame)["data"]}  # type: ignore[arg-type]


@given(STATUSES, st.binary(max_size=100) | st.just(f"bad {ACCESS}".encode()), _TEXTS)
def test_any_refusal_of_the_handshake(status: int, body: bytes, reason: str) -> None:
    address = socket_side.LiveAddress("https://live.kavkom.com", _TRUST)
    response = Response(status, reason, Headers(), body)
    error = socket_side._refused(response, address, Hider((Secret(ACCESS), Secret(TOKEN))))
    no_secret_in(str(error), TOKEN, ACCESS)
    assert error.status == status


@given(st.integers(1000, 4999), _TEXTS)
def test_any_close_frame(code: int, reason: str) -> None:
    address = socket_side.LiveAddress("https://live.kavkom.com", _TRUST)
    error = socket_side.closed(ConnectionClosedError(Close(code, reason + ACCESS), None), address, Secret(ACCESS))
    assert ACCESS not in str(error)


_TRUST = trust(None)


# ---- webhooks and records


PATHS = st.lists(_WORDS | st.sampled_from(["0", "1", "a"]), min_size=1, max_size=3).map(".".join)
MAPPINGS = st.dictionaries(PATHS, st.sampled_from(OUR_FIELDS), max_size=4)


@given(answers(CDR, CALL_FRAME), MAPPINGS)
def test_any_webhook(body: bytes, fields: dict[str, str]) -> None:
    assume(len(set(fields.values())) == len(fields))
    try:
        event = parse_webhook(body, WebhookMapping(fields))
    except ProviderUnreadable as error:
        no_secret_in(str(error))
        return
    assert isinstance(event, WebhookEvent)
    assert event.call_uuid or event.kind == "other"
    json.loads(event.model_dump_json())


@given(st.dictionaries(_WORDS, _TEXTS | st.integers(0, 2**60), max_size=6), st.text(min_size=1, max_size=20))
def test_what_a_webhook_says_beyond_our_fields_is_kept(more: dict[str, Any], name: str) -> None:
    assume(name.encode("utf-8", "replace").decode() == name)
    assume("." not in name and name != "data" and name not in CDR | more and "data" not in more)
    extra = parse_webhook(dumped({**more, **CDR, name: {"x": 1}})).extra
    assert extra[name] == {"x": 1}


@given(JSON)
def test_any_record_of_an_extension(value: Any) -> None:
    try:
        extension = parse_extension(value, limited=True)
    except ValueError as error:
        no_secret_in(str(error))
        return
    json.loads(extension.model_dump_json())


# ---- values


@given(JSON)
@pytest.mark.parametrize("read", [text_of, seconds_of, epoch_of, instant_of])
def test_any_value(read: Callable[[object], object], value: Any) -> None:
    try:
        found = read(value)
    except ValueError as error:
        no_secret_in(str(error))
        return
    if isinstance(found, str):
        assert found.isprintable()
        found.encode()


@given(st.text(max_size=20), st.text(max_size=20), st.text(min_size=8, max_size=20))
def test_a_hidden_text_does_not_hold_the_secret(before: str, after: str, secret: str) -> None:
    assume(secret.encode("utf-8", "replace").decode() == secret)
    assert secret not in Hider((Secret(secret),))(before + secret + after) or secret in before + "***" + after


# ---- what is known of calls


CALLS = st.builds(
    CallState,
    call_uuid=st.sampled_from(["a", "b"]),
    extension=st.sampled_from(["1001", "1002"]),
    state=st.sampled_from(["ringing", "active", "held", "finished", "parked"]),
    duration_s=st.none() | st.integers(0, 3).map(float),
)


@given(st.lists(CALLS | st.just(None), max_size=40))
def test_a_ledger_tells_each_change_once(happened: list[CallState | None]) -> None:
    """None is a gap. Repetitions are never news, nothing follows the end, and the last news is what is known."""
    ledger, last = Ledger(), dict[tuple[str, str], CallState]()
    states = defaultdict[tuple[str, str], set[str]](set)
    for call in happened:
        if call is None:
            lost = ledger.doubt(["1001", "1002"])
            assert not any(each.finished for each in lost)
            continue
        key = (call.call_uuid, call.extension)
        news = ledger.take(call)
        if news == "new":
            assert key not in last or last[key].state not in (call.state, FINISHED)
            last[key] = call
        elif news == "late":
            assert call.state not in states[key]
        states[key].add(call.state)
        if news == "confirmed":
            assert last[key].state == call.state
        assert ledger.take(call) == "old"
    running = {(known.call.call_uuid, known.call.extension): known.call.state for known in ledger.running()}
    assert running == {key: call.state for key, call in last.items() if not call.finished}
