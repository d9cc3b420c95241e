"""Arguments and options that several commands share."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any

import typer

from softphone.cli.durations import parse_duration
from softphone.errors import UsageError


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
Headers = Annotated[
    list[str] | None, typer.Option("--header", metavar="'NAME: VALUE'", help="A SIP header; may be repeated.")
]


def header_lines(texts: Iterable[str] | None) -> dict[str, str]:
    """`Name: value` -> name and value. Raises UsageError."""
    found = {}
    for text in texts or ():
        name, colon, value = text.partition(":")
        if not colon or not name.strip() or not value.strip():
            raise UsageError(f"a header is written 'Name: value', not {text!r}")
        found[name.strip()] = value.strip()
    return found
