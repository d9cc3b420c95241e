"""`softphone status`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from softphone.cli import exits
from softphone.cli.durations import show_duration
from softphone.cli.options import AsJson, Settings, Socket
from softphone.cli.output import ago, count_of, print_facts, print_json


def status(
    ctx: typer.Context,
    check: Annotated[bool, typer.Option("--check", help="Exit with 1 unless the phone is ready.")] = False,
    socket: Socket = None,
    as_json: AsJson = False,
) -> None:
    """Show how the phone is, and what is wrong with it now."""
    settings = Settings.of(ctx, socket, as_json)
    with settings.connect() as phone:
        found = phone.status()
    if settings.json:
        print_json(found)
    else:
        print_facts(facts(found))
    if check and not found["ready"]:
        raise typer.Exit(exits.FAILED)


def facts(found: Mapping[str, Any]) -> dict[str, str]:
    """The status in words."""
    accounts, calls, native = found["accounts"], found["calls"], found["native"]
    readiness = "ready" if found["ready"] else f"{found['state']}, not ready"
    failed = f", {accounts['failed']} failed" if accounts["failed"] else ""
    return {
        "phone": f"{readiness}, version {found['version']}, up {show_duration(found['uptime_s'])}",
        "accounts": f"{accounts['registered']} of {accounts['total']} registered{failed}",
        "calls": f"{calls['active']} running, {calls['total']} since the start",
        "PBX API": _provider(found["provider"]),
        "live": _live(found.get("live")),
        "webhook": _webhook(found.get("webhook")),
        "timeline": _timeline(found.get("timeline")),
        "native": ", ".join(p for p in (_named("PJSIP", native["pjsip"]), native["openssl"]) if p),
        "codecs": ", ".join(native["codecs"]),
        "listeners": "\n".join(_listener(each) for each in found.get("listeners", [])),
        "problems": "\n".join(found["problems"]),
    }


def _listener(found: Mapping[str, Any]) -> str:
    seal = f", certificate SHA-256 {found['fingerprint']}" if found["fingerprint"] else ""
    return f"{found['name']} at {found['url']}{seal}"


def _live(live: Mapping[str, Any] | None) -> str:
    if live is None:
        return ""
    gaps = f", interrupted {count_of(live['gaps'], 'time')}" if live["gaps"] else ""
    return f"{live['state']}, {count_of(live['calls'], 'event')} of {count_of(live['extensions'], 'extension')}{gaps}"


def _webhook(webhook: Mapping[str, Any] | None) -> str:
    if webhook is None:
        return ""
    odd = [f"{webhook[name]} {name}" for name in ("duplicates", "refused", "unreadable", "dropped") if webhook[name]]
    return ", ".join([f"{webhook['state']} at port {webhook['port']}, {webhook['received']} received", *odd])


def _timeline(timeline: Mapping[str, Any] | None) -> str:
    if timeline is None:
        return ""
    counts = [
        f"{timeline[name]} {name.replace('_', ' ')}" for name in ("open", "closed", "complete", "with_differences")
    ]
    return ", ".join([timeline["state"], *counts])


def _named(name: str, version: str) -> str:
    return f"{name} {version}" if version else ""


def _provider(provider: Mapping[str, Any] | None) -> str:
    if provider is None or provider["state"] == "off":
        return ""
    if provider["state"] == "ok":
        lines = [f"ok, {count_of(provider['extensions'], 'extension')}, read {ago(provider['last_success'])}"]
    else:
        lines = [", ".join(p for p in (provider["state"], provider["cause"]) if p)]
        if provider["retry_in_s"] is not None:
            lines.append(f"tried again in {show_duration(provider['retry_in_s'])}")
    return "\n".join(lines + list(provider["problems"]))
