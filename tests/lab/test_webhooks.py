"""Webhooks: what is pushed when a call lives, what it looks like, and what happens when nobody takes it."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from softphone.errors import UsageError
from softphone.lab import Lab, LabOptions
from softphone.lab.certificates import make_certificates
from softphone.lab.service_options import WebhookOptions
from tests.lab.phone import phone, sdp
from tests.support.endpoint import Endpoint


def with_endpoint(test: Callable[[Lab, Endpoint], Awaitable[None]], **webhook: Any) -> None:
    async def run() -> None:
        async with Endpoint() as endpoint:
            options = WebhookOptions(endpoint.url, **({"retry_s": 0.01} | webhook))
            async with Lab(LabOptions(webhook=options)) as lab:
                await test(lab, endpoint)

    asyncio.run(run())


async def busy_call(lab: Lab, number: str = "9486") -> None:
    async with phone(lab, "901") as caller:
        await caller.register()
        await caller.invite(number, sdp(4000))
        caller.ack(await caller.expect(486))


def test_live_states_and_the_cdr_of_a_call() -> None:
    async def test(lab: Lab, endpoint: Endpoint) -> None:
        await busy_call(lab)
        (record,) = lab.calls
        posted = await endpoint.wait_for(3)
        assert [(each.json["event"], each.json["state"]) for each in posted] == [
            ("call", "ringing"),
            ("call", "finished"),
            ("cdr", "finished"),
        ]
        assert posted[2].path == "/webhooks/calls"
        assert posted[2].headers["authorization"] == "Bearer k"
        assert posted[2].headers["content-type"] == "application/json"
        assert posted[2].json == {
            "event": "cdr",
            "callUuid": record.uuid,
            "direction": "outbound",
            "number": "9486",
            "state": "finished",
            "duration": 0,
        }
        await lab.wait_for("webhook_sent", event="cdr", status=204)

    with_endpoint(test, headers={"Authorization": "Bearer k"})


def test_variables_mapping_and_the_choice_of_calls() -> None:
    async def test(lab: Lab, endpoint: Endpoint) -> None:
        await busy_call(lab)
        (only,) = await endpoint.wait_for(1)
        assert only.json == {"kind": "cdr", "who": "901", "why": "busy", "source": "pbx"}
        tested = await lab.service.webhooks.test(lab.tenant)
        assert (tested.status, tested.error) == (204, "")
        assert endpoint.posted[-1].json == {"kind": "test", "source": "pbx"}

    mapping = {"kind": "event", "who": "extension", "why": "cause", "nothing": "no such field"}
    with_endpoint(test, calls=("cdr",), mapping=mapping, variables={"source": "pbx"})


def test_deliveries_are_repeated_in_their_order() -> None:
    async def test(lab: Lab, endpoint: Endpoint) -> None:
        endpoint.statuses = [503, 500]
        await busy_call(lab)
        posted = await endpoint.wait_for(5)
        assert [each.json["state"] for each in posted] == ["ringing"] * 3 + ["finished"] * 2
        assert [each.status for each in lab.service.webhooks.deliveries][:3] == [503, 500, 204]

    with_endpoint(test)


def test_what_nobody_takes_is_given_up() -> None:
    async def test(lab: Lab, endpoint: Endpoint) -> None:
        lab.tenant.webhook = dataclasses.replace(lab.tenant.webhook, url="http://127.0.0.1:1/")  # type: ignore[type-var]
        await busy_call(lab)
        await lab.wait_for("webhook_failed", attempt=2, again=False, count=3)
        assert endpoint.posted == []

    with_endpoint(test, attempts=2)


@pytest.mark.parametrize(
    ("kind", "states"),
    [
        ("lose", ["finished", "finished"]),
        ("duplicate", ["ringing", "ringing", "finished", "finished"]),
        ("reorder", ["finished", "ringing", "finished"]),
        ("delay", ["ringing", "finished", "finished"]),
    ],
)
def test_faults(kind: str, states: list[str]) -> None:
    async def test(lab: Lab, endpoint: Endpoint) -> None:
        lab.fault("webhook", kind, times=1, delay_s=0.05)
        await busy_call(lab)
        assert [each.json["state"] for each in await endpoint.wait_for(len(states))] == states

    with_endpoint(test)


def test_https(tmp_path: Path) -> None:
    async def run() -> None:
        files = make_certificates(tmp_path, ["127.0.0.1"])
        async with Endpoint(tls=files.server_context()) as endpoint:
            options = WebhookOptions(endpoint.url, ca_file=files.ca, attempts=1)
            async with Lab(LabOptions(webhook=options)) as lab:
                assert (await lab.service.webhooks.test(lab.tenant)).status == 204
                lab.tenant.webhook = dataclasses.replace(options, ca_file=None)
                refused = await lab.service.webhooks.test(lab.tenant)
                assert refused.status == 0
                assert "CERTIFICATE_VERIFY_FAILED" in refused.error

    asyncio.run(run())


def test_settings_that_mean_nothing() -> None:
    with pytest.raises(UsageError, match="https"):
        WebhookOptions("ftp://x")
    with pytest.raises(UsageError, match="inbound"):
        WebhookOptions("https://x", calls=("everything",))
