"""`softphone version`."""

from __future__ import annotations

import typer

from softphone import __version__
from softphone.cli.options import AsJson, Settings
from softphone.cli.output import print_json


def version(ctx: typer.Context, as_json: AsJson = False) -> None:
    """Print the version."""
    if Settings.of(ctx, None, as_json).json:
        print_json({"version": __version__})
    else:
        print(f"softphone {__version__}")
