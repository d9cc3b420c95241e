"""`softphone timeline`: what this phone saw of each call, what the PBX said, and the CDR."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from softphone.cli.durations import show_duration
from softphone.cli.options import AsJson, Settings, Socket
from softphone.cli.output import clock_time, note, print_facts, print_json, print_table

_COLUMNS = ("timeline", "began", "dir", "extension", "far end", "for", "PBX", "CDR", "call", "differences")


def timeline(
    ctx: typer.Context,
    name: Annotated[
        str | None,
        typer.Argument(help="One call: a timeline's id, a call's id, a SIP Call-ID, or the PBX's UUID."),
    ] = None,
    account: Annotated[str, typer.Option(help="Only those of this account (its id).")] = "",
    extension: Annotated[str, typer.Option(help="Only those of this extension.")] = "",
    number: Annotated[str, typer.Option(help="Only far ends whose number ends so.")] = "",
    differences: Annotated[bool, typer.Option("--differences", help="Only those with differences.")] = False,
    difference: Annotated[str, typer.Option(help="Only those with this kind of difference, such as never_here.")] = "",
    limit: Annotated[int, typer.Option(min=1, max=1000, help="At most so many.")] = 20,
    before: Annotated[str, typer.Option(help="Those before this place: `next` of the page before.")] = "",
    socket: Socket = None,
    as_json: AsJson = False,
) -> None:
    """Show what phone, PBX and CDR say of each call, and where they differ.

    Without a name: the newest calls. With one: that call from top to bottom.
    """
    settings = Settings.of(ctx, socket, as_json)
    if name is not None:
        _one(settings, name)
        return
    wanted = {"account": account, "extension": extension, "number": number, "before": before}
    wanted["difference"] = difference or ("any" if differences else "")
    with settings.connect() as phone:
        page = phone.timelines(limit=limit, **wanted)
    if settings.json:
        print_json(page)
        return
    print_table(_COLUMNS, [_row(each) for each in page["timelines"]], empty="no timelines")
    if page["next"]:
        note(f"there are more: --before {page['next']}")


def _row(found: Mapping[str, Any]) -> list[str]:
    pbx, cdr = found["pbx"], found["cdr"]
    return [
        found["id"],
        clock_time(found["started"]),
        found["direction"],
        found["extension"],
        found["number"],
        show_duration(found["duration_s"]),
        pbx["state"] if pbx else "",
        "" if not cdr else "yes" if cdr["duration_s"] is None else show_duration(cdr["duration_s"]),
        found["call"],
        ", ".join(each["kind"] for each in found["differences"]) or ("" if found["state"] == "open" else "none"),
    ]


def _one(settings: Settings, name: str) -> None:
    with settings.connect() as phone:
        found = phone.timeline(name)
    if settings.json:
        print_json(found)
        return
    from softphone.cli.timeline_drawing import drawn

    print_facts(_facts(found))
    print()
    print("\n".join(drawn(found["entries"])))


def _facts(found: Mapping[str, Any]) -> dict[str, str]:
    way = {"in": "incoming", "out": "outgoing"}.get(found["direction"], "")
    missing = f", missing: {', '.join(found['missing'])}" if found["missing"] else ""
    joined = {"uuid": "by its UUID", "number": "by extension, number and time"}.get(found["joined_by"], "")
    click = found["click"]
    recorded = ", recorded by the PBX" if click and click["recorded"] else ""
    return {
        "timeline": f"{found['id']}, {found['state']}{missing}",
        "call": f"{way} call of {found['account'] or found['extension']} with {found['number'] or 'somebody'}".strip(),
        "began": f"{clock_time(found['started'])}, {show_duration(found['duration_s'])} long",
        "phone": _phone(found),
        "PBX": _pbx(found["pbx"]),
        "CDR": _cdr(found["cdr"]),
        "ordered": f"click-to-call to {click['destination']}{recorded}" if click else "",
        "joined": joined,
        "UUID": found["call_uuid"],
        "Call-ID": ", ".join(found["sip_call_ids"]),
        "differs": "\n".join(f"{each['kind']}: {each['text']}" for each in found["differences"]),
    }


def _phone(found: Mapping[str, Any]) -> str:
    phone = found["phone"]
    if phone is None:
        return "it never came here"
    end = f": {phone['end_reason']} by {phone['end_by']}" if phone["end_reason"] else ""
    return f"{found['call']}, {phone['state']}{end}"


def _pbx(pbx: Mapping[str, Any] | None) -> str:
    if pbx is None:
        return ""
    return pbx["state"] if pbx["duration_s"] is None else f"{pbx['state']}, {show_duration(pbx['duration_s'])}"


def _cdr(cdr: Mapping[str, Any] | None) -> str:
    if cdr is None:
        return ""
    return cdr["state"] if cdr["duration_s"] is None else f"{cdr['state']}, {show_duration(cdr['duration_s'])}"
