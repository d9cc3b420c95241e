"""One command, one run: python -m benchmarks [--quick] [--json FILE]."""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks import websocket
from benchmarks.capacity import BOTH, rounds
from benchmarks.crowd import BaresipAccounts, PjsuaAccounts, SoftphoneAccounts, registrations, set_ups
from benchmarks.delay import run as mouth_to_ear
from benchmarks.delay import table as delay_table
from benchmarks.fleet import compare as fleets
from benchmarks.latency import measure
from benchmarks.phones import pjsua_program
from benchmarks.plan import FULL, QUICK, Plan
from benchmarks.processes import BenchError
from benchmarks.report import machine, show, write_json
from benchmarks.results import Results, table_of


def arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="benchmarks", description="The phone beside the C program pjsua.")
    parser.add_argument("--quick", action="store_true", help="under a minute: fewer calls, one round")
    parser.add_argument(
        "--only",
        choices=("calls", "times", "crowds", "fleet", "delay", "websocket", "handsets", "impairments"),
        help="the cost of calls, how long things take, many at once, a domain's extensions, mouth to ear,"
        " calls over WebSocket, browser handsets (more of them if asked), or (only if asked) bad lines",
    )
    parser.add_argument("--rounds", type=int, metavar="N", help="rounds of each comparison")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there too")
    parser.add_argument("--strict", action="store_true", help="end with 1 if an aim is missed")
    return parser.parse_args(argv)


def run(plan: Plan, only: str | None, console: Console) -> Results:
    """Measures what the plan says, telling each step."""

    def say(text: str) -> None:
        console.print(f"[dim]{text} …[/]", highlight=False)

    results = Results(machine())
    if only not in ("times", "fleet", "delay", "websocket"):
        say("pjsua from the same source")
        pjsua_program()
    if only in (None, "calls"):
        for each in plan.comparisons:
            found = rounds(
                each.settings, each.counts, repeats=plan.rounds, window_s=plan.window_s, say=say, apart=each.apart
            )
            results.tables.append(table_of(each, found))
    if only in (None, "crowds"):
        amounts = plan.crowds
        kinds = (SoftphoneAccounts, PjsuaAccounts, BaresipAccounts)
        results.accounts = registrations(kinds, amounts.accounts, amounts.repeats, say)
        results.set_ups = set_ups(BOTH, amounts.calls, amounts.repeats, say)
    if only in (None, "fleet"):
        results.fleets = fleets(plan.crowds.fleet, plan.crowds.repeats, say)
    if only in (None, "times"):
        results.latency = measure(plan.amounts, say)
    return results


def _handsets() -> Table:
    from benchmarks.handsets.__main__ import short  # needs aiortc, which is slow to load

    return short()


def main(argv: list[str] | None = None) -> int:
    args = arguments(argv)
    if args.only == "handsets":
        from benchmarks.handsets.__main__ import main as handsets  # needs aiortc, which is slow to load

        return handsets(["--quick"] if args.quick else [])
    if args.only == "impairments":
        from benchmarks.impairments.__main__ import main as impairments  # needs PESQ, and root

        return impairments(["--quick"] if args.quick else [])
    plan = QUICK if args.quick else FULL
    if args.rounds:
        plan = replace(plan, rounds=args.rounds)
    try:
        results = run(plan, args.only, Console(stderr=True))
        delays = mouth_to_ear() if args.only in (None, "delay") else []
        sockets = websocket.costs((5, 10), 2 * plan.rounds, plan.window_s) if args.only in (None, "websocket") else []
        browsers = _handsets() if args.only is None and not args.quick else None
    except BenchError as error:
        sys.stderr.write(f"benchmarks: {error}\n")
        return 2
    except KeyboardInterrupt:
        return 130
    if args.only not in ("delay", "websocket"):
        show(results, Console(width=None if sys.stdout.isatty() else 140))
    if delays:
        print("\n" + delay_table(delays))
    if sockets:
        print("\n" + websocket.table(sockets))
    if browsers:
        Console(width=120).print("\n", browsers)
    if args.json:
        write_json(results, args.json)
    met = all(verdict.met for verdict in results.verdicts()) and all(each.ratio <= websocket.AIM for each in sockets)
    return 1 if args.strict and not met else 0


if __name__ == "__main__":
    sys.exit(main())
