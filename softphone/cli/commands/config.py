"""`softphone config`: check, schema, example."""

from __future__ import annotations

from importlib.resources import files
from typing import TYPE_CHECKING, Annotated, Any

import typer

from softphone.cli import exits
from softphone.cli.configfile import find_config
from softphone.cli.lazy import SETTINGS
from softphone.cli.options import AsJson, Settings
from softphone.cli.output import count_of, note, print_json

if TYPE_CHECKING:
    from softphone.config import Report
    from softphone.errors import ConfigError

app = typer.Typer(no_args_is_help=True, **SETTINGS)


@app.callback()
def config() -> None:
    """Check a configuration file; print an example or the schema."""


@app.command()
def check(
    ctx: typer.Context,
    file: Annotated[
        str | None, typer.Argument(metavar="[FILE]", help="The file; else the one `run` would take.")
    ] = None,
    elsewhere: Annotated[
        bool,
        typer.Option("--elsewhere", help="The file is for another machine: secrets and named files need not be here."),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Say what is wrong with a configuration: file, line, key, and what is expected.

    Exits with 0 if the phone would start with it, else with 5.
    """
    from softphone.config import check as judge

    path = find_config(file)
    report = judge(path, read_secrets=not elsewhere, check_files=not elsewhere)
    if Settings.of(ctx, None, as_json).json:
        print_json(_as_data(report))
    else:
        _tell(report)
    if not report.ok:
        raise typer.Exit(exits.CONFIG)


def _tell(report: Report) -> None:
    for problem in report.problems:
        print(problem)
    for warning in report.warnings:
        print(f"warning: {warning}")
    if report.problems:
        note(f"{count_of(len(report.problems), 'problem')}; the phone would not start")
    elif report.config is not None:
        print(f"{report.file}: good, {count_of(len(report.config.accounts), 'account entry', 'account entries')}")


def _as_data(report: Report) -> dict[str, Any]:
    return {
        "ok": report.ok,
        "file": report.file,
        "problems": [_error(problem) for problem in report.problems],
        "warnings": [_error(warning) for warning in report.warnings],
    }


def _error(error: ConfigError) -> dict[str, Any]:
    return {"file": error.file, "line": error.line, "key": error.key, "message": error.message}


@app.command()
def schema() -> None:
    """Print the JSON Schema of the configuration, for editors that check YAML while you type."""
    from softphone.config import json_schema

    print_json(json_schema())


@app.command()
def example() -> None:
    """Print an example with every key, its unit, default and meaning."""
    print((files("softphone.cli") / "config.example.yaml").read_text(encoding="utf-8"), end="")
