"""`softphone accounts`: list, show, register, unregister, refresh."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from softphone.cli import exits
from softphone.cli.durations import show_duration
from softphone.cli.lazy import SETTINGS
from softphone.cli.options import AsJson, Settings, Socket
from softphone.cli.output import ago, count_of, note, print_facts, print_json, print_table

AccountId = Annotated[
    str, typer.Argument(metavar="ACCOUNT", help="The account's id (901@pbx.example), or its user name alone.")
]

app = typer.Typer(invoke_without_command=True, **SETTINGS)


@app.callback()
def accounts(ctx: typer.Context, socket: Socket = None, as_json: AsJson = False) -> None:
    """Show accounts; register, unregister, or read the PBX's list again.

    Without a sub-command: list them.
    """
    ctx.obj = Settings.of(ctx, socket, as_json)
    if ctx.invoked_subcommand is None:
        _list(ctx.obj)


@app.command("list")
def list_(ctx: typer.Context, socket: Socket = None, as_json: AsJson = False) -> None:
    """List all accounts."""
    _list(Settings.of(ctx, socket, as_json))


def _list(settings: Settings) -> None:
    with settings.connect() as phone:
        found = phone.accounts()
    if settings.json:
        print_json(found)
        return
    rows = [[a["id"], a["state"], a["transport"], a["registrar"], str(a["calls"]), summary(a)] for a in found]
    print_table(("account", "state", "by", "registrar", "calls", "note"), rows, empty="there are no accounts")


def summary(account: Mapping[str, Any]) -> str:
    """What is worth a line: since when, or why not."""
    if account["state"] == "registered":
        return ago(account["registered_since"])
    if account["state"] != "failed":
        return ""
    retry = f"; again in {show_duration(account['retry_in_s'])}" if account["retry_in_s"] is not None else ""
    code = f" ({account['code']} {account['reason']})" if account["code"] else ""
    return f"{account['cause']}{code}{retry}"


@app.command()
def show(ctx: typer.Context, account: AccountId, socket: Socket = None, as_json: AsJson = False) -> None:
    """Show one account, and why it is not registered if it is not."""
    settings = Settings.of(ctx, socket, as_json)
    with settings.connect() as phone:
        found = phone.account(account)
    if settings.json:
        print_json(found)
    else:
        print_facts(facts(found))


def facts(found: Mapping[str, Any]) -> dict[str, str]:
    """The account in words."""
    answer = f"{found['code']} {found['reason']}" if found["code"] else ""
    return {
        "account": found["id"],
        "name": found["display_name"],
        "state": found["state"],
        "cause": found["cause"],
        "what to do": found["advice"],
        "answer": answer,
        "again in": "" if found["retry_in_s"] is None else show_duration(found["retry_in_s"]),
        "registered": ago(found["registered_since"]),
        "expires": f"{show_duration(found['expires_s'])} after each registration",
        "registrar": f"{found['registrar']} over {found['transport']}",
        "in use": found["registrar_address"] + (", outbound" if found["outbound"] else ""),
        "encryption": f"SRTP {found['srtp']}",
        "codecs": ", ".join(found["codecs"]),
        "calls": str(found["calls"]),
    }


@app.command()
def register(ctx: typer.Context, account: AccountId, socket: Socket = None, as_json: AsJson = False) -> None:
    """Register now, without waiting for the next try. `accounts show` tells how it went."""
    _command(Settings.of(ctx, socket, as_json), "register", account)


@app.command()
def unregister(ctx: typer.Context, account: AccountId, socket: Socket = None, as_json: AsJson = False) -> None:
    """Take an account off the PBX until `register`."""
    _command(Settings.of(ctx, socket, as_json), "unregister", account)


def _command(settings: Settings, verb: str, account: str) -> None:
    with settings.connect() as phone:
        found = phone.register(account) if verb == "register" else phone.unregister(account)
    if settings.json:
        print_json(found)
    else:
        print(f"{found['id']}: {found['state']}")


@app.command()
def refresh(ctx: typer.Context, socket: Socket = None, as_json: AsJson = False) -> None:
    """Read the extension list from the PBX's API now."""
    settings = Settings.of(ctx, socket, as_json)
    with settings.connect() as phone:
        found = phone.refresh_provider()
    if settings.json:
        print_json(found)
    elif found["state"] == "ok":
        print(f"the PBX lists {count_of(found['extensions'], 'extension')} for this phone")
    else:
        note(f"softphone: {found['cause'] or found['state']}")
    for problem in found["problems"]:
        note(f"note: {problem}")
    if found["state"] != "ok":
        raise typer.Exit(exits.FAILED)
