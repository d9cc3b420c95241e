"""`softphone handsets`: list, attach, detach, close."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from softphone.cli.lazy import SETTINGS
from softphone.cli.options import AsJson, CallId, Settings, Socket
from softphone.cli.output import print_json, print_table

HandsetId = Annotated[str, typer.Argument(metavar="HANDSET", help="The handset's id, such as h1.")]

app = typer.Typer(invoke_without_command=True, **SETTINGS)


@app.callback()
def handsets(ctx: typer.Context, socket: Socket = None, as_json: AsJson = False) -> None:
    """Show the browsers that are handsets; put them into calls, and out again.

    Without a sub-command: list them.
    """
    ctx.obj = Settings.of(ctx, socket, as_json)
    if ctx.invoked_subcommand is not None:
        return
    with ctx.obj.connect() as phone:
        found = phone.handsets()
    if ctx.obj.json:
        print_json(found)
        return
    columns = ("handset", "name", "state", "codec", "calls", "delay", "loss", "drift", "round trip")
    print_table(columns, [_row(each) for each in found], empty="there is no handset")


def _row(handset: dict[str, Any]) -> list[str]:
    figures = handset["figures"]
    voice = figures.get("voice", {})
    packets, lost = voice.get("rx_packets", 0), voice.get("rx_lost", 0)
    drift, round_trip_ms = voice.get("drift_ppm"), figures.get("rtt_ms")
    return [
        handset["id"],
        handset["name"],
        handset["state"],
        handset["codec"],
        ", ".join(f"{call} ({mode})" for call, mode in handset["calls"].items()),
        f"{voice.get('delay_ms', 0):.0f} ms",
        f"{100 * lost / max(1, packets + lost):.1f} %",
        "" if drift is None else f"{drift:+.0f} ppm",
        "" if round_trip_ms is None else f"{round_trip_ms:.0f} ms",
    ]


@app.command()
def attach(
    ctx: typer.Context,
    handset: HandsetId,
    call: CallId,
    listen: Annotated[bool, typer.Option("--listen", help="It hears both sides, and nobody hears it.")] = False,
    whisper: Annotated[bool, typer.Option("--whisper", help="Our side alone hears it, not the far end.")] = False,
    take_over: Annotated[
        bool, typer.Option("--take-over", help="The call's sound moves there: sound device or file are let go.")
    ] = False,
    socket: Socket = None,
    as_json: AsJson = False,
) -> None:
    """Connect a handset to a call, to talk in it."""
    if listen and whisper:
        raise typer.BadParameter("either --listen or --whisper")
    mode = "listen" if listen else "whisper" if whisper else "talk"
    settings = Settings.of(ctx, socket, as_json)
    with settings.connect() as phone:
        _show(settings, phone.attach_handset(handset, call, mode, take_over=take_over))


@app.command()
def detach(
    ctx: typer.Context, handset: HandsetId, call: CallId, socket: Socket = None, as_json: AsJson = False
) -> None:
    """Take a handset out of a call; both go on."""
    settings = Settings.of(ctx, socket, as_json)
    with settings.connect() as phone:
        _show(settings, phone.detach_handset(handset, call))


@app.command()
def close(ctx: typer.Context, handset: HandsetId, socket: Socket = None, as_json: AsJson = False) -> None:
    """End a handset; its calls go on."""
    settings = Settings.of(ctx, socket, as_json)
    with settings.connect() as phone:
        phone.close_handset(handset)
    if settings.json:
        print_json({"id": handset, "closed": True})
    else:
        print(f"{handset} is closed")


def _show(settings: Settings, found: dict[str, Any]) -> None:
    if settings.json:
        print_json(found)
        return
    calls = ", ".join(f"{call} ({mode})" for call, mode in found["calls"].items())
    print(f"{found['id']}: {calls or 'in no call'}")
