"""Whatever a client sends, the lab's readers answer with an error of ours, or take it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from websockets.exceptions import ConnectionClosed

from softphone.errors import UsageError
from softphone.lab.api.answers import ApiError
from softphone.lab.api.auth import _extensions
from softphone.lab.api.billing import _Order
from softphone.lab.api.control_fields import ControlFields, fault_from, webhook_from
from softphone.lab.api.fields import Fields
from softphone.lab.service_options import TenantOptions
from tests.lab.service import Client, with_service

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
NAMES = (
    "name",
    "url",
    "headers",
    "calls",
    "part",
    "kind",
    "status",
    "times",
    "probability",
    "options",
    "route",
    "type",
)
bodies = st.dictionaries(st.sampled_from(NAMES), anything)
FIELDS: list[Callable[[ControlFields], Any]] = [
    lambda fields: fields.text("name"),
    lambda fields: fields.uuid4("name"),
    lambda fields: fields.optional_uuid("name"),
    lambda fields: fields.number("name", 1, 10),
    lambda fields: fields.choice("name", ("a", "b"), "a"),
    lambda fields: fields.flag("name"),
    lambda fields: fields.numbers("name"),
    lambda fields: fields.words("name", ("a", "b")),
    lambda fields: fields.texts("name"),
    lambda fields: fields.real("name", 1.0, 10.0),
]


@settings(max_examples=300, deadline=None)
@given(body=bodies, read=st.sampled_from(FIELDS))
def test_fields(body: dict[str, Any], read: Callable[[ControlFields], Any]) -> None:
    fields = ControlFields(body)
    read(fields)
    with contextlib.suppress(ApiError):
        fields.check()


@settings(max_examples=300, deadline=None)
@given(body=bodies)
def test_bodies(body: dict[str, Any]) -> None:
    for read in (webhook_from, fault_from):
        with contextlib.suppress(ApiError, UsageError):
            read(body)
    order = _Order({"options": body.get("options"), **body})
    for act in (
        lambda: order.kind(("line", "did")),
        lambda: order.require(NAMES),
        order.domain,
        lambda: order.quantities(("a",)),
    ):
        with contextlib.suppress(ApiError):
            act()


@settings(max_examples=200, deadline=None)
@given(value=anything)
def test_extensions_of_a_token(value: Any) -> None:
    fields = Fields({})
    found = _extensions(value, fields)
    assert bool(found) != bool(fields.errors)
    assert all(each.isdecimal() for each in found)


@settings(max_examples=200, deadline=None)
@given(domain=st.text(max_size=20) | st.from_regex(r"[a-z0-9.-]{1,20}", fullmatch=True))
def test_domains(domain: str) -> None:
    with contextlib.suppress(UsageError):
        assert "/" not in TenantOptions(domain).domain


def test_frames_of_live_clients() -> None:
    frames: list[str | bytes] = [
        "",
        "[" * 20_000,
        '{"event":"pong"}',
        "null",
        '{"event":["pong"],"data":{}}',
        b"\xff\xfe",
        '"' + "x" * 60_000 + '"',
    ]

    async def test(api: Client) -> None:
        async with api.live(901) as live:
            for frame in frames:
                await live.socket.send(frame)
            await api.lab.wait_for("live_strange_frame", count=len(frames))
        with contextlib.suppress(ConnectionClosed):
            async with api.live(901) as live:
                await live.socket.send("x" * 100_000)  # more than anybody has to say
                await live.until_closed()
        await api.lab.wait_for("live_closed", count=2)

    with_service(test)
