"""`softphone calls`: list, show."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import typer

from softphone.cli.durations import show_duration
from softphone.cli.figures import mos, quality_facts
from softphone.cli.lazy import SETTINGS
from softphone.cli.options import AsJson, CallId, Settings, Socket
from softphone.cli.output import ago, print_facts, print_json, print_table

app = typer.Typer(invoke_without_command=True, **SETTINGS)


@app.callback()
def calls(ctx: typer.Context, socket: Socket = None, as_json: AsJson = False) -> None:
    """Show the calls that are running, or one of them.

    Without a sub-command: list them.
    """
    ctx.obj = Settings.of(ctx, socket, as_json)
    if ctx.invoked_subcommand is None:
        _list(ctx.obj)


@app.command("list")
def list_(ctx: typer.Context, socket: Socket = None, as_json: AsJson = False) -> None:
    """List the calls that are running."""
    _list(Settings.of(ctx, socket, as_json))


def _list(settings: Settings) -> None:
    with settings.connect() as phone:
        found = phone.calls()
    if settings.json:
        print_json(found)
        return
    rows = [[c["id"], c["direction"], c["state"], c["account"], far_end(c), lasted(c), media(c), mos(c)] for c in found]
    print_table(("call", "dir", "state", "account", "far end", "for", "sound", "MOS"), rows, empty="no calls")


@app.command()
def show(ctx: typer.Context, call: CallId, socket: Socket = None, as_json: AsJson = False) -> None:
    """Show one call: a running one, or one that ended in the last minutes."""
    settings = Settings.of(ctx, socket, as_json)
    with settings.connect() as phone:
        found = phone.call(call)
    if settings.json:
        print_json(found)
    else:
        print_facts(facts(found))


def far_end(call: Mapping[str, Any]) -> str:
    """Name and URI."""
    return f"{call['remote_name']} {call['remote']}".strip()


def lasted(call: Mapping[str, Any]) -> str:
    """Since the answer; '' before it."""
    return show_duration(call["duration_s"]) if call["answered"] else ""


def media(call: Mapping[str, Any]) -> str:
    """Codec and encryption."""
    if not call["codec"]:
        return ""
    return f"{call['codec']}, {call['srtp'] or 'not encrypted'}"


def facts(call: Mapping[str, Any]) -> dict[str, str]:
    """The call in words."""
    end = call["end"]
    return {
        "call": f"{call['id']}, {'outgoing' if call['direction'] == 'out' else 'incoming'}",
        "state": call["state"],
        "account": call["account"],
        "far end": far_end(call),
        "dialled": call["called"],
        "began": ago(call["created"]),
        "answered": ago(call["answered"]),
        "lasted": lasted(call),
        "sound": ", ".join(p for p in (media(call), call["direction_media"]) if p),
        "route": call["audio"]["route"],
        "device": ": ".join(p for p in (call["sound"]["device"], call["sound"]["cause"]) if p),
        "plays": ", ".join(call["plays"]),
        "records": "\n".join(f"{r['id']} {r['file']}" for r in call["records"]),
        "end": f"{end['reason']} by {end['by']}: {end['cause']}" if end else "",
        "SIP": f"{end['code']} {end['sip_reason']}" if end and end["code"] else "",
        **quality_facts(call["quality"]),
        "Call-ID": call["sip_call_id"],
        "headers": "\n".join(f"{name}: {value}" for name, values in call["headers"].items() for value in values),
    }
