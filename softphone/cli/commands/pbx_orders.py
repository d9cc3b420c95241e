"""`softphone pbx order-line`, `order-did`, `did-orders`: what costs money, and the list of it."""

from __future__ import annotations

from collections.abc import Coroutine, Iterable
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from softphone.cli import exits
from softphone.cli.options import AsJson, Settings
from softphone.cli.output import note, print_facts, print_json, print_table
from softphone.cli.provider import ConfigFile, Yes, confirm, finish, load_config
from softphone.errors import OrderUnknown, UsageError

if TYPE_CHECKING:
    from softphone.config import Provider


def order_line(
    ctx: typer.Context,
    options: Annotated[
        list[str], typer.Argument(metavar="OPTION=QUANTITY...", help="What and how many, such as starter=2.")
    ],
    yes: Yes = False,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Order lines, which are extensions. This costs money, and asks first.

    The order is sent once. Exit code 6: its outcome is unknown; the text says what the lists show.
    """
    wanted = quantities(options)
    _, provider = load_config(ctx, config)
    named = ", ".join(f"{quantity} x {name}" for name, quantity in wanted.items())
    confirm(f"Order {named} for domain {provider.domain_uuid}? This costs money.", yes=yes)
    order = _sent(_order_line(provider, wanted), Settings.of(ctx, None, as_json))
    if order is not None:
        number = order.order_number or "(no number)"
        print_facts({"order": number, "invoice": str(order.invoice_id or "")})


def order_did(
    ctx: typer.Context,
    country: Annotated[str, typer.Option("--country", metavar="CODE", help="A country of the PBX's catalogue.")],
    location: Annotated[str, typer.Option("--location", metavar="CITY", help="A city that is available there.")],
    extension: Annotated[str, typer.Option("--extension", metavar="EXT", help="The extension that it rings at.")],
    description: Annotated[str, typer.Option("--description", metavar="TEXT", help="A label of your own.")] = "",
    identity: Annotated[
        str, typer.Option("--identity", metavar="ID", help="The registration of a validated identity.")
    ] = "",
    yes: Yes = False,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Order a phone number that rings at an extension. This costs money, and asks first.

    The order is sent once. Exit code 6: its outcome is unknown; the text says what the list of orders shows.
    """
    _, provider = load_config(ctx, config)
    confirm(f"Order a number in {location}, {country}, for extension {extension}? This costs money.", yes=yes)
    place = {"country": country, "location": location, "extension": extension}
    work = _order_did(provider, {**place, "description": description, "identity": identity})
    order = _sent(work, Settings.of(ctx, None, as_json))
    if order is not None:
        accepted = {True: "yes", False: "no", None: "not said"}[order.accepted]
        print_facts({"order": str(order.id or "(no id)"), "accepted": accepted})
        note("the number comes once the identity is validated; see `softphone pbx did-orders`")


def did_orders(
    ctx: typer.Context,
    orderby: Annotated[
        Literal["order_date", "accept_date"] | None, typer.Option("--orderby", help="What the PBX sorts by.")
    ] = None,
    asc: Annotated[bool | None, typer.Option("--asc/--desc", help="Upwards or downwards.")] = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """List the orders of phone numbers."""
    settings = Settings.of(ctx, None, as_json)
    _, provider = load_config(ctx, config)

    async def listed() -> Any:
        from softphone.kavkom import BillingApi

        async with BillingApi.of(provider) as billing:
            return await billing.did_orders(orderby=orderby, asc=asc)

    found = finish(listed())
    if settings.json:
        print_json(found.model_dump(mode="json"))
        return
    columns = ("id", "status", "number", "country", "location", "extension", "ordered", "accepted", "description")
    names = ("id", "status", "number", "country", "location", "extension", "order_date", "accept_date", "description")
    rows = [[getattr(order, name) for name in names] for order in found.orders]
    print_table(columns, rows, empty="no number was ordered")
    for problem in found.problems:
        note(f"left out: {problem}")


def quantities(texts: Iterable[str]) -> dict[str, int]:
    """`starter=2` -> {"starter": 2}. Raises UsageError."""
    wanted: dict[str, int] = {}
    for text in texts:
        name, _, quantity = text.partition("=")
        if not name or name in wanted or not (quantity.isascii() and quantity.isdecimal()) or len(quantity) > 6:
            raise UsageError(f"an order is written OPTION=QUANTITY, each option once, such as starter=2; not {text!r}")
        wanted[name] = int(quantity)
    return wanted


async def _order_line(provider: Provider, options: dict[str, int]) -> Any:
    from softphone.kavkom import BillingApi, PbxApi

    async with BillingApi.of(provider) as billing, PbxApi.of(provider) as pbx:
        return await billing.order_line(options, pbx=pbx)


async def _order_did(provider: Provider, fields: dict[str, str]) -> Any:
    from softphone.kavkom import BillingApi

    async with BillingApi.of(provider) as billing:
        return await billing.order_did(**fields)


def _sent(work: Coroutine[Any, Any, Any], settings: Settings) -> Any:
    """The order; None where it was printed as JSON."""
    try:
        order = finish(work)
    except OrderUnknown as error:
        if not settings.json:
            raise
        print_json({"outcome": "unknown", "cause": str(error), **_evidence(error)})
        raise typer.Exit(exits.UNKNOWN) from None
    if not settings.json:
        return order
    print_json({"outcome": "ordered", **order.model_dump(mode="json")})
    return None


def _evidence(error: OrderUnknown) -> dict[str, Any]:
    """What the lists show; null where they could not be read."""
    return {name: _shown(getattr(error, name)) for name in ("appeared", "listed")}


def _shown(entries: tuple[Any, ...] | None) -> list[Any] | None:
    if entries is None:
        return None
    return [each if isinstance(each, str) else each.model_dump(mode="json") for each in entries]
