"""The billing API: everything is /api.php, and `route` and `type` say what is meant."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from softphone.errors import UsageError
from softphone.lab.api.admission import Admission
from softphone.lab.api.answers import ApiError, json_response
from softphone.lab.api.fields import Fields, json_body
from softphone.lab.api.guard import Guard, by_method
from softphone.lab.directory import Tenant
from softphone.lab.orders import MAX_LINES, DidOrder, OrderBook
from softphone.lab.service_options import ServiceOptions

PATH = "/api.php"
LINE_FIELDS = ("domain_uuid", "options")
DID_FIELDS = ("domain_uuid", "country", "location", "extension")
ORDER_COLUMNS = ("order_date", "accept_date")


class BillingApi:
    """Orders."""

    def __init__(self, admission: Admission, guard: Guard, orders: OrderBook, options: ServiceOptions) -> None:
        self._admission = admission
        self._guard = guard
        self._orders = orders
        self._options = options

    def routes(self) -> list[Route]:
        """To be served."""
        return [
            by_method(
                PATH, {"POST": self._guard.wrap("billing", self._post), "GET": self._guard.wrap("billing", self._get)}
            )
        ]

    async def _post(self, request: Request) -> Response:
        token = self._admission.token(request)
        fields = _Order(await json_body(request))
        kind = fields.kind(("line", "did"))
        fields.require(LINE_FIELDS if kind == "line" else DID_FIELDS)
        tenant = self._admission.tenant(token, f"order/{kind}", fields.domain())
        return self._line(tenant, fields) if kind == "line" else self._did(tenant, fields)

    async def _get(self, request: Request) -> Response:
        token = self._admission.token(request)
        fields = _Order(request.query_params)
        fields.kind(("didlist",))
        fields.require(("domain_uuid",))
        domain_uuid = fields.domain()
        column = fields.choice("orderby", ORDER_COLUMNS, "order_date")
        ascending = fields.flag("asc")
        fields.complain()
        tenant = self._admission.tenant(token, "order/didlist", domain_uuid)
        return self._succeeded(_listed(self._orders.dids, tenant, column, ascending), "enveloped")

    def _line(self, tenant: Tenant, fields: _Order) -> Response:
        order = self._orders.order_line(tenant, fields.quantities(self._options.line_options))
        return self._succeeded({"invoiceid": order.invoice_id, "order_number": order.order_number}, "bare")

    def _did(self, tenant: Tenant, fields: _Order) -> Response:
        wanted = {name: fields.text(name) for name in ("country", "location", "extension", "description")}
        identity = fields.text("identiy")
        fields.complain()
        try:
            order = self._orders.order_did(tenant, identity=identity, **wanted)
        except UsageError as error:
            raise ApiError(200, str(error)) from error
        return self._succeeded({"id": order.id, "accepted": order.accepted_at is not None}, "enveloped")

    def _succeeded(self, result: Any, documented: str) -> Response:
        """A success, bare or in its envelope: the documents show both. A list cannot be bare."""
        wanted = self._options.billing_envelope
        style = documented if wanted == "documented" or isinstance(result, list) else wanted
        return json_response(result if style == "bare" else {"status": "success", "return": result})


class _Order(Fields):
    """The fields of a request; complaints come as billing's one sentence."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        super().__init__(values)
        self._given = values

    def kind(self, types: tuple[str, ...]) -> str:
        """The order's type. Raises ApiError where route or type mean nothing here."""
        self.require(("route", "type"))
        if self._given["route"] != "order":
            raise ApiError(404, "Unknown route")
        if self._given["type"] not in types:
            raise ApiError(404, "Unknown type")
        return str(self._given["type"])

    def require(self, names: tuple[str, ...]) -> None:
        """Raises ApiError that names all the required fields, as soon as one is missing."""
        if self.missing(*names):
            raise ApiError(422, f"Fields required: {', '.join(names)}")

    def domain(self) -> str:
        """The domain_uuid, checked."""
        domain_uuid = self.uuid4("domain_uuid")
        self.complain()
        return domain_uuid

    def complain(self) -> None:
        """Raises ApiError with everything that was found wrong."""
        if self.errors:
            raise ApiError(422, " ".join(self.errors.values()))

    def quantities(self, known: tuple[str, ...]) -> dict[str, int]:
        """The map of option to quantity. Raises ApiError."""
        options = self._given["options"]
        if not isinstance(options, dict):
            raise ApiError(422, "The options field must be a map of option name to quantity.")
        for name, quantity in options.items():
            if name not in known:
                raise ApiError(422, f"Unknown option; there are {', '.join(known)}")
            if not isinstance(quantity, int) or isinstance(quantity, bool) or not 1 <= quantity <= MAX_LINES:
                raise ApiError(422, f"The quantity of {name} must be between 1 and {MAX_LINES}.")
        return dict(options)


def _listed(orders: list[DidOrder], tenant: Tenant, column: str, ascending: bool) -> list[dict[str, Any]]:
    """The rows of `didlist`. The documents are silent on their fields: these are the order's own, and its dates."""

    def key(order: DidOrder) -> tuple[bool, float, int]:
        moment = order.ordered_at if column == "order_date" else order.accepted_at
        return moment is None, moment or 0.0, order.id

    mine = [order for order in orders if order.domain_uuid == tenant.uuid]
    return [_row(order) for order in sorted(mine, key=key, reverse=not ascending)]


def _row(order: DidOrder) -> dict[str, Any]:
    return {
        "id": order.id,
        "domain_uuid": order.domain_uuid,
        "country": order.country,
        "location": order.location,
        "extension": order.extension,
        "description": order.description,
        "identiy": order.identity,
        "status": "accepted" if order.accepted_at is not None else "pending",
        "number": order.number or None,
        "order_date": _date(order.ordered_at),
        "accept_date": _date(order.accepted_at) if order.accepted_at is not None else None,
    }


def _date(moment: float) -> str:
    return datetime.datetime.fromtimestamp(moment, datetime.UTC).strftime("%Y-%m-%d %H:%M:%S")
