"""`softphone devices`."""

from __future__ import annotations

import typer

from softphone.cli.options import AsJson, Settings, Socket
from softphone.cli.output import print_json, print_table


def devices(ctx: typer.Context, socket: Socket = None, as_json: AsJson = False) -> None:
    """List the sound devices that a call can use.

    As the running phone sees them; `softphone doctor` lists them without it.
    """
    settings = Settings.of(ctx, socket, as_json)
    with settings.connect() as phone:
        found = phone.devices()
    if settings.json:
        print_json(found)
        return
    rows = [[d["name"], str(d["inputs"]), str(d["outputs"]), d["driver"], f"{d['default_rate_hz']} Hz"] for d in found]
    print_table(("name", "inputs", "outputs", "driver", "rate"), rows, empty="the phone sees no sound devices")
