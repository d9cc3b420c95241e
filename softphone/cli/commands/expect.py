"""`softphone expect`: calls that are answered by themselves because a program asked the PBX for them."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from softphone.cli import exits
from softphone.cli.arguments import duration_option
from softphone.cli.feed import Feed
from softphone.cli.lazy import SETTINGS
from softphone.cli.options import AsJson, Settings, Socket
from softphone.cli.outcome import say
from softphone.cli.output import print_json, print_table
from softphone.cli.telling import sentence

app = typer.Typer(invoke_without_command=True, **SETTINGS)


@app.callback()
def expect(ctx: typer.Context, socket: Socket = None, as_json: AsJson = False) -> None:
    """Have a call answered by itself that is about to come, such as a click-to-call.

    Without a sub-command: list the calls that are expected.
    """
    ctx.obj = Settings.of(ctx, socket, as_json)
    if ctx.invoked_subcommand is not None:
        return
    with ctx.obj.connect() as phone:
        found = phone.expected_calls()
    if ctx.obj.json:
        print_json(found)
        return
    rows = [[f["id"], f["account"], f["caller"], f["expires"]] for f in found]
    print_table(("id", "account", "caller", "until"), rows, empty="no call is expected")


@app.command()
def call(
    ctx: typer.Context,
    account: Annotated[str, typer.Argument(metavar="ACCOUNT", help="The account that will ring.")],
    caller: Annotated[str, typer.Option("--from", metavar="PATTERN", help="The caller's number, such as 0033*.")] = "*",
    within: Annotated[float | None, duration_option("--within", "For how long it is expected; 30 s.")] = None,
    after: Annotated[float | None, duration_option("--after", "How long it rings first.")] = None,
    asked_only: Annotated[bool, typer.Option("--asked-only", help="Only if its headers ask to be answered.")] = False,
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="Stay until it has come, or is late.")] = True,
    socket: Socket = None,
    as_json: AsJson = False,
) -> None:
    """Answer the next call of an account by itself."""
    settings = Settings.of(ctx, socket, as_json)
    with settings.connect() as phone, Feed(settings.connect, ("expect",)) as feed:
        found = phone.expect_call(
            account,
            caller=caller,
            within_s=30.0 if within is None else within,
            after_s=after or 0,
            asked_only=asked_only,
        )
        if not wait:
            say(settings, found, f"{found['id']}: a call from {caller} is expected")
            return
        try:
            ended = _end_of(feed, found["id"])
        except KeyboardInterrupt:
            phone.forget_expected(found["id"])
            raise
    say(settings, ended, sentence(ended))
    if ended["reason"] != "met":
        raise typer.Exit(exits.FAILED)


def _end_of(feed: Feed, expect: str) -> dict[str, Any]:
    while True:
        told = feed.next(None)
        if told is not None and told["type"] == "expect.ended" and told["expect"] == expect:
            return told


@app.command()
def cancel(
    ctx: typer.Context,
    expect: Annotated[str, typer.Argument(metavar="ID", help="As `softphone expect` lists it, such as x1.")],
    socket: Socket = None,
    as_json: AsJson = False,
) -> None:
    """Take it back."""
    settings = Settings.of(ctx, socket, as_json)
    with settings.connect() as phone:
        phone.forget_expected(expect)
    say(settings, {"id": expect, "cancelled": True}, f"{expect}: no longer expected")
