"""Faults on demand: in HTTP, in TLS, by chance and by seed."""

from __future__ import annotations

import asyncio
import ssl
import time
from typing import Any

import httpx
import pytest

from softphone.errors import NotFound, UsageError
from softphone.lab import Lab, LabOptions
from softphone.lab.faults import FaultPlan
from softphone.lab.service_options import TenantOptions
from tests.lab.phone import phone
from tests.lab.service import Client, with_service

LIST = "/api/pbx/v1/extension/list"


def test_every_part_has_faults_of_its_own() -> None:
    async def test(api: Client) -> None:
        api.lab.fault("billing", "status", status=503)
        api.lab.fault("auth", "html", status=502)
        billing = await api.did_orders()
        assert (billing.status_code, billing.json()) == (
            503,
            {"status": "error", "message": "The server cannot answer now"},
        )
        auth = await api.auth("acquire-access")
        assert (auth.status_code, auth.headers["content-type"][:9]) == (502, "text/html")
        assert (await api.get(LIST)).status_code == 200
        api.lab.faults.clear("billing")
        assert (await api.did_orders()).status_code == 200
        api.lab.faults.clear()
        assert api.lab.faults.all() == []

    with_service(test)


def test_paths_and_times() -> None:
    async def test(api: Client) -> None:
        api.lab.fault("pbx", "status", times=1, path="list_limited")
        assert (await api.get(LIST)).status_code == 200
        assert (await api.get(LIST + "_limited")).status_code == 500
        assert (await api.get(LIST + "_limited")).status_code == 200

    with_service(test)


def test_a_body_that_trickles_arrives_whole() -> None:
    async def test(api: Client) -> None:
        api.lab.fault("pbx", "slow_body", delay_s=0.2, times=1)
        began = time.monotonic()
        assert len((await api.get(LIST)).json()["data"]) == 5
        assert time.monotonic() - began > 0.15

    with_service(test)


def test_what_was_done_before_the_answer_was_lost_or_late() -> None:
    async def test(api: Client) -> None:
        api.lab.fault("billing", "late_answer", delay_s=5, times=1)
        with pytest.raises(httpx.ReadTimeout):
            await api.http.post(
                "/api.php",
                json={"route": "order", "type": "line", "domain_uuid": api.tenant.uuid, "options": {"starter": 1}},
                headers={"X-API-TOKEN": api.tenant.api_token},
                timeout=0.3,
            )
        assert "905" in api.tenant.extensions

    with_service(test)


def test_a_nonce_that_the_registrar_dislikes() -> None:
    async def test(api: Client) -> None:
        fault = api.lab.fault("sip", "wrong_nonce", times=1, path="901")
        async with phone(api.lab, "901") as one:
            await one.register(expect=401)
            await one.register()
        assert fault.struck == 1
        await api.lab.wait_for("registered", extension="901")

    with_service(test)


def test_chance_comes_from_the_seed() -> None:
    def struck(seed: int, *, others: int = 0) -> list[bool]:
        plan = FaultPlan(seed)
        plan.add("pbx", "status", probability=0.5)
        for _ in range(others):
            plan.strikes("live")
        return [plan.strikes("pbx") is not None for _ in range(50)]

    assert struck(1) == struck(1, others=7)
    assert struck(1) != struck(2)
    assert 10 < sum(struck(1)) < 40


def test_what_is_no_fault() -> None:
    plan = FaultPlan()
    for part, kind in (("pbx", "lose"), ("nothing", "status"), ("billing", "endless_pages")):
        with pytest.raises(UsageError):
            plan.add(part, kind)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="probability"):
        plan.add("pbx", "status", probability=2)
    with pytest.raises(NotFound):
        plan.remove(1)


@pytest.mark.parametrize(
    ("kind", "text"),
    [("expired", "expired"), ("wrong_name", "mismatch"), ("self_signed", "self-signed|local issuer")],
)
def test_certificates_that_nobody_should_trust(kind: Any, text: str) -> None:
    async def run() -> None:
        async with Lab(LabOptions(api_https=True)) as lab:
            fault = lab.fault("tls", kind)
            async with httpx.AsyncClient(verify=_trusting(lab), trust_env=False) as client:
                with pytest.raises(httpx.ConnectError, match=f"(?i){text}"):
                    await client.get(lab.api_url)
                lab.faults.remove(fault.id)
                assert (await client.get(lab.api_url)).status_code < 500

    asyncio.run(run())


def test_a_tenant_of_later_has_a_certificate_too() -> None:
    async def run() -> None:
        async with Lab(LabOptions(api_https=True)) as lab:
            context = _trusting(lab)
            lab.add_tenant(TenantOptions("late.test"))
            _, writer = await asyncio.open_connection(
                "127.0.0.1", lab.sip_tls_port, ssl=context, server_hostname="late.test"
            )
            writer.close()
            await writer.wait_closed()
            lab.remove_tenant("late.test")

    asyncio.run(run())


def _trusting(lab: Lab) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(lab.ca_file))
