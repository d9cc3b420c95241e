"""What a command tells of its end: the result, and a failure by its exit code."""

from __future__ import annotations

from typing import Any

import typer

from softphone.cli import exits
from softphone.cli.options import Settings
from softphone.cli.output import print_json
from softphone.cli.telling import sentence


def say(settings: Settings, found: Any, words: str) -> None:
    """`found` for a program, `words` for a person."""
    if settings.json:
        print_json(found)
    else:
        print(words, flush=True)


def finish(settings: Settings, told: dict[str, Any], good: bool) -> None:
    """The event by which a call's command ended. Exits with FAILED unless that is `good`."""
    say(settings, told, f"{told['call']}: {sentence(told)}")
    if not good:
        raise typer.Exit(exits.FAILED)
