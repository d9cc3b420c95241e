"""`softphone conference`: list, start, add, remove, step in and out, end."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from softphone.cli.lazy import SETTINGS
from softphone.cli.options import AsJson, CallId, Settings, Socket
from softphone.cli.output import print_json, print_table

ConferenceId = Annotated[str, typer.Argument(metavar="CONFERENCE", help="The conference's id, such as f1.")]

app = typer.Typer(invoke_without_command=True, **SETTINGS)


@app.callback()
def conference(ctx: typer.Context, socket: Socket = None, as_json: AsJson = False) -> None:
    """Merge calls so that all hear each other; split them again.

    Without a sub-command: list the conferences.
    """
    ctx.obj = Settings.of(ctx, socket, as_json)
    if ctx.invoked_subcommand is not None:
        return
    with ctx.obj.connect() as phone:
        found = phone.conferences()
    if ctx.obj.json:
        print_json(found)
        return
    rows = [[f["id"], ", ".join(f["calls"]), "yes" if f["local"] else "no"] for f in found]
    print_table(("conference", "calls", "with us"), rows, empty="there is no conference")


@app.command()
def start(
    ctx: typer.Context,
    calls: Annotated[list[str], typer.Argument(metavar="CALL...", help="Answered calls, two at least.")],
    without_us: Annotated[bool, typer.Option("--without-us", help="They hear each other, and not our side.")] = False,
    socket: Socket = None,
    as_json: AsJson = False,
) -> None:
    """Merge calls."""
    settings = Settings.of(ctx, socket, as_json)
    with settings.connect() as phone:
        _show(settings, phone.start_conference(calls, local=not without_us))


@app.command()
def add(
    ctx: typer.Context, conference: ConferenceId, call: CallId, socket: Socket = None, as_json: AsJson = False
) -> None:
    """Add a call."""
    settings = Settings.of(ctx, socket, as_json)
    with settings.connect() as phone:
        _show(settings, phone.add_to_conference(conference, call))


@app.command()
def remove(
    ctx: typer.Context, conference: ConferenceId, call: CallId, socket: Socket = None, as_json: AsJson = False
) -> None:
    """Take a call out; it goes on by itself."""
    settings = Settings.of(ctx, socket, as_json)
    with settings.connect() as phone:
        phone.remove_from_conference(conference, call)
    _gone(settings, {"id": conference, "removed": call}, f"{call} has left {conference}")


@app.command()
def join(ctx: typer.Context, conference: ConferenceId, socket: Socket = None, as_json: AsJson = False) -> None:
    """Take part with our own sound."""
    _set_local(Settings.of(ctx, socket, as_json), conference, True)


@app.command()
def leave(ctx: typer.Context, conference: ConferenceId, socket: Socket = None, as_json: AsJson = False) -> None:
    """Step out with our own sound; the calls go on hearing each other."""
    _set_local(Settings.of(ctx, socket, as_json), conference, False)


def _set_local(settings: Settings, conference: str, local: bool) -> None:
    with settings.connect() as phone:
        _show(settings, phone.set_conference_local(conference, local))


@app.command()
def end(ctx: typer.Context, conference: ConferenceId, socket: Socket = None, as_json: AsJson = False) -> None:
    """Split it: every call goes on by itself."""
    settings = Settings.of(ctx, socket, as_json)
    with settings.connect() as phone:
        phone.end_conference(conference)
    _gone(settings, {"id": conference, "ended": True}, f"{conference} is over")


def _show(settings: Settings, found: Mapping[str, Any]) -> None:
    members = ", ".join([*found["calls"], *(["our side"] if found["local"] else [])])
    _gone(settings, found, f"{found['id']}: {members}")


def _gone(settings: Settings, found: Mapping[str, Any], words: str) -> None:
    if settings.json:
        print_json(found)
    else:
        print(words)
