"""`softphone run`."""

from __future__ import annotations

import gc
from typing import Annotated

import typer

from softphone.cli.configfile import find_config

ConfigFile = Annotated[
    str | None,
    typer.Option(
        "--config",
        "-c",
        metavar="FILE",
        help="The configuration (default: $SOFTPHONE_CONFIG, ./softphone.yaml, ~/.config/softphone/config.yaml,"
        " /etc/softphone/config.yaml).",
    ),
]


def run(config: ConfigFile = None) -> None:
    """Run the phone until it is told to stop.

    SIGHUP reads the configuration again. SIGTERM and Ctrl-C let running calls finish for a while, then hang up,
    unregister and end.
    """
    path = find_config(config)
    # What is loaded now stays for good: looking for garbage among it would cost a tenth of the start, and later the
    # event loop tens of milliseconds now and then.
    gc.disable()
    from softphone import daemon  # here, not above: it loads the whole phone

    gc.freeze()
    gc.enable()
    raise typer.Exit(daemon.run(path))
