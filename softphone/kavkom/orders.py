"""Answers of the billing API as typed records. An order that was taken never fails for the shape of its answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from softphone.errors import OutcomeUnknown, ProviderDown
from softphone.kavkom.booleans import parse_bool
from softphone.kavkom.envelope import Payload
from softphone.kavkom.fields import text_of
from softphone.kavkom.models import Extra, wrap_secrets
from softphone.kavkom.services import BILLING

MAX_ORDERS = 100_000


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, hide_input_in_errors=True)


class LineOrder(_Record):
    """A line order that was taken. `order_number` is text, since it may begin with zeros; '' where it was not said."""

    invoice_id: int | None
    order_number: str
    extra: Extra = Field(default_factory=dict, repr=False)


class DidOrder(_Record):
    """A number order that was registered. `accepted` is None where the service did not say."""

    id: int | None
    accepted: bool | None
    extra: Extra = Field(default_factory=dict, repr=False)


class DidOrderRecord(_Record):
    """One line of the list of number orders. Its fields are not documented: what we recognise has a name, '' where it
    is missing, and everything is in `raw`, secrets wrapped."""

    id: str = ""
    status: str = ""
    number: str = ""
    country: str = ""
    location: str = ""
    extension: str = ""
    description: str = ""
    order_date: str = ""
    accept_date: str = ""
    raw: Extra = Field(default_factory=dict, repr=False)

    def __str__(self) -> str:
        name = f"order {self.id}" if self.id else "an order without id"
        known = (self.country, self.location, self.number, self.description, self.order_date)
        about = " ".join(part for part in known if part)
        return f"{name} ({about})" if about else name


class DidOrders(_Record):
    """The list of number orders. `problems` names entries that could not be used."""

    orders: tuple[DidOrderRecord, ...] = ()
    problems: tuple[str, ...] = ()

    def __contains__(self, order: DidOrderRecord) -> bool:
        """Whether this order is in the list, perhaps in another state: by its id, or else by all its fields."""
        if order.id:
            return any(each.id == order.id for each in self.orders)
        return any(each.raw == order.raw for each in self.orders)


_NAMES: Mapping[str, tuple[str, ...]] = {
    "id": ("id", "order_id"),
    "status": ("status",),
    "number": ("number", "did", "did_number", "phone_number"),
    "country": ("country",),
    "location": ("location",),
    "extension": ("extension",),
    "description": ("description",),
    "order_date": ("order_date",),
    "accept_date": ("accept_date",),
}


def read_line_order(payload: Payload, where: str) -> LineOrder:
    """Raises OutcomeUnknown where the answer says neither that the order was taken nor that it was refused."""
    fields = _taken(payload, where, ("invoiceid", "order_number"))
    return LineOrder(
        invoice_id=_whole(fields.get("invoiceid")),
        order_number=_text(fields.get("order_number")),
        extra=_rest(fields, ("invoiceid", "order_number")),
    )


def read_did_order(payload: Payload, where: str) -> DidOrder:
    """Raises OutcomeUnknown where the answer says neither that the order was taken nor that it was refused."""
    fields = _taken(payload, where, ("id", "accepted"))
    return DidOrder(
        id=_whole(fields.get("id")), accepted=_flag(fields.get("accepted")), extra=_rest(fields, ("id", "accepted"))
    )


def read_did_orders(payload: Payload, where: str) -> DidOrders:
    """Raises ProviderDown where the answer holds no list."""
    entries = _entries(payload)
    if entries is None or len(entries) > MAX_ORDERS:
        raise ProviderDown(f"{where} answered without a list of number orders", service=BILLING.name)
    orders, problems = [], []
    for place, entry in enumerate(entries, 1):
        if isinstance(entry, dict):
            orders.append(_record(entry))
        else:
            problems.append(f"entry {place} is not an object")
    return DidOrders(orders=tuple(orders), problems=tuple(problems))


def _taken(payload: Payload, where: str, expected: tuple[str, ...]) -> Mapping[str, Any]:
    fields = payload.data if isinstance(payload.data, dict) else {}
    # A bare answer has to say something that only a taken order says; `status: success` is word enough
    if not _says_success(payload.raw) and not any(fields.get(name) is not None for name in expected):
        text = f"{where} answered with neither success nor error; the order may have been taken"
        raise OutcomeUnknown(text, service=BILLING.name)
    return fields


def _says_success(raw: Mapping[str, Any]) -> bool:
    return _text(raw.get("status")).lower() in ("success", "ok") or _flag(raw.get("success")) is True


def _record(entry: Mapping[str, Any]) -> DidOrderRecord:
    texts = {ours: (_text(entry.get(name)) for name in names) for ours, names in _NAMES.items()}
    known = {ours: next(filter(None, found), "") for ours, found in texts.items()}
    return DidOrderRecord(**known, raw=_rest(entry, ()))


def _entries(payload: Payload) -> list[Any] | None:
    """The list, wherever it is: as it is, in one field, or as an object by id. PHP writes an empty one in many ways."""
    data = payload.data
    if isinstance(data, list):
        return data
    if data in (None, "", False, {}):
        return []
    if not isinstance(data, dict):
        return None
    lists = [value for value in data.values() if isinstance(value, list)]
    if len(lists) == 1:
        return lists[0]
    by_id = [value for value in data.values() if isinstance(value, dict)]
    return by_id if by_id and len(by_id) == len(data) else None


def _text(value: object) -> str:
    try:
        return text_of(value)
    except ValueError:
        return ""


def _whole(value: object) -> int | None:
    text = _text(value)
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= 18 else None


def _flag(value: object) -> bool | None:
    try:
        return parse_bool(value)
    except ValueError:
        return None


def _rest(fields: Mapping[str, Any], taken: tuple[str, ...]) -> dict[str, Any]:
    rest = wrap_secrets({name: value for name, value in fields.items() if name not in taken})
    return rest if isinstance(rest, dict) else {}
