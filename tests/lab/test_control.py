"""/lab/v1: the lab driven from outside, as a test in another language would."""

from __future__ import annotations

import asyncio
import contextlib
import json
import statistics
import time
from typing import Any

import httpx
import pytest

from softphone.lab import Lab, LabOptions
from softphone.lab.service_options import ServiceOptions
from tests.lab.phone import phone, sdp
from tests.lab.service import Client, with_service
from tests.lab.sound import Rtp
from tests.support.endpoint import Endpoint


async def ask(api: Client, method: str, path: str, body: Any = None, *, status: int = 200) -> Any:
    response = await api.http.request(method, f"/lab/v1{path}", json=body)
    assert response.status_code == status, response.text
    if status >= 400:
        assert response.headers["content-type"] == "application/problem+json"
        return response.json()["detail"]
    return response.json() if response.content else None


def test_where_everything_is() -> None:
    async def test(api: Client) -> None:
        about = await ask(api, "GET", "")
        assert about["api_url"] == api.lab.api_url
        assert about["sip"]["tls"] == api.lab.sip_tls_port
        assert about["first_tenant"] == "pbx.lab.test"
        numbers = {each["number"]: each["name"] for each in await ask(api, "GET", "/numbers")}
        assert numbers["9196"] == "echo"
        (tenant,) = await ask(api, "GET", "/tenants")
        assert (tenant["api_token"], tenant["domain_uuid"]) == (api.lab.api_token, api.lab.domain_uuid)
        state = await ask(api, "GET", "/state")
        assert [each["extension"] for each in state["tenants"][0]["extensions"]] == ["901", "902", "903", "904", "909"]

    with_service(test)


def test_tenants_come_and_go() -> None:
    async def test(api: Client) -> None:
        made = await ask(api, "POST", "/tenants", {"domain": "shop.test", "extensions": ["10", "11"]}, status=201)
        tenant = api.lab.directory.tenant("shop.test")
        shop = Client(api.lab, api.http, tenant)
        assert made["api_token"] == tenant.api_token
        listed = (await shop.get("/api/pbx/v1/extension/list")).json()["data"]
        assert [(row["extension"], row["user_context"]) for row in listed] == [("10", "shop.test"), ("11", "shop.test")]
        assert (await api.get("/api/pbx/v1/extension/list", token=tenant.api_token)).status_code == 403
        limited = await ask(api, "POST", "/tenants/shop.test/tokens", {"routes": ["extension/list"]}, status=201)
        assert (await shop.get("/api/pbx/v1/extension/list", token=limited["api_token"])).status_code == 200
        assert (await shop.did_orders(token=limited["api_token"])).status_code == 403
        for body in ({"domain": "shop.test"}, {"domain": "x.test", "domain_uuid": tenant.uuid}):
            await ask(api, "POST", "/tenants", body, status=409)
        for wrong in (
            {},
            {"domain": "../x"},
            {"domain": "x", "extensions": ["1", "1"]},
            {"domain": "x", "extensions": 5},
        ):
            await ask(api, "POST", "/tenants", wrong, status=422)
        await ask(api, "DELETE", "/tenants/shop.test", status=204)
        assert await ask(api, "GET", "/tenants/shop.test", status=404)
        await ask(api, "DELETE", "/tenants/pbx.lab.test", status=409)
        assert (await shop.get("/api/pbx/v1/extension/list")).status_code == 403
        assert (await shop.auth("verify-access")).status_code == 401

    with_service(test)


def test_extensions_and_registrations() -> None:
    async def test(api: Client) -> None:
        base = "/tenants/pbx.lab.test/extensions"
        made = await ask(api, "POST", base, {"extension": "950", "password": "secret"}, status=201)
        assert (made["password"], made["registered"]) == ("secret", 0)
        await ask(api, "POST", base, {"extension": "950"}, status=409)
        await ask(api, "POST", base, {"extension": "9 0"}, status=422)
        async with phone(api.lab, "950") as new:
            await new.register()
            (binding,) = await ask(api, "GET", "/registrations")
            assert (binding["extension"], binding["domain"], binding["transport"]) == ("950", "pbx.lab.test", "udp")
            off = await ask(api, "PATCH", f"{base}/950", {"enabled": False})
            assert (off["enabled"], off["registered"]) == (False, 0)
            await ask(api, "PATCH", f"{base}/950", {"enabled": True, "password": "other"})
            await new.register(expect=403)
        await ask(api, "DELETE", f"{base}/950", status=204)
        await ask(api, "GET", f"{base}/950", status=404)

    with_service(test)


