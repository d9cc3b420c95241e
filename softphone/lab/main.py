"""`softphone lab`: the lab as a program. It says where it is, how to connect, and what happens."""

from __future__ import annotations

import asyncio
import signal
import time
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from softphone.errors import UsageError
from softphone.lab.addresses import in_uri
from softphone.lab.events import LabEvent
from softphone.lab.lab import Lab
from softphone.lab.options import LabOptions
from softphone.lab.plan import SERVICES

QUIET = ("connection_opened", "connection_closed", "request")
COLOURS = {"registered": "green", "call_answered": "green", "registration_failed": "red", "garbage": "red"}


def run_lab(
    options: LabOptions | None = None,
    *,
    write_config: Path | None = None,
    for_s: float | None = None,
    verbose: bool = False,
    console: Console | None = None,
) -> int:
    """Serve until SIGINT or SIGTERM, or for `for_s` seconds; returns the exit code.

    `write_config` writes the phone's configuration to a file instead of printing it; `verbose` also shows connections
    and requests inside calls. Raises SoftphoneError where a port is taken.
    """
    return asyncio.run(serve(options or LabOptions(), write_config, for_s, verbose, console or Console()))


async def serve(
    options: LabOptions, write_config: Path | None, for_s: float | None, verbose: bool, console: Console
) -> int:
    """The same inside a loop that runs already."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    try:
        async with Lab(options) as lab:
            introduce(lab, console)
            _offer_config(lab, write_config, console)
            follower = asyncio.create_task(_follow(lab, verbose, console), name="lab log")
            try:
                await asyncio.wait_for(stop.wait(), for_s)
            except TimeoutError:
                pass
            finally:
                follower.cancel()
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)
    console.print("The lab has stopped.")
    return 0


def introduce(lab: Lab, console: Console) -> None:
    """Print where the lab is, who exists, and which numbers answer."""
    console.print(f"[bold]The lab is ready[/] ({lab.start_s * 1000:.0f} ms). Ctrl-C stops it.\n")
    for table in (_addresses(lab), _extensions(lab), *_others(lab), number_plan_table()):
        console.print(table)
        console.print()


def _addresses(lab: Lab) -> Table:
    table = Table("what", "where", title="Addresses", title_justify="left")
    host = in_uri(lab.options.host)
    for name, value in (
        ("Web page", lab.api_url),
        ("REST API", lab.api_url),
        ("Live events", f"{lab.live_url}/calls"),
        ("API token", lab.api_token),
        ("Refresh token", lab.refresh_token),
        ("userUuid", lab.user_uuid),
        ("domain_uuid", lab.domain_uuid),
        ("SIP domain (user_context)", lab.domain),
        ("SIP over UDP and TCP", f"{host}:{lab.sip_udp_port}"),
        ("SIP over TLS", f"{host}:{lab.sip_tls_port}"),
        ("SIP over WebSocket", lab.wss_url),
        ("CA to trust", str(lab.ca_file)),
    ):
        table.add_row(name, escape(value))
    return table


def _extensions(lab: Lab) -> Table:
    table = Table("extension", "password", "enabled", title="Extensions", title_justify="left")
    for extension in lab.extensions:
        enabled = "true" if extension.enabled else "[red]false[/]"
        table.add_row(extension.number, escape(extension.password), enabled)
    return table


def _others(lab: Lab) -> list[Table]:
    """The tenants besides the first."""
    others = [tenant for tenant in lab.directory if tenant is not lab.tenant]
    if not others:
        return []
    table = Table("domain", "domain_uuid", "API token", "extensions", title="More tenants", title_justify="left")
    for tenant in others:
        table.add_row(tenant.domain, tenant.uuid, escape(tenant.api_token), str(len(tenant.extensions)))
    return [table]


def number_plan_table() -> Table:
    """The numbers that the PBX answers by itself."""
    table = Table("number", "name", "what it does", title="Numbers", title_justify="left")
    for service in SERVICES:
        table.add_row(service.number, service.name, service.description)
    table.add_row("an extension", "", "rings every phone that is registered there")
    return table


def _offer_config(lab: Lab, write_config: Path | None, console: Console) -> None:
    text = lab.config_yaml(live=True)
    if write_config is None:
        console.print("[bold]A configuration that connects to it[/] (softphone run --config FILE):\n")
        console.print(text, markup=False, highlight=False, soft_wrap=True)
        return
    try:
        write_config.write_text(text)
    except OSError as error:
        raise UsageError(f"cannot write the configuration to {write_config}: {error.strerror}") from error
    console.print(f"Configuration written: [bold]softphone run --config {escape(str(write_config))}[/]\n")


async def _follow(lab: Lab, verbose: bool, console: Console) -> None:
    """One line per event, as it happens."""
    async for event in lab.events.follow():
        if verbose or event.name not in QUIET:
            console.print(line_of(event), soft_wrap=True, highlight=False)


def line_of(event: LabEvent) -> str:
    """An event in one line, in rich's markup."""
    clock = time.strftime("%H:%M:%S", time.localtime(event.at))
    words = " ".join(f"{key}={escape(str(value))}" for key, value in event.data.items() if value not in ("", None))
    colour = COLOURS.get(event.name, "cyan")
    return f"[dim]{clock}[/] [{colour}]{event.name.replace('_', ' ')}[/] {words}"
