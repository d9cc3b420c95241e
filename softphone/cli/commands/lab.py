"""`softphone lab`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from softphone.cli.arguments import duration_option


def lab(
    context: typer.Context,
    settings: Annotated[
        Path | None,
        typer.Option("--settings", metavar="FILE", help="YAML: tenants, service, webhook ...; options here win."),
    ] = None,
    write_config: Annotated[
        Path | None,
        typer.Option(
            "--write-config", metavar="FILE", help="Write the phone's configuration here instead of printing."
        ),
    ] = None,
    extensions: Annotated[
        str, typer.Option("--extensions", metavar="LIST", help="The extensions that exist.")
    ] = "901,902,903,904",
    disabled: Annotated[
        str, typer.Option("--disabled", metavar="LIST", help="Extensions that exist and are switched off.")
    ] = "909",
    domain: Annotated[str, typer.Option("--domain", metavar="NAME", help="SIP domain and realm.")] = "pbx.lab.test",
    host: Annotated[str, typer.Option("--host", metavar="ADDRESS", help="Where it listens.")] = "127.0.0.1",
    api_port: Annotated[int, typer.Option("--api-port", min=0, max=65535, help="Of the REST API; 0: a free one.")] = 0,
    https: Annotated[bool, typer.Option("--https", help="Serve the REST API by HTTPS.")] = False,
    sip_port: Annotated[int, typer.Option("--sip-port", min=0, max=65535, help="UDP and TCP; 0: a free one.")] = 0,
    tls_port: Annotated[int, typer.Option("--tls-port", min=0, max=65535, help="SIP over TLS; 0: a free one.")] = 0,
    wss_port: Annotated[
        int, typer.Option("--wss-port", min=0, max=65535, help="SIP over WebSocket; 0: a free one.")
    ] = 0,
    srtp: Annotated[
        Literal["optional", "mandatory", "off"], typer.Option("--srtp", help="What it makes of encrypted media.")
    ] = "optional",
    state_dir: Annotated[
        Path | None,
        typer.Option(
            "--state-dir", metavar="DIR", help="For its certificate and token; else a folder that goes with it."
        ),
    ] = None,
    lasts: Annotated[float | None, duration_option("--for", "Stop after so long.")] = None,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Show connections and all requests too.")] = False,
) -> None:
    """Run a PBX for trials on this machine.

    It has the service's APIs (billing, PBX, auth, live events, webhooks), a registrar over UDP, TCP, TLS and WebSocket,
    calls between extensions, numbers that answer by themselves (9196 echoes), and a web page that shows it all. It
    prints how to connect a phone, and what happens. Ctrl-C ends it.
    """
    from softphone.lab.main import run_lab
    from softphone.lab.options import LabOptions
    from softphone.lab.settings import load_settings

    given = {
        "domain": domain,
        "extensions": _listed(extensions),
        "disabled": _listed(disabled),
        "host": host,
        "api_port": api_port,
        "https": https,
        "sip_port": sip_port,
        "tls_port": tls_port,
        "wss_port": wss_port,
        "state_dir": state_dir,
        "srtp": srtp,
    }
    if settings is None:
        options = LabOptions(**_named(given))
    else:
        said = {name: value for name, value in given.items() if _on_command_line(context, name)}
        options = load_settings(settings, **_named(said))
    raise typer.Exit(run_lab(options, write_config=write_config, for_s=lasts, verbose=verbose))


def _listed(text: str) -> tuple[str, ...]:
    return tuple(part for part in (piece.strip() for piece in text.split(",")) if part)


_NAMES = {
    "https": "api_https",
    "tls_port": "sip_tls_port",
    "wss_port": "sip_wss_port",
}


def _named(given: dict[str, Any]) -> dict[str, Any]:
    """The options under the names that the lab has for them."""
    return {_NAMES.get(name, name): value for name, value in given.items()}


def _on_command_line(context: typer.Context, name: str) -> bool:
    source = context.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"
