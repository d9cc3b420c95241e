"""Arguments and options that several commands share."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from softphone.cli.durations import parse_duration


def _duration(text: str) -> float:
    try:
        return parse_duration(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


def duration_option(name: str, help: str) -> Any:
    """An option that takes a duration (`5s`, `1m30s`, `500ms`) and gives seconds."""
    return typer.Option(name, metavar="TIME", parser=_duration, help=help)


SoundFile = Annotated[str | None, typer.Argument(metavar="[FILE]", help="The WAV file to write.")]
Stereo = Annotated[bool, typer.Option("--stereo", help="Record both sides apart: them left, us right.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace the recording if the file is there already.")]
