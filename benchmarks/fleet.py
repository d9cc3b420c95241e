"""A fleet: all extensions of a domain, from the start of the program to the last one registered, beside SIPp.

The phone reads the extension list from the PBX's API, makes its accounts and registers each. SIPp is given the same
extensions in a file and does nothing but send their REGISTERs, as fast as the registrar takes them: what is left to the
phone to lose. The registrar is the lab, anew for each run, and says when the last one has registered. Over TCP, one
connection each: of UDP's packets a burst of a thousand loses some, and then it would be timers that are compared.
"""

from __future__ import annotations

import json
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import yaml

from benchmarks.capacity import Say
from benchmarks.phones import HOST
from benchmarks.processes import PYTHON, BenchError, Child, cpu_s, memory_mb, spent_s
from benchmarks.stats import Spread

SIPP_AT_ONCE = 4000
"""Registrations a second that SIPp begins. The lab answers fewer, so that more of them make nothing faster."""
PATIENCE_S = 120.0

_REGISTER = """\
      REGISTER sip:{domain} SIP/2.0
      Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch];rport
      Max-Forwards: 70
      From: <sip:[field0]@{domain}>;tag=[pid]r[call_number]
      To: <sip:[field0]@{domain}>
      Call-ID: [call_id]
      CSeq: {number} REGISTER
      Contact: <sip:[field0]@[local_ip]:[local_port];transport=[transport]>
      Expires: 3600
      {credentials}Content-Length: 0
"""
_SCENARIO = """\
<?xml version="1.0" encoding="UTF-8"?>
<scenario name="register a fleet">
  <send retrans="500"><![CDATA[
{first}
  ]]></send>
  <recv response="401" auth="true"/>
  <send retrans="500"><![CDATA[
{second}
  ]]></send>
  <recv response="200"/>
  <pause milliseconds="600000"/>
</scenario>
"""


@dataclass(frozen=True, slots=True)
class Run:
    """Seconds from the start of the program to the first REGISTER that succeeded, and to the last."""

    first_s: float
    all_s: float
    requests: int
    cpu_s: float
    memory_mb: float


@dataclass(frozen=True, slots=True)
class Fleet:
    """One program with `count` extensions. `registering_s`: from the first one registered to the last."""

    program: str
    count: int
    all_s: Spread
    registering_s: Spread
    requests: int
    cpu_ms: Spread
    memory_mb: Spread


@dataclass(frozen=True, slots=True)
class Fleets:
    """Both programs, and the phone's times to SIPp's, round by round."""

    fleets: list[Fleet]
    all_ratio: Spread
    registering_ratio: Spread


class Program(ABC):
    """Something that registers a fleet."""

    name: str

    @abstractmethod
    def command(self, lab: Mapping[str, Any], folder: Path) -> list[str | Path]:
        """What starts it; `lab` is what fleetlab tells."""


class Softphone(Program):
    name = "softphone"

    def command(self, lab: Mapping[str, Any], folder: Path) -> list[str | Path]:
        own = {
            "sip": {"bind": HOST},
            "control": {"socket": str(folder / "control.sock")},
            "log": {"level": "warning"},
        }
        file = folder / "softphone.yaml"
        file.write_text(yaml.safe_dump(lab["config"] | own))
        return [PYTHON, "-m", "softphone.cli.main", "run", "--config", file]


class Sipp(Program):
    name = "SIPp"

    def command(self, lab: Mapping[str, Any], folder: Path) -> list[str | Path]:
        domain, passwords = lab["domain"], lab["passwords"]
        first = _REGISTER.format(domain=domain, number=1, credentials="")
        second = _REGISTER.format(domain=domain, number=2, credentials="[field1]\n      ")
        (folder / "register.xml").write_text(_SCENARIO.format(first=first, second=second))
        lines = [f"{number};[authentication username={number} password={word}]" for number, word in passwords.items()]
        (folder / "fleet.csv").write_text("\n".join(["SEQUENTIAL", *lines]) + "\n")
        files = ("-sf", folder / "register.xml", "-inf", folder / "fleet.csv")
        amounts = ("-m", str(len(lines)), "-l", str(len(lines)), "-r", str(SIPP_AT_ONCE), "-rp", "1000")
        return ["sipp", f"{HOST}:{lab['port']}", *files, *amounts, "-i", HOST, "-t", "t1", "-nostdin"]


def compare(count: int, repeats: int, say: Say) -> Fleets:
    """Both programs by turns."""
    programs = (Softphone(), Sipp())
    runs: dict[str, list[Run]] = {program.name: [] for program in programs}
    for number in range(repeats):
        for program in programs:
            say(f"a fleet of {count}, {program.name}: {number + 1} of {repeats}")
            runs[program.name].append(one(program, count))
    pairs = list(zip(*runs.values(), strict=True))
    return Fleets(
        [_fleet(name, count, found) for name, found in runs.items()],
        Spread.of([ours.all_s / theirs.all_s for ours, theirs in pairs]),
        Spread.of([(ours.all_s - ours.first_s) / (theirs.all_s - theirs.first_s) for ours, theirs in pairs]),
    )


def one(program: Program, count: int) -> Run:
    """One run. BenchError if an extension was refused."""
    with TemporaryDirectory(prefix="bench-") as path:
        folder = Path(path)
        lab_command = [PYTHON, "-m", "benchmarks.fleetlab", str(count)]
        with Child(lab_command, folder / "lab.log", talks=True) as lab:
            facts = _told(lab)
            command = program.command(facts, folder)
            started_s = time.monotonic()
            with Child(command, folder / "program.log") as child:
                done = _told(lab)
                run = Run(
                    done["first_s"] - started_s,
                    done["all_s"] - started_s,
                    done["requests"],
                    spent_s({}, cpu_s(child.pid)),
                    memory_mb(child.pid),
                )
        if done["refused"]:
            raise BenchError(f"{program.name}: {done['refused']} registrations were refused")
        return run


def _told(lab: Child) -> dict[str, Any]:
    line = lab.read_line(within_s=PATIENCE_S)
    if not line:
        raise BenchError(f"the lab has ended: {lab.words()[-2000:]}")
    found: dict[str, Any] = json.loads(line)
    return found


def _fleet(program: str, count: int, runs: Sequence[Run]) -> Fleet:
    return Fleet(
        program,
        count,
        Spread.of([run.all_s for run in runs]),
        Spread.of([run.all_s - run.first_s for run in runs]),
        max(run.requests for run in runs),
        Spread.of([1000 * run.cpu_s / count for run in runs]),
        Spread.of([run.memory_mb for run in runs]),
    )
