"""`softphone devices`."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from softphone.cli.options import AsJson, Settings, Socket
from softphone.cli.output import print_json, print_table


def devices(
    ctx: typer.Context,
    test: Annotated[
        str | None, typer.Option("--test", metavar="NAME", help="Play a chime on this one, then listen to it.")
    ] = None,
    listen_s: Annotated[
        float, typer.Option("--listen", metavar="S", min=0.1, max=30, help="How long to listen.")
    ] = 2.0,
    socket: Socket = None,
    as_json: AsJson = False,
) -> None:
    """List the sound devices that a call can use, or try one.

    As the running phone sees them; `softphone doctor` lists them without it.
    """
    settings = Settings.of(ctx, socket, as_json)
    with settings.connect() as phone:
        if test is not None:
            _tried(settings, phone.test_device(test, listen_s=listen_s))
            return
        found = phone.devices()
    if settings.json:
        print_json(found)
        return
    heads = ("name", "channels", "rate", "is", "what it is")
    print_table(heads, [_row(d) for d in found], empty="the phone sees no sound devices")


def _row(device: dict[str, Any]) -> list[str]:
    ways = [f"{way} {channels}" for way, channels in (("in", device["inputs"]), ("out", device["outputs"])) if channels]
    marks = [mark for mark, holds in (("default", device["default"]), ("in use", device["in_use"])) if holds]
    return [device["name"], ", ".join(ways), f"{device['default_rate_hz']} Hz", ", ".join(marks), device["description"]]


def _tried(settings: Settings, found: dict[str, Any]) -> None:
    if settings.json:
        print_json(found)
        return
    parts = [f"{found['name']}: " + ("a chime was played" if found["loudspeaker"] else "no loudspeaker")]
    if found["microphone"]:
        parts.append(f"the microphone heard up to {found['level_dbfs']:.0f} dBFS (peak {found['peak_dbfs']:.0f})")
    else:
        parts.append("no microphone")
    print("; ".join(parts))
