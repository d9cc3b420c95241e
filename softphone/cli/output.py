"""What commands print: JSON for programs, tables for people. Rich is loaded only where somebody watches."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, TextIO

from softphone.cli.durations import show_duration

STYLES: Mapping[str, str] = {
    "ok": "green",
    "yes": "green",
    "registered": "green",
    "active": "green",
    "ready": "green",
    "running": "green",
    "warn": "yellow",
    "registering": "yellow",
    "unregistering": "yellow",
    "dialing": "yellow",
    "ringing": "yellow",
    "early": "yellow",
    "incoming": "yellow",
    "draining": "yellow",
    "starting": "yellow",
    "fail": "bold red",
    "failed": "bold red",
    "no": "bold red",
}
"""The colour of a cell, or of a label, that is just this word."""


_CODES: Mapping[str, str] = {"green": "32", "yellow": "33", "bold red": "1;31"}


def print_json(data: Any) -> None:
    """One document on stdout."""
    print(json.dumps(data, ensure_ascii=False, indent=2), flush=True)


def print_json_line(data: Any) -> None:
    """One document of many, one a line."""
    print(json.dumps(data, ensure_ascii=False), flush=True)


def note(text: str) -> None:
    """Something for a person, beside the result: on stderr."""
    print(text, file=sys.stderr, flush=True)


def print_table(
    columns: Sequence[str], rows: Iterable[Sequence[str]], *, empty: str, out: TextIO | None = None
) -> None:
    """Rows under headings; `empty` says what it means that there are none."""
    out = out or sys.stdout
    listed = [[str(cell) for cell in row] for row in rows]
    if not listed:
        print(empty, file=out)
    elif out.isatty():
        _rich_table(columns, listed, out)
    else:
        print("\n".join(_aligned([[c.upper() for c in columns], *listed])), file=out)


def print_facts(facts: Mapping[str, str], *, out: TextIO | None = None) -> None:
    """Labels with values, aligned; facts without a value are left out."""
    out = out or sys.stdout
    known = {label: value for label, value in facts.items() if value}
    width = max((len(label) for label in known), default=0)
    for label, value in known.items():
        first, *more = value.split("\n")
        print(f"{label.ljust(width)}  {paint(first, out)}", file=out)
        for line in more:
            print(f"{' ' * width}  {line}", file=out)


def paint(text: str, out: TextIO | None = None) -> str:
    """The text with its first word in that word's colour, if it has one and a terminal shows it."""
    word = re.match(r"\w*", text)[0]  # type: ignore[index]  # matches every text
    code = _CODES.get(STYLES.get(word, ""))
    if code is None or not (out or sys.stdout).isatty() or os.environ.get("NO_COLOR"):
        return text
    return f"\x1b[{code}m{word}\x1b[0m{text[len(word) :]}"


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def _rich_table(columns: Sequence[str], rows: Sequence[Sequence[str]], out: TextIO) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")  # what is cut short cannot be copied
    for row in rows:
        table.add_row(*(Text(cell, style=STYLES.get(cell, "")) for cell in row))
    Console(file=out, highlight=False).print(table)


# ---- words for values


def ago(iso: str | None, now: datetime | None = None) -> str:
    """`3 min 20 s ago`; '' for None."""
    if iso is None:
        return ""
    passed = ((now or datetime.now(UTC)) - datetime.fromisoformat(iso)).total_seconds()
    return f"{show_duration(max(0.0, passed))} ago"


def clock_time(iso: str | None) -> str:
    """The local time of day, to the second; '' for None."""
    return "" if iso is None else datetime.fromisoformat(iso).astimezone().strftime("%H:%M:%S")


def yes_no(value: object) -> str:
    return "yes" if value else "no"


def count_of(number: int, one: str, many: str = "") -> str:
    """`1 call`, `2 calls`."""
    return f"{number} {one if number == 1 else many or one + 's'}"
