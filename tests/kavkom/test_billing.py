"""The billing API: what is asked, bare and enveloped answers, refusals, and the list of orders in any shape."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest

from softphone.config import Provider, Secret
from softphone.errors import (
    FieldsRefused,
    OrderUnknown,
    ProviderDown,
    ProviderRefused,
    TokenRefused,
    UsageError,
)
from softphone.kavkom import BillingApi, Retry
from tests.kavkom.answers import DOMAIN_UUID, TOKEN, reply

LINE = {"invoiceid": 10231, "order_number": "0123456789"}
DID = {"status": "success", "return": {"id": 152, "accepted": True}}
EMPTY = {"status": "success", "return": []}


class Service:
    """Answers lists with `listed`, orders with `answer`, and remembers what it was asked."""

    def __init__(self, answer: object = None, status: int = 200, *, listed: object = EMPTY, list_status: int = 200):
        self.answer, self.status, self.listed, self.list_status = answer, status, listed, list_status
        self.orders: list[dict[str, Any]] = []
        self.lists: list[dict[str, str]] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        assert request.url.copy_with(query=None) == "https://client.kavkom.com/api.php"
        assert request.headers["x-api-token"] == TOKEN
        assert request.headers["accept"] == request.headers["content-type"] == "application/json"
        if request.method == "GET":
            self.lists.append(dict(request.url.params))
            return reply(self.listed, self.list_status)
        self.orders.append(json.loads(request.content))
        return reply(self.answer, self.status)


def on(service: Service, act: Callable[[BillingApi], Awaitable[Any]]) -> Any:
    async def run() -> Any:
        provider = Provider.model_validate({"domain_uuid": DOMAIN_UUID, "token": Secret(TOKEN)})
        transport, retry = httpx.MockTransport(service), Retry(2, 0.0)
        async with BillingApi.of(provider, transport=transport, retry=retry) as api:
            return await act(api)

    return asyncio.run(run())


def test_a_line_is_ordered_as_documented() -> None:
    service = Service(LINE)
    order = on(service, lambda api: api.order_line({"starter": 2}))
    assert service.orders == [{"route": "order", "type": "line", "domain_uuid": DOMAIN_UUID, "options": {"starter": 2}}]
    assert (order.invoice_id, order.order_number, order.extra) == (10231, "0123456789", {})


def test_a_line_in_the_envelope_with_fields_that_we_do_not_know() -> None:
    order = on(
        Service({"status": "success", "return": LINE | {"due": 5, "api_token": "t0p"}}),
        lambda api: api.order_line({"starter": 1}),
    )
    assert (order.invoice_id, order.order_number) == (10231, "0123456789")
    assert order.extra == {"due": 5, "api_token": Secret("t0p")}


def test_a_number_is_ordered_as_documented() -> None:
    service = Service(DID)
    order = on(service, lambda api: api.order_did("FR", "Paris", "901", description="Sales line", identity="kyc-17"))
    assert service.orders == [
        {
            "route": "order",
            "type": "did",
            "domain_uuid": DOMAIN_UUID,
            "country": "FR",
            "location": "Paris",
            "extension": "901",
            "description": "Sales line",
            "identiy": "kyc-17",
        }
    ]
    assert (order.id, order.accepted) == (152, True)
    assert len(service.lists) == 1


def test_what_is_optional_is_left_out() -> None:
    service = Service(DID)
    on(service, lambda api: api.order_did("FR", "Paris", "901"))
    assert set(service.orders[0]) == {"route", "type", "domain_uuid", "country", "location", "extension"}


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ({"id": "7", "accepted": "false"}, (7, False)),
        ({"status": "success", "return": {}}, (None, None)),
        ({"status": "success", "return": None}, (None, None)),
        ({"status": "success", "return": {"id": [1], "accepted": {"x": 1}}}, (None, None)),
        ({"status": "success"}, (None, None)),
    ],
)
def test_an_order_that_was_taken_never_fails_for_its_shape(answer: Any, expected: Any) -> None:
    order = on(Service(answer), lambda api: api.order_did("FR", "Paris", "901"))
    assert (order.id, order.accepted) == expected


@pytest.mark.parametrize("status", [200, 400, 422])
def test_missing_fields_are_named(status: int) -> None:
    service = Service({"status": "error", "message": "Fields required: domain_uuid, options"}, status)
    with pytest.raises(FieldsRefused) as caught:
        on(service, lambda api: api.order_line({"starter": 1}))
    assert (caught.value.field, set(caught.value.fields)) == ("domain_uuid", {"domain_uuid", "options"})
    assert (caught.value.service, caught.value.status) == ("billing", status)


@pytest.mark.parametrize("text", ["Identity is not validated", "Location Paris is not in the catalog"])
def test_a_refusal_for_the_identity_or_the_catalog(text: str) -> None:
    service = Service({"status": "error", "message": text})
    with pytest.raises(ProviderRefused, match=text):
        on(service, lambda api: api.order_did("FR", "Paris", "901"))
    assert len(service.orders) == 1


def test_a_refused_token() -> None:
    refused = {"status": "error", "message": "Unauthorized"}
    with pytest.raises(TokenRefused, match=r"provider\.token"):
        on(Service(listed=refused, list_status=401), lambda api: api.did_orders())
    with pytest.raises(TokenRefused):
        on(Service(refused, 401), lambda api: api.order_line({"starter": 1}))


def test_a_token_that_may_not_read_the_list_may_order_all_the_same() -> None:
    refused = {"status": "error", "message": "Token is not authorized for this route"}
    order = on(Service(DID, listed=refused, list_status=403), lambda api: api.order_did("FR", "Paris", "901"))
    assert order.id == 152
    with pytest.raises(OrderUnknown, match="cannot be read either") as caught:
        on(Service(b"", 502, listed=refused, list_status=403), lambda api: api.order_did("FR", "Paris", "901"))
    assert caught.value.appeared is None


def test_without_a_list_nothing_is_ordered() -> None:
    service = Service(DID, listed=b"", list_status=503)
    with pytest.raises(ProviderDown, match="nothing was ordered"):
        on(service, lambda api: api.order_did("FR", "Paris", "901"))
    assert service.orders == []


@pytest.mark.parametrize("options", [{}, {"starter": 0}, {"starter": -1}, {"starter": True}, {"": 1}, {"a": 10**9}])
def test_a_line_order_without_sense_is_never_sent(options: dict[str, int]) -> None:
    service = Service(LINE)
    with pytest.raises(UsageError):
        on(service, lambda api: api.order_line(options))
    assert service.orders == []


@pytest.mark.parametrize("place", [("", "Paris", "901"), ("FR", " ", "901"), ("FR", "Paris", "")])
def test_a_number_order_without_sense_is_never_sent(place: tuple[str, str, str]) -> None:
    service = Service(DID)
    with pytest.raises(UsageError):
        on(service, lambda api: api.order_did(*place))
    assert service.orders == service.lists == []


# ---- the list


def test_the_list_is_asked_for_with_its_parameters() -> None:
    service = Service()
    on(service, lambda api: api.did_orders())
    on(service, lambda api: api.did_orders(orderby="accept_date", asc=True))
    on(service, lambda api: api.did_orders(orderby="order_date", asc=False))
    base = {"route": "order", "type": "didlist", "domain_uuid": DOMAIN_UUID}
    assert service.lists == [
        base,
        base | {"orderby": "accept_date", "asc": "1"},
        base | {"orderby": "order_date", "asc": "0"},
    ]


RECORD = {"id": 152, "country": "FR", "did": "33123456789", "status": "accepted", "colour": "red", "secret": "s3"}


@pytest.mark.parametrize(
    "listed",
    [
        {"status": "success", "return": [RECORD]},
        {"status": "success", "return": {"orders": [RECORD], "total": 1}},
        {"status": "success", "return": {"152": RECORD}},
        {"data": [RECORD], "success": True},
    ],
)
def test_the_list_in_any_shape(listed: Any) -> None:
    orders = on(Service(listed=listed), lambda api: api.did_orders()).orders
    assert [(o.id, o.country, o.number, o.status, o.order_date) for o in orders] == [
        ("152", "FR", "33123456789", "accepted", "")
    ]
    assert orders[0].raw["colour"] == "red"
    assert orders[0].raw["secret"] == Secret("s3")


@pytest.mark.parametrize("empty", [[], {}, None, "", False])
def test_an_empty_list_as_php_may_write_it(empty: Any) -> None:
    assert on(Service(listed={"status": "success", "return": empty}), lambda api: api.did_orders()).orders == ()


def test_entries_without_sense_are_named() -> None:
    listed = on(Service(listed={"status": "success", "return": [5, RECORD]}), lambda api: api.did_orders())
    assert (len(listed.orders), listed.problems) == (1, ("entry 1 is not an object",))


@pytest.mark.parametrize("wrong", ["text", 5, {"a": 1}, {"a": [1], "b": [2]}])
def test_something_that_is_no_list(wrong: Any) -> None:
    with pytest.raises(ProviderDown, match="without a list of number orders"):
        on(Service(listed={"status": "success", "return": wrong}), lambda api: api.did_orders())