def test_calls_are_made_seen_and_ended() -> None:
    async def test(api: Client) -> None:
        async with phone(api.lab, "901") as one, Rtp() as rtp:
            assert "not registered" in await ask(api, "POST", "/calls", {"to": "901"}, status=409)
            await one.register()
            made = await ask(api, "POST", "/calls", {"to": "901", "caller": "33612345678"}, status=201)
            invite = await one.expect("INVITE")
            assert invite.from_address.uri.user == "33612345678"
            one.reply(invite, 200, body=sdp(rtp.port))
            await one.expect("ACK")
            await api.lab.wait_for("call_answered", call=made["uuid"])
            (active,) = await ask(api, "GET", "/calls?state=active")
            assert (active["uuid"], active["callee"]) == (made["uuid"], "901")
            await ask(api, "DELETE", f"/calls/{made['uuid']}")
            one.reply(await one.expect("BYE"), 200)
            await api.lab.wait_for("call_ended", call=made["uuid"])
            ended = await ask(api, "GET", f"/calls/{made['uuid']}")
            assert (ended["state"], ended["cause"], ended["ended_by"]) == ("finished", "killed", "pbx")
            await ask(api, "DELETE", f"/calls/{made['uuid']}", status=404)
            click = await ask(api, "POST", "/calls", {"from": "901", "to": "9196", "auto_answer": True}, status=201)
            assert "answer-after=0" in (invite := await one.expect("INVITE")).headers["Call-Info"]
            one.reply(invite, 486)
            await one.expect("ACK")
            await api.lab.wait_for("call_ended", call=click["uuid"])
        for body in ({}, {"to": "555"}, {"to": "901", "service": "1"}, {"to": "901", "domain": "x.test"}):
            await ask(api, "POST", "/calls", body, status=404 if body else 422)
        await ask(api, "GET", "/calls?state=odd", status=422)

    with_service(test)


def test_orders_are_accepted_by_hand() -> None:
    async def test(api: Client) -> None:
        await api.order("did", country="FR", location="Lyon", extension="902")
        await api.order("line", options={"starter": 1})
        accepted = await ask(api, "POST", "/orders/152/accept")
        assert (accepted["number"], accepted["extension"]) == ("33465710001", "902")
        orders = await ask(api, "GET", "/orders")
        assert orders["dids"] == [accepted]
        assert orders["lines"][0]["extensions"] == ["905"]
        await ask(api, "POST", "/orders/1/accept", status=404)

    with_service(test, LabOptions(service=ServiceOptions(did_acceptance_s=None)))


def test_events_are_listed_and_followed() -> None:
    async def test(api: Client) -> None:
        await api.did_orders()
        listed = await ask(api, "GET", "/events?name=api_request")
        assert listed["events"][-1]["data"]["path"] == "/api.php"
        async with api.http.stream("GET", "/lab/v1/events/stream", headers={"Last-Event-ID": "0"}) as stream:
            lines = stream.aiter_lines()
            seen: list[dict[str, Any]] = []
            async with asyncio.timeout(10):
                async for line in lines:
                    if line.startswith("data: "):
                        seen.append(json.loads(line.removeprefix("data: ")))
                    if len(seen) == 1:
                        api.lab.events.emit("digits", call="x", digits="42")
                    if seen and seen[-1]["name"] == "digits":
                        break
            assert [each["sequence"] for each in seen] == list(range(1, len(seen) + 1))
        for query in ("since=-1", "limit=0", "limit=2000"):
            await ask(api, "GET", f"/events?{query}", status=422)

    with_service(test)


