"""`softphone collect`: digits that the far end types, put together."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from softphone.cli import exits
from softphone.cli.arguments import duration_option
from softphone.cli.feed import Feed
from softphone.cli.options import AsJson, CallId, Settings, Socket
from softphone.cli.output import note, print_json
from softphone.cli.telling import sentence


def collect(
    ctx: typer.Context,
    call: CallId,
    most: Annotated[int, typer.Option("--max", min=1, max=128, help="So many digits end it.")] = 1,
    terminators: Annotated[str, typer.Option("--terminators", help="Digits that end it, such as '#*'.")] = "#",
    first: Annotated[float | None, duration_option("--first", "Until the first digit; 10 s.")] = None,
    between: Annotated[float | None, duration_option("--between", "Between two digits; 3 s.")] = None,
    total: Annotated[float | None, duration_option("--total", "For all of it; 60 s.")] = None,
    stop_plays: Annotated[bool, typer.Option("--stop-plays", help="The first digit silences what is played.")] = False,
    fresh: Annotated[bool, typer.Option("--fresh", help="Forget what was typed before.")] = False,
    socket: Socket = None,
    as_json: AsJson = False,
) -> None:
    """Wait for digits that the far end types, and print them."""
    settings = Settings.of(ctx, socket, as_json)
    limits = {"first_timeout_s": first, "inter_digit_s": between, "total_s": total}
    plan: dict[str, Any] = {name: limit for name, limit in limits.items() if limit is not None}
    plan |= {"max_digits": most, "terminators": terminators, "stop_plays": stop_plays, "typed_ahead": not fresh}
    with settings.connect() as phone, Feed(settings.connect, ("digits",)) as feed:
        started = phone.start_collect(call, **plan)
        try:
            told = feed.until(call, "digits.collected", collect=started["id"])
        except KeyboardInterrupt:
            phone.stop_collect(call, started["id"])
            raise
    _show(settings, told)


def _show(settings: Settings, told: dict[str, Any]) -> None:
    if settings.json:
        print_json(told)
    else:
        print(told["digits"])
        note(sentence(told))
    if told["reason"] not in ("terminator", "max_digits"):
        raise typer.Exit(exits.FAILED)
