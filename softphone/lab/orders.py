"""What was ordered: lines that become extensions, numbers that are allocated when the identity is settled."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from softphone.errors import NotFound, UsageError
from softphone.lab.directory import Tenant
from softphone.lab.events import EventLog
from softphone.lab.service_options import ServiceOptions

FIRST_INVOICE = 10231
FIRST_LINE_ORDER = 123_456_789
FIRST_DID_ORDER = 152
NUMBER_DIGITS = {"FR": 11, "GB": 12, "US": 11}
MAX_LINES = 100  # of one order


@dataclass
class LineOrder:
    """Extensions that were ordered. `order_number` is text: it begins with a zero."""

    invoice_id: int
    order_number: str
    domain: str
    options: Mapping[str, int]
    ordered_at: float = field(default_factory=time.time)
    extensions: list[str] = field(default_factory=list)


@dataclass
class DidOrder:
    """A number that was ordered; `number` and `accepted_at` are set when it was accepted."""

    id: int
    domain: str
    domain_uuid: str
    country: str
    location: str
    extension: str
    description: str = ""
    identity: str = ""
    ordered_at: float = field(default_factory=time.time)
    accepted_at: float | None = None
    number: str = ""


class OrderBook:
    """All orders, and the stock of numbers. Acts on the tenants; tells the lab's events."""

    def __init__(self, options: ServiceOptions, events: EventLog) -> None:
        self.lines: list[LineOrder] = []
        self.dids: list[DidOrder] = []
        self._options = options
        self._events = events
        self._allocated: dict[str, int] = {}
        self._timers: set[asyncio.TimerHandle] = set()

    def close(self) -> None:
        """Let nothing happen any more."""
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()

    def _later(self, delay_s: float, action: Callable[[], None]) -> None:
        def act() -> None:
            self._timers.discard(timer)
            action()

        if delay_s <= 0:
            action()
            return
        timer = asyncio.get_running_loop().call_later(delay_s, act)
        self._timers.add(timer)

    # lines

    def order_line(self, tenant: Tenant, options: Mapping[str, int]) -> LineOrder:
        """Register the order; the extensions follow after the provisioning time."""
        number = len(self.lines)
        order = LineOrder(FIRST_INVOICE + number, f"{FIRST_LINE_ORDER + number:010}", tenant.domain, dict(options))
        self.lines.append(order)
        self._events.emit("line_ordered", domain=tenant.domain, order=order.order_number, options=dict(options))
        self._later(self._options.line_delay_s, lambda: self._provision(tenant, order))
        return order

    def _provision(self, tenant: Tenant, order: LineOrder) -> None:
        for option, quantity in order.options.items():
            for _ in range(quantity):
                extension = tenant.add(tenant.free_number(self._options.first_line))
                extension.description = f"{option} line, order {order.order_number}"
                order.extensions.append(extension.number)
                self._events.emit(
                    "extension_added", domain=tenant.domain, extension=extension.number, order=order.order_number
                )

    # numbers

    def order_did(
        self, tenant: Tenant, country: str, location: str, extension: str, *, description: str = "", identity: str = ""
    ) -> DidOrder:
        """Register the order; it is accepted after a while, or by hand. Raises UsageError: a refusal."""
        self._check_place(country, location)
        if extension not in tenant.extensions:
            raise UsageError(f"Extension {extension} does not exist")
        self._check_identity(identity)
        order = DidOrder(
            FIRST_DID_ORDER + len(self.dids),
            tenant.domain,
            tenant.uuid,
            country,
            location,
            extension,
            description,
            identity,
        )
        self.dids.append(order)
        self._events.emit("did_ordered", domain=tenant.domain, order=order.id, country=country, location=location)
        delay_s = self._options.did_acceptance_s
        if delay_s is not None:
            self._later(delay_s, lambda: self._accept(tenant, order))
        return order

    def _check_place(self, country: str, location: str) -> None:
        localities = self._options.catalogue.get(country)
        if localities is None:
            raise UsageError(f"Country {country} is not available")
        if location not in localities:
            raise UsageError(f"Location {location} is not available in {country}")

    def _check_identity(self, identity: str) -> None:
        rule = self._options.identity
        if rule == "refused":
            raise UsageError("The identity has been refused")
        if rule == "required" and identity not in self._options.identities:
            raise UsageError("The identity has not been validated")

    def did(self, order_id: int) -> DidOrder:
        """One order. Raises NotFound."""
        for order in self.dids:
            if order.id == order_id:
                return order
        raise NotFound(f"no order {order_id}")

    def accept(self, tenant: Tenant, order: DidOrder) -> None:
        """Settle the identity by hand: the number is allocated and routed. Without effect on accepted ones."""
        self._accept(tenant, order)

    def _accept(self, tenant: Tenant, order: DidOrder) -> None:
        if order.accepted_at is not None:
            return
        order.number = self._allocate(order.country, order.location)
        order.accepted_at = time.time()
        tenant.dids[order.number] = order.extension
        self._events.emit(
            "did_accepted", domain=tenant.domain, order=order.id, number=order.number, extension=order.extension
        )

    def _allocate(self, country: str, location: str) -> str:
        """The next number of that locality."""
        prefix = self._options.catalogue[country][location]
        serial = self._allocated.get(prefix, 0) + 1
        self._allocated[prefix] = serial
        return prefix + str(serial).zfill(max(1, NUMBER_DIGITS.get(country, 11) - len(prefix)))