def test_faults_and_actions() -> None:
    async def test(api: Client) -> None:
        body = {"part": "billing", "kind": "status", "status": 503, "times": 1}
        fault = await ask(api, "POST", "/faults", body, status=201)
        assert (await api.did_orders()).status_code == 503
        (now,) = await ask(api, "GET", "/faults")
        assert now == fault | {"struck": 1}
        await ask(api, "DELETE", f"/faults/{fault['id']}", status=204)
        await ask(api, "DELETE", f"/faults/{fault['id']}", status=404)
        await ask(api, "POST", "/faults", {"part": "live", "kind": "lose"}, status=201)
        await ask(api, "DELETE", "/faults", status=204)
        assert await ask(api, "GET", "/faults") == []
        assert "lose" in (await ask(api, "GET", "/faults/kinds"))["live"]
        for wrong in ({}, {"part": "live", "kind": "empty"}, body | {"probability": 2}, body | {"status": 200}):
            await ask(api, "POST", "/faults", wrong, status=422)
        await api.acquire(901)
        assert await ask(api, "POST", "/actions/expire-tokens") == {"done": "expire-tokens", "count": 1}
        async with phone(api.lab, "901") as one:
            await one.register()
            await ask(api, "POST", "/actions/forget-registrations")
            assert await ask(api, "GET", "/registrations") == []
        await ask(api, "POST", "/actions/explode", status=404)

    with_service(test)


def test_webhooks_are_set_tested_and_taken_away() -> None:
    async def test(api: Client) -> None:
        base = "/tenants/pbx.lab.test/webhook"
        await ask(api, "POST", f"{base}/test", status=409)
        async with Endpoint() as endpoint:
            body = {
                "url": endpoint.url,
                "headers": {"X-Secret": "hush"},
                "calls": ["cdr"],
                "mapping": {"id": "callUuid"},
            }
            shown = await ask(api, "PUT", base, body)
            assert (shown["headers"], shown["calls"]) == (["X-Secret"], ["cdr"])
            assert (await ask(api, "POST", f"{base}/test"))["status"] == 204
            assert endpoint.posted[0].headers["x-secret"] == "hush"
            assert set(endpoint.posted[0].json) == {"id"}
            assert [each["event"] for each in await ask(api, "GET", f"{base}/deliveries")] == ["test"]
        assert (await ask(api, "POST", f"{base}/test"))["status"] == 0
        for wrong in ({}, {"url": "ftp://x"}, body | {"calls": ["all"]}, body | {"headers": {"a b": "x"}}):
            await ask(api, "PUT", base, wrong, status=422)
        await ask(api, "DELETE", base, status=204)
        assert (await ask(api, "GET", "/tenants/pbx.lab.test"))["webhook"] is None

    with_service(test)


def test_what_is_not_there() -> None:
    async def test(api: Client) -> None:
        await ask(api, "GET", "/nothing", status=404)
        response = await api.http.request("PUT", "/lab/v1/faults")
        assert (response.status_code, sorted(response.headers["allow"].split(", "))) == (
            405,
            ["DELETE", "GET", "HEAD", "POST"],
        )
        form = await api.http.post("/lab/v1/faults", content=b"part=live", headers={"Content-Type": "text/plain"})
        assert form.status_code == 415  # what a foreign web page could send without being asked

    with_service(test)


def test_a_page_from_elsewhere_may_not() -> None:
    async def test(api: Client) -> None:
        for origin, status in (("https://evil.example", 403), ("null", 403), (api.lab.api_url, 200)):
            answer = await api.http.post("/lab/v1/actions/thaw", headers={"Origin": origin})
            assert answer.status_code == status

    with_service(test)


def test_answers_are_not_held_back() -> None:
    """One request after another on one connection: no 40 ms for each (Nagle against delayed acknowledgements)."""

    async def test(api: Client) -> None:
        took_s = []
        for _ in range(20):
            began = time.monotonic()
            assert (await api.did_orders()).status_code == 200
            took_s.append(time.monotonic() - began)
        assert statistics.median(took_s) < 0.03

    with_service(test)


def test_the_lab_stops_while_somebody_follows() -> None:
    async def run() -> None:
        async with httpx.AsyncClient() as http, contextlib.AsyncExitStack() as stack:
            lab = await stack.enter_async_context(Lab())
            async with http.stream("GET", f"{lab.api_url}/lab/v1/events/stream") as stream:
                lines = stream.aiter_lines()
                assert await anext(lines) == "retry: 1000"
                async with asyncio.timeout(10):
                    await stack.aclose()
                    assert [line async for line in lines] == [""]

    asyncio.run(run())


@pytest.mark.parametrize("path", ["/openapi.json", "/lab/v1/openapi.json", "/"])
def test_documents_and_page_are_served(path: str) -> None:
    async def test(api: Client) -> None:
        response = await api.http.get(path)
        assert response.status_code == 200
        if path != "/":
            assert response.json()["openapi"] == "3.1.0"

    with_service(test)
