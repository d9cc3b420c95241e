"""`softphone doctor`."""

from __future__ import annotations

import os
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from softphone.cli import exits
from softphone.cli.commands.run import ConfigFile
from softphone.cli.options import AsJson, Settings, Socket, find_socket
from softphone.cli.output import count_of, print_json

if TYPE_CHECKING:
    from softphone.cli.doctor.findings import Finding

MARKS = {"ok": ("✓", "32"), "info": ("·", "2"), "warn": ("!", "33"), "fail": ("✗", "31")}


def doctor(ctx: typer.Context, config: ConfigFile = None, socket: Socket = None, as_json: AsJson = False) -> None:
    """Find out what keeps the phone from working, and what to do about it.

    Looks at this machine, the native build, the configuration and its secrets, the PBX's API and live events, the way
    to each registrar (name, connection, certificate, SIP), STUN and TURN servers, the clock, and the phone that runs,
    if one does. Registers nowhere and changes nothing. Exits with 1 if something has to be mended.
    """
    from softphone.cli.doctor.examine import examine

    settings = Settings.of(ctx, socket, as_json)
    report = Report(quiet=settings.json)
    named = Path(settings.socket) if settings.socket else None
    for finding in examine(config, named, find_socket(os.environ), report.doing):
        report.add(finding)
    report.end()
    if settings.json:
        print_json({"ok": report.ok, "findings": [asdict(finding) for finding in report.findings]})
    raise typer.Exit(exits.OK if report.ok else exits.FAILED)


class Report:
    """Prints findings as they come, under the name of what they speak of."""

    def __init__(self, *, quiet: bool) -> None:
        self._quiet = quiet
        self._live = sys.stdout.isatty() and not quiet
        self._area = ""
        self.findings: list[Finding] = []

    @property
    def ok(self) -> bool:
        return not self._count("fail")

    def doing(self, text: str) -> None:
        """What is being looked at; goes away with the next line, and is shown to people only."""
        if self._live:
            print(f"\x1b[2m  looking at {text} …\x1b[0m", end="\r", flush=True)

    def add(self, finding: Finding) -> None:
        self.findings.append(finding)
        if self._quiet:
            return
        if finding.area != self._area:
            print(f"{self._clear}\n{self._painted(finding.area, '1')}")
            self._area = finding.area
        mark, colour = MARKS[finding.state]
        print(f"{self._clear}  {self._painted(mark, colour)} {finding.title}: {finding.text}")
        if finding.cure:
            print(f"      -> {finding.cure}")

    def end(self) -> None:
        if self._quiet:
            return
        fails, warns = self._count("fail"), self._count("warn")
        verdict = f"{count_of(fails, 'thing')} to mend" if fails else "nothing to mend"
        more = f", {count_of(warns, 'warning')}" if warns else ""
        print(f"{self._clear}\n{self._painted(verdict + more, '31' if fails else '32')}")

    def _count(self, state: str) -> int:
        return sum(1 for finding in self.findings if finding.state == state)

    @property
    def _clear(self) -> str:
        return "\x1b[2K" if self._live else ""

    def _painted(self, text: str, colour: str) -> str:
        return f"\x1b[{colour}m{text}\x1b[0m" if self._live else text
