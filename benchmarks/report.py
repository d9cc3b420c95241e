"""Results as tables for people and as JSON for programs."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import rich.box
from rich.console import Console
from rich.table import Table as Grid

from benchmarks.crowd import Crowd
from benchmarks.fleet import Fleets
from benchmarks.latency import Latency
from benchmarks.results import Results, Row, Table, Verdict
from benchmarks.stats import Spread, Times

NOTE = """\
Both phones run at the same time, each with a far end of its own, and are read at the same moments.
CPU: milliseconds of processor time per call and second (10 ms is 1 % of a core). Ratio: softphone to pjsua.
Memory: what each call adds to the first. Late: packets that reach the far end over 20 ms after their time.
Figures are the median of all rounds, ratios with the least and the most."""


def machine() -> dict[str, str]:
    """Where this ran, and how busy it was at the start."""
    model = next(
        (line.partition(":")[2].strip() for line in _cpuinfo() if line.startswith("model name")), platform.machine()
    )
    return {
        "processor": model,
        "cores": str(os.cpu_count()),
        "load": f"{os.getloadavg()[0]:.1f}",
        "kernel": platform.release(),
        "python": platform.python_version(),
    }


def _cpuinfo() -> list[str]:
    return Path("/proc/cpuinfo").read_text().splitlines()


def write_json(results: Results, path: Path) -> None:
    """Everything measured; verdicts included."""
    found = asdict(results) | {"verdicts": [asdict(verdict) for verdict in results.verdicts()]}
    path.write_text(json.dumps(found, indent=1) + "\n")


def show(results: Results, console: Console) -> None:
    """All tables, then the aims."""
    facts = results.machine
    console.print(
        f"\n{facts['processor']}, {facts['cores']} cores, load {facts['load']} when this began,"
        f" Python {facts['python']}\n{NOTE}\n",
        highlight=False,
    )
    for table in results.tables:
        console.print(_calls(table), "")
    if results.accounts:
        console.print(_crowd("Accounts registered from the start of the process", "account", results.accounts), "")
    if results.set_ups:
        console.print(
            _crowd("Calls asked for in one go and confirmed; CPU with hanging up", "call", results.set_ups), ""
        )
    if results.fleets is not None:
        console.print(_fleets(results.fleets), "")
    if results.latency is not None:
        console.print(_times(results.latency), "")
    console.print(_aims(results.verdicts()))


def _grid(title: str, *columns: str) -> Grid:
    grid = Grid(title=title, title_justify="left", box=rich.box.SIMPLE_HEAD)
    for number, column in enumerate(columns):
        grid.add_column(column, justify="left" if number == 0 else "right")
    return grid


def _calls(table: Table) -> Grid:
    aim = f"; aim: at most {table.aim:.2f}" if table.aim else ""
    title = f"{table.name} ({table.does}{aim})"
    grid = _grid(title, "calls", "CPU ms", "pjsua", "ratio", "MB/call", "pjsua", "late", "pjsua", "lost", "pjsua")
    for row in table.rows:
        grid.add_row(*_cells(row))
    return grid


def _cells(row: Row) -> list[str]:
    ratio = f"{row.ratio.middle:.2f} ({row.ratio.least:.2f}-{row.ratio.most:.2f})"
    return [
        str(row.calls),
        f"{row.ours_cpu_ms.middle:.2f}",
        f"{row.c_cpu_ms.middle:.2f}",
        ratio,
        _memory(row.ours_memory_mb),
        _memory(row.c_memory_mb),
        f"{row.ours_late} of {row.ours_packets}",
        f"{row.c_late} of {row.c_packets}",
        str(row.ours_lost),
        str(row.c_lost),
    ]


def _crowd(title: str, one: str, found: Sequence[Crowd]) -> Grid:
    grid = _grid(title, "phone", f"{one}s", "a second", f"CPU ms/{one}", "memory MB")
    for each in found:
        rate = f"{each.per_s.middle:.0f} ({each.per_s.least:.0f}-{each.per_s.most:.0f})"
        grid.add_row(each.phone, str(each.count), rate, f"{each.cpu_ms.middle:.2f}", f"{each.memory_mb.middle:.0f}")
    return grid


def _fleets(found: Fleets) -> Grid:
    count = found.fleets[0].count
    title = f"{count} extensions of the PBX's API, from the start of the process to all registered (TCP)"
    columns = ("all s", "of these registering s", "API requests", "CPU ms/extension", "memory MB")
    grid = _grid(title, "program", *columns)
    for each in found.fleets:
        times = [f"{spread.middle:.2f}" for spread in (each.all_s, each.registering_s)]
        cost = (f"{each.cpu_ms.middle:.2f}", f"{each.memory_mb.middle:.0f}")
        grid.add_row(each.program, *times, str(each.requests or ""), *cost)
    grid.add_section()
    ratios = (found.all_ratio, found.registering_ratio)
    grid.add_row("softphone to SIPp", *(f"{each.middle:.2f} ({each.least:.2f}-{each.most:.2f})" for each in ratios))
    return grid


def _memory(found: Spread | None) -> str:
    return "" if found is None else f"{found.middle:.2f}"


def _times(found: Latency) -> Grid:
    grid = _grid("The daemon", "what", "p50 ms", "p99 ms", "least ms", "of")
    for name, times in _named(found):
        values = [
            f"{each:.2f}" if each < 100 else f"{each:.0f}" for each in (times.p50_ms, times.p99_ms, times.least_ms)
        ]
        grid.add_row(name, *values, str(times.count))
    grid.add_section()
    grid.add_row("idle, two accounts by TLS, % of a core", f"{found.idle_percent:.2f}")
    grid.add_row("memory at rest, MB", f"{found.memory_mb:.0f}")
    rate, cost = found.calls_per_s, found.cpu_ms_per_call
    grid.add_row("calls set up and torn down per second", f"{rate.middle:.0f}", "", f"{rate.least:.0f}", "3 runs")
    grid.add_row("CPU ms for each of these", f"{cost.middle:.2f}", "", f"{cost.least:.2f}", "3 runs")
    return grid


def _named(found: Latency) -> list[tuple[str, Times]]:
    return [
        ("softphone --help", found.help),
        ("python -c pass", found.bare_python),
        ("start until it serves", found.serves),
        ("start until two accounts are registered (TLS)", found.registered),
        ("GET /v1/status", found.status),
        ("POST digits", found.digits),
        *((f"call set up: {name}", times) for name, times in found.setup.items()),
    ]


def _aims(verdicts: list[Verdict]) -> Grid:
    grid = _grid("Aims", "what", "found", "aim", "")
    for each in verdicts:
        grid.add_row(each.what, each.found, each.aim, "[green]met[/]" if each.met else "[red]missed[/]")
    return grid
