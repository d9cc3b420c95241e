"""The billing API: lines and numbers are ordered here, which costs money.

async with BillingApi.of(config.provider) as billing:
    order = await billing.order_did("FR", "Paris", "901", description="Sales line")
    listed = await billing.did_orders(orderby="order_date", asc=False)

An order is sent at most once: it is never repeated, no redirect is followed, and it travels on a connection of its
own, so that nothing below us sends it again. Where no clear answer comes, the lists are read, and OrderUnknown tells
what they show; nobody guesses.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

import httpx

from softphone.config.provider import Provider
from softphone.errors import OrderUnknown, OutcomeUnknown, ProviderDown, ProviderError, ProviderRefused, UsageError
from softphone.kavkom.booleans import as_digit
from softphone.kavkom.envelope import Payload
from softphone.kavkom.http import Endpoint, Retry, ServiceClient
from softphone.kavkom.orders import DidOrder, DidOrders, LineOrder, read_did_order, read_did_orders, read_line_order
from softphone.kavkom.pbx import PbxApi
from softphone.kavkom.services import BILLING

API_PATH = "/api.php"
MAX_QUANTITY = 10_000
_SHOWN = 10

OrderBy = Literal["order_date", "accept_date"]


class BillingApi(ServiceClient):
    """Orders of one domain. Use as an async context manager, or call `aclose`."""

    def __init__(self, endpoint: Endpoint, domain_uuid: str) -> None:
        """`endpoint` should not keep connections alive: see Endpoint."""
        super().__init__(endpoint)
        self._domain_uuid = domain_uuid

    @classmethod
    def of(
        cls, provider: Provider, *, transport: httpx.AsyncBaseTransport | None = None, retry: Retry | None = None
    ) -> BillingApi:
        """The client for the `provider:` part of a configuration."""
        endpoint = Endpoint.of(provider, provider.billing_url, transport, retry)
        return cls(replace(endpoint, keep_alive=False, service=BILLING), provider.domain_uuid)

    async def order_line(self, options: Mapping[str, int], *, pbx: PbxApi | None = None) -> LineOrder:
        """Orders lines, which are extensions: option name -> quantity, such as `{"starter": 2}`.

        Raises ProviderRefused (FieldsRefused, TokenRefused) and ProviderDown when nothing was ordered, OrderUnknown
        when that cannot be told. The service has no list of line orders; with `pbx` the extension list is read before,
        and again if the outcome is unknown.
        """
        _check_options(options)
        before = await self._extensions_before(pbx)
        try:
            return read_line_order(await self._order("line", {"options": dict(options)}), self._where)
        except OutcomeUnknown as error:
            failure = error
        raise await self._unknown_line(failure, pbx, before)

    async def order_did(
        self, country: str, location: str, extension: str, *, description: str = "", identity: str = ""
    ) -> DidOrder:
        """Orders a number that rings at `extension`. `identity` is the registration of an identity document (KYC).

        The number comes later, once the identity is validated: see `did_orders`. Raises as `order_line` does. The order
        list is read before; if that fails for want of an answer, nothing is ordered.
        """
        fields = {"country": country, "location": location, "extension": extension}
        for name, value in fields.items():
            if not value.strip():
                raise UsageError(f"a number cannot be ordered without {name}")
        if description:
            fields["description"] = description
        if identity:
            fields["identiy"] = identity  # the service spells it so
        before = await self._dids_before()
        try:
            return read_did_order(await self._order("did", fields), self._where)
        except OutcomeUnknown as error:
            failure = error
        raise await self._unknown_did(failure, before)

    async def did_orders(self, *, orderby: OrderBy | None = None, asc: bool | None = None) -> DidOrders:
        """The orders of numbers, as the service sorts them. Raises ProviderDown or ProviderRefused."""
        params = {"route": "order", "type": "didlist", "domain_uuid": self._domain_uuid}
        if orderby is not None:
            params["orderby"] = orderby
        if asc is not None:
            params["asc"] = as_digit(asc)
        return read_did_orders(await self._http.get(API_PATH, params), self._where)

    # ---- orders, sent once

    @property
    def _where(self) -> str:
        return self._http.where(API_PATH)

    async def _order(self, kind: Literal["line", "did"], fields: Mapping[str, object]) -> Payload:
        body = {"route": "order", "type": kind, "domain_uuid": self._domain_uuid, **fields}
        return await self._http.post_once(API_PATH, body)

    async def _dids_before(self) -> DidOrders | None:
        """None: this token may not read the list, which need not keep it from ordering."""
        try:
            return await self.did_orders()
        except ProviderRefused:
            return None
        except ProviderDown as error:
            text, status = f"nothing was ordered, since the order list cannot be read first: {error}", error.status
        raise ProviderDown(text, status=status, service=BILLING.name)

    async def _extensions_before(self, pbx: PbxApi | None) -> frozenset[str] | None:
        try:
            return None if pbx is None else await _extensions(pbx)
        except ProviderRefused:
            return None
        except ProviderDown as error:
            text, status = f"nothing was ordered, since the extension list cannot be read first: {error}", error.status
        raise ProviderDown(text, status=status, service=BILLING.name)

    async def _unknown_did(self, cause: OutcomeUnknown, before: DidOrders | None) -> OrderUnknown:
        try:
            now = await self.did_orders()
        except ProviderError as error:
            shown = f"the list of number orders cannot be read either ({error})"
            return _unknown(cause, shown, None, None)
        appeared = None if before is None else tuple(order for order in now.orders if order not in before)
        if appeared is None:
            shown = f"the list of number orders now shows {_named([str(order) for order in now.orders])}"
        else:
            shown = f"new in the list of number orders since: {_named([str(order) for order in appeared])}"
        return _unknown(cause, shown, appeared, now.orders)

    async def _unknown_line(
        self, cause: OutcomeUnknown, pbx: PbxApi | None, before: frozenset[str] | None
    ) -> OrderUnknown:
        if pbx is None or before is None:
            shown = "the service has no list of line orders, so look at the extensions and at the invoices"
            return _unknown(cause, shown, None, None)
        try:
            now = await _extensions(pbx)
        except ProviderError as error:
            return _unknown(cause, f"the extension list cannot be read either ({error})", None, None)
        appeared = tuple(sorted(now - before))
        return _unknown(cause, f"new extensions since: {_named(appeared)}", appeared, tuple(sorted(now)))


def _unknown(
    cause: OutcomeUnknown, shown: str, appeared: tuple[object, ...] | None, listed: tuple[object, ...] | None
) -> OrderUnknown:
    advice = "an order takes its time, so look again before you order anew"
    text = f"the outcome of this order is unknown: {cause}; {shown}; {advice}"
    return OrderUnknown(text, appeared=appeared, listed=listed, status=cause.status, service=BILLING.name)


def _named(entries: Sequence[str]) -> str:
    more = f" and {len(entries) - _SHOWN} more" if len(entries) > _SHOWN else ""
    return ", ".join(entries[:_SHOWN]) + more if entries else "none"


async def _extensions(pbx: PbxApi) -> frozenset[str]:
    return frozenset(extension.extension for extension in (await pbx.extensions_limited()).extensions)


def _check_options(options: Mapping[str, Any]) -> None:
    if not options:
        raise UsageError("a line order names at least one option, such as starter=2")
    for name, quantity in options.items():
        if not isinstance(name, str) or not name.strip() or not name.isprintable():
            raise UsageError("an option of a line order has no name")
        if isinstance(quantity, bool) or not isinstance(quantity, int) or not 1 <= quantity <= MAX_QUANTITY:
            raise UsageError(f"option {name}: the quantity is a whole number from 1 to {MAX_QUANTITY}")
