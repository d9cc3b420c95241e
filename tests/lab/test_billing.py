"""Orders: the documented shapes and refusals, and what becomes of them on the PBX."""

from __future__ import annotations

from typing import Any

import pytest

from softphone.lab import LabOptions
from softphone.lab.service_options import ServiceOptions
from tests.lab.phone import phone, sdp
from tests.lab.service import Client, with_service
from tests.lab.sound import Rtp

PARIS = {"country": "FR", "location": "Paris", "extension": "901"}


def options(**service: Any) -> LabOptions:
    return LabOptions(service=ServiceOptions(**service))


def test_a_line_is_answered_bare_and_can_register() -> None:
    async def test(api: Client) -> None:
        first = await api.order("line", options={"starter": 2})
        assert (first.status_code, first.json()) == (200, {"invoiceid": 10231, "order_number": "0123456789"})
        second = (await api.order("line", options={"starter": 1, "premium": 1})).json()
        assert second == {"invoiceid": 10232, "order_number": "0123456790"}
        listed = (await api.get("/api/pbx/v1/extension/list", limit=50)).json()["data"]
        assert [row["extension"] for row in listed] == [str(n) for n in range(901, 910)]
        async with phone(api.lab, "905") as new:
            await new.register()
        await api.lab.wait_for("registered", extension="905", domain="pbx.lab.test")

    with_service(test)


def test_lines_take_their_time() -> None:
    async def test(api: Client) -> None:
        await api.order("line", options={"starter": 1})
        assert "905" not in api.tenant.extensions
        await api.lab.wait_for("extension_added", extension="905")
        assert "905" in api.tenant.extensions

    with_service(test, options(line_delay_s=0.05))


@pytest.mark.parametrize(
    ("style", "line_keys", "did_keys"),
    [
        ("documented", {"invoiceid", "order_number"}, {"status", "return"}),
        ("bare", {"invoiceid", "order_number"}, {"id", "accepted"}),
        ("enveloped", {"status", "return"}, {"status", "return"}),
    ],
)
def test_bare_and_enveloped(style: str, line_keys: set[str], did_keys: set[str]) -> None:
    async def test(api: Client) -> None:
        assert set((await api.order("line", options={"starter": 1})).json()) == line_keys
        assert set((await api.order("did", **PARIS)).json()) == did_keys
        assert set((await api.did_orders()).json()) == {"status", "return"}

    with_service(test, options(billing_envelope=style))


def test_a_number_is_routed_to_its_extension() -> None:
    async def test(api: Client) -> None:
        answer = await api.order("did", **PARIS, description="Sales line")
        assert answer.json() == {"status": "success", "return": {"id": 152, "accepted": True}}
        (row,) = (await api.did_orders()).json()["return"]
        assert (row["number"], row["description"], row["extension"]) == ("33199000001", "Sales line", "901")
        async with phone(api.lab, "901") as owner, phone(api.lab, "902") as caller, Rtp() as rtp:
            await owner.register()
            await caller.register()
            await caller.invite("+33199000001", sdp(rtp.port))
            invite = await owner.expect("INVITE")
            owner.reply(invite, 486)
            caller.ack(await caller.expect(486))
            ended = await api.lab.wait_for("call_ended", code=486)
            (call,) = [each for each in api.lab.calls if each.uuid == ended["call"]]
            assert [(each.extension, each.direction) for each in call.parties] == [
                ("902", "outbound"),
                ("901", "inbound"),
            ]

    with_service(test)


def test_acceptance_by_hand_and_after_a_while() -> None:
    async def by_hand(api: Client) -> None:
        assert (await api.order("did", **PARIS)).json()["return"] == {"id": 152, "accepted": False}
        (row,) = (await api.did_orders()).json()["return"]
        assert (row["status"], row["number"], row["accept_date"]) == ("pending", None, None)
        order = api.lab.accept_did(152)
        again = api.lab.accept_did(152)
        assert (order.number, again.number) == ("33199000001", "33199000001")
        assert (await api.did_orders()).json()["return"][0]["number"] == "33199000001"

    async def later(api: Client) -> None:
        assert (await api.order("did", **PARIS)).json()["return"]["accepted"] is False
        await api.lab.wait_for("did_accepted", order=152, number="33199000001", extension="901")

    with_service(by_hand, options(did_acceptance_s=None))
    with_service(later, options(did_acceptance_s=0.05))


