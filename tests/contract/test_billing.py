"""Billing. Reading is always tried; orders only where the environment says which one."""

from __future__ import annotations

from typing import Any

import pytest

from softphone.config import Provider, Secret
from softphone.errors import FieldsRefused, ProviderRefused, TokenRefused
from softphone.kavkom import BillingApi, DidOrders, PbxApi
from softphone.kavkom.billing import API_PATH
from softphone.kavkom.http import Endpoint, HttpApi
from softphone.kavkom.services import BILLING
from tests.contract.account import Account, run


async def listed(provider: Provider, **query: Any) -> DidOrders:
    async with BillingApi.of(provider) as billing:
        return await billing.did_orders(**query)


def test_the_orders_of_numbers(provider: Provider) -> None:
    found = run(listed(provider))
    assert found.problems == ()
    assert all(order.id for order in found.orders)


@pytest.mark.parametrize("orderby", ["order_date", "accept_date"])
def test_the_orders_sorted(provider: Provider, orderby: str) -> None:
    every = {order.id for order in run(listed(provider)).orders}
    for asc in (True, False):
        assert {order.id for order in run(listed(provider, orderby=orderby, asc=asc)).orders} == every


def test_a_wrong_token_is_refused_as_such(provider: Provider) -> None:
    with pytest.raises(TokenRefused):
        run(listed(provider.model_copy(update={"token": Secret("not-a-token-of-anybody")})))


@pytest.mark.contract("order_line")
def test_an_order_without_its_fields_is_refused_by_name(provider: Provider) -> None:
    async def order() -> None:
        endpoint = Endpoint(provider.billing_url, provider.token, ca_file=provider.ca_file, service=BILLING)
        async with HttpApi(endpoint) as http:
            await http.post_once(API_PATH, {"route": "order", "type": "line"})

    with pytest.raises(FieldsRefused) as caught:
        run(order())
    assert {"domain_uuid", "options"} <= set(caught.value.fields)


@pytest.mark.contract("order_line")
def test_a_line_is_ordered(account: Account) -> None:
    async def order() -> tuple[Any, set[str], set[str]]:
        async with BillingApi.of(account.provider) as billing, PbxApi.of(account.provider) as pbx:
            before = {each.extension for each in (await pbx.extensions_limited()).extensions}
            taken = await billing.order_line(account.switches.order_line, pbx=pbx)
            return taken, before, {each.extension for each in (await pbx.extensions_limited()).extensions}

    taken, before, after = run(order())
    assert taken.invoice_id is not None
    assert taken.order_number
    assert before <= after  # provisioning may take its time


@pytest.mark.contract("order_did")
def test_a_number_is_ordered_and_listed(account: Account) -> None:
    async def order() -> tuple[Any, DidOrders]:
        number = account.switches.order_did
        assert number is not None
        async with BillingApi.of(account.provider) as billing:
            taken = await billing.order_did(
                number.country,
                number.location,
                number.extension,
                description="contract suite",
                identity=number.identity,
            )
            return taken, await billing.did_orders()

    taken, orders = run(order())
    assert taken.id is not None
    assert str(taken.id) in {order.id for order in orders.orders}


@pytest.mark.contract("order_did")
def test_a_place_outside_the_catalogue_is_refused(account: Account) -> None:
    async def order() -> None:
        async with BillingApi.of(account.provider) as billing:
            await billing.order_did("XX", "Nowhere at all", "901")

    with pytest.raises(ProviderRefused):
        run(order())
