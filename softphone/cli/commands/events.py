"""`softphone events`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from softphone.cli.options import AsJson, Settings, Socket
from softphone.cli.output import clock_time, print_json_line
from softphone.cli.telling import sentence


def events(
    ctx: typer.Context,
    types: Annotated[
        str,
        typer.Option("--types", metavar="TYPES", help="Only these: types or their first parts (call,account.failed)."),
    ] = "",
    after: Annotated[
        str | None, typer.Option("--after", metavar="ID", help="Begin after the event of this id, if it is still kept.")
    ] = None,
    call: Annotated[str | None, typer.Option("--call", metavar="CALL", help="Only events of this call.")] = None,
    count: Annotated[int, typer.Option("--count", min=0, help="End after so many; 0: never.")] = 0,
    socket: Socket = None,
    as_json: AsJson = False,
) -> None:
    """Follow what happens, as it happens.

    Ends by Ctrl-C. A connection that is lost is opened anew and nothing is missed. With --json: one document a line.
    """
    settings = Settings.of(ctx, socket, as_json)
    wanted = [part.strip() for part in types.split(",") if part.strip()]
    with settings.connect() as phone:
        for number, event in enumerate(phone.events(after, wanted, call=call), 1):
            if settings.json:
                print_json_line(event)
            else:
                print(line(event), flush=True)
            if number == count:
                return


def line(event: Mapping[str, Any]) -> str:
    """Time, type, whom it is about, and what happened."""
    about = event.get("call") or event.get("account") or ""
    return f"{clock_time(event.get('time')):8}  {event['type']:22}  {about:3}  {sentence(event)}"