def test_the_order_of_the_list() -> None:
    async def test(api: Client) -> None:
        for place in ("Paris", "Lyon", "Rennes"):
            await api.order("did", **PARIS | {"location": place})
        for order_id in (153, 152):
            api.lab.accept_did(order_id)

        async def ids(**query: Any) -> list[int]:
            return [row["id"] for row in (await api.did_orders(**query)).json()["return"]]

        assert await ids() == [154, 153, 152]
        assert await ids(orderby="order_date", asc="1") == [152, 153, 154]
        assert await ids(orderby="accept_date", asc="true") == [153, 152, 154]
        refused = await api.did_orders(orderby="price")
        assert (refused.status_code, refused.json()) == (
            422,
            {"status": "error", "message": "The selected orderby is invalid."},
        )

    with_service(test, options(did_acceptance_s=None))


def test_identities() -> None:
    async def required(api: Client) -> None:
        refused = await api.order("did", **PARIS)
        assert (refused.status_code, refused.json()) == (
            200,
            {"status": "error", "message": "The identity has not been validated"},
        )
        accepted = await api.order("did", **PARIS, identiy="ID-1001")
        assert accepted.json()["status"] == "success"
        assert [row["identiy"] for row in (await api.did_orders()).json()["return"]] == ["ID-1001"]

    async def refused(api: Client) -> None:
        answer = await api.order("did", **PARIS, identiy="ID-1001")
        assert answer.json() == {"status": "error", "message": "The identity has been refused"}
        assert (await api.did_orders()).json()["return"] == []

    with_service(required, options(identity="required"))
    with_service(refused, options(identity="refused"))


@pytest.mark.parametrize(
    ("kind", "body", "status", "message"),
    [
        ("line", {}, 422, "Fields required: domain_uuid, options"),
        ("line", {"options": {}}, 422, "Fields required: domain_uuid, options"),
        ("line", {"domain_uuid": None, "options": {"starter": 1}}, 422, "Fields required: domain_uuid, options"),
        ("line", {"options": {"gold": 1}}, 422, "Unknown option; there are starter, business, premium"),
        ("line", {"options": {"starter": 0}}, 422, "The quantity of starter must be between 1 and 100."),
        ("line", {"options": {"starter": True}}, 422, "The quantity of starter must be between 1 and 100."),
        ("line", {"options": ["starter"]}, 422, "The options field must be a map of option name to quantity."),
        ("line", {"domain_uuid": "1", "options": {"starter": 1}}, 422, "The domain_uuid field must be a valid UUID."),
        ("did", {}, 422, "Fields required: domain_uuid, country, location, extension"),
        ("did", PARIS | {"country": "XX"}, 200, "Country XX is not available"),
        ("did", PARIS | {"location": "Nice"}, 200, "Location Nice is not available in FR"),
        ("did", PARIS | {"extension": "555"}, 200, "Extension 555 does not exist"),
        ("fax", {}, 404, "Unknown type"),
    ],
)
def test_refusals(kind: str, body: dict[str, Any], status: int, message: str) -> None:
    async def test(api: Client) -> None:
        answer = await api.order(kind, **body)
        assert (answer.status_code, answer.json()) == (status, {"status": "error", "message": message})
        assert api.lab.service.orders.lines == []

    with_service(test)


def test_tokens_routes_and_domains() -> None:
    async def test(api: Client) -> None:
        for token, text in (("", "Token is missing"), ("wrong", "Token is not valid")):
            answer = await api.order("line", token=token, options={"starter": 1})
            assert (answer.status_code, answer.json()) == (401, {"status": "error", "message": text})
        api.lab.directory.allow("lists-only", api.tenant, routes=["extension/list"])
        answer = await api.order("line", token="lists-only", options={"starter": 1})
        assert (answer.status_code, answer.json()["message"]) == (403, "Token is not authorized for this route")
        assert (await api.get("/api/pbx/v1/extension/list", token="lists-only")).status_code == 200
        foreign = await api.order("line", domain_uuid="ddcfeb62-110f-4bd7-b7a9-965e1a78295f", options={"starter": 1})
        assert foreign.json() == {"status": "error", "message": "Token is not authorized for this domain"}

    with_service(test)


def test_every_error_under_200() -> None:
    async def test(api: Client) -> None:
        billing = await api.order("line", token="wrong", options={"starter": 1})
        assert (billing.status_code, billing.json()["status"]) == (200, "error")
        pbx = await api.get("/api/pbx/v1/extension/list", token="wrong")
        assert (pbx.status_code, pbx.json()["error"]) == (200, True)

    with_service(test, options(error_status="ok"))


def test_an_order_whose_answer_is_lost_is_in_the_list() -> None:
    async def test(api: Client) -> None:
        api.lab.fault("billing", "lost_answer", times=1)
        with pytest.raises(Exception, match="disconnected"):
            await api.order("did", **PARIS)
        assert [row["id"] for row in (await api.did_orders()).json()["return"]] == [152]

    with_service(test)
