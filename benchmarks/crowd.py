"""Many at once: accounts that register from the start of the process, calls set up as fast as the phone goes.

What is timed ends at the far end: the last account registered, the last call confirmed. The phones run one after the
other, by turns, since each may have the whole machine.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import yaml

from benchmarks.capacity import Say
from benchmarks.farside import FarSide
from benchmarks.phones import HOST, SAME, SECRET, Phone, Pjsua, Softphone, pjsua_program
from benchmarks.processes import PYTHON, Child, cpu_s, memory_mb, spent_s, until
from benchmarks.stats import Spread

PATIENCE_S = 120.0


@dataclass(frozen=True, slots=True)
class Crowd:
    """One phone with `count` accounts or calls. `per_s`: how many of them a second; processor time for each."""

    phone: str
    count: int
    per_s: Spread
    cpu_ms: Spread
    memory_mb: Spread


@dataclass(frozen=True, slots=True)
class _Run:
    lasted_s: float
    cpu_s: float
    memory_mb: float


# ---- accounts


class Registrant(ABC):
    """A phone with many accounts and nothing else."""

    name: str

    @abstractmethod
    def command(self, users: Sequence[str], port: int, folder: Path) -> list[str | Path]:
        """What starts it; its files go to `folder`."""


class SoftphoneAccounts(Registrant):
    name = Softphone.name

    def command(self, users: Sequence[str], port: int, folder: Path) -> list[str | Path]:
        accounts = [
            {
                "username": user,
                "password": {"env": SECRET},
                "domain": HOST,
                "registrar": f"{HOST}:{port}",
                "transport": "udp",
            }
            for user in users
        ]
        config = {
            "accounts": accounts,
            "sip": {"bind": HOST},
            "control": {"socket": str(folder / "control.sock")},
            "log": {"level": "warning"},
        }
        file = folder / "softphone.yaml"
        file.write_text(yaml.safe_dump(config))
        return [PYTHON, "-m", "softphone.cli.main", "run", "--config", file]


class PjsuaAccounts(Registrant):
    name = Pjsua.name

    def command(self, users: Sequence[str], port: int, folder: Path) -> list[str | Path]:
        each = [
            ["--id", f"sip:{user}@{HOST}", "--registrar", f"sip:{HOST}:{port}", "--reg-timeout=3600"] for user in users
        ]
        accounts = [word for words in each for word in (*words, "--next-account")][:-1]
        own = ("--null-audio", "--local-port=0", f"--bound-addr={HOST}", f"--ip-addr={HOST}", "--no-tcp", "--no-tones")
        return [pjsua_program(), *own, "--log-level=1", "--app-log-level=1", *accounts]


class BaresipAccounts(Registrant):
    name = "baresip"

    def command(self, users: Sequence[str], port: int, folder: Path) -> list[str | Path]:
        accounts = [f"<sip:{user}@{HOST}:{port};transport=udp>;auth_pass=bench;regint=3600" for user in users]
        (folder / "accounts").write_text("\n".join(accounts) + "\n")
        modules = ["module stdio.so", "module uuid.so", "module g711.so", "module_tmp account.so", "module_app menu.so"]
        settings = ["poll_method epoll", f"sip_listen {HOST}:0", "module_path /usr/lib/baresip/modules", *modules]
        (folder / "config").write_text("\n".join(settings) + "\n")
        (folder / "contacts").write_text("")
        return ["baresip", "-f", folder]


def registrations(kinds: Sequence[type[Registrant]], count: int, repeats: int, say: Say) -> list[Crowd]:
    """From the start of the process to `count` accounts registered."""
    users = [f"u{number:04}" for number in range(count)]

    def one(kind: type[Registrant]) -> _Run:
        with TemporaryDirectory(prefix="bench-") as path:
            folder = Path(path)
            with FarSide("PCMU", folder) as far:
                command = kind().command(users, far.port, folder)
                started_s = time.monotonic()
                with Child(command, folder / "phone.log", env={SECRET: "bench"}) as child:
                    done = far.report
                    until(lambda: child.alive() and done()["registered"] == count, f"{count} accounts", PATIENCE_S)
                    lasted_s = time.monotonic() - started_s
                    return _Run(lasted_s, spent_s({}, cpu_s(child.pid)), memory_mb(child.pid))

    return _by_turns({kind.name: lambda kind=kind: one(kind) for kind in kinds}, count, repeats, say, "accounts")


# ---- calls


def set_ups(kinds: Sequence[type[Softphone] | type[Pjsua]], count: int, repeats: int, say: Say) -> list[Crowd]:
    """`count` calls asked for in one go, until the last of them is confirmed; then all are hung up."""

    def one(kind: type[Softphone] | type[Pjsua]) -> _Run:
        with TemporaryDirectory(prefix="bench-") as path, FarSide("PCMU", Path(path)) as far:
            with kind(far, SAME, Path(path) / "none.wav", Path(path)) as phone:
                return _one_go(phone, count)

    return _by_turns({kind.name: lambda kind=kind: one(kind) for kind in kinds}, count, repeats, say, "calls set up")


def _one_go(phone: Phone, count: int) -> _Run:
    phone.call(1)
    phone.far.wait_for_calls(1)  # what the first call of a process costs is not the matter
    phone.hang_up_all()
    phone.far.wait_for_calls(0)
    before, base_mb, started_s = cpu_s(phone.pid), memory_mb(phone.pid), time.monotonic()
    phone.call(count)
    phone.far.wait_for_calls(count)
    lasted_s, grown_mb = time.monotonic() - started_s, memory_mb(phone.pid) - base_mb
    phone.hang_up_all()
    phone.far.wait_for_calls(0)
    return _Run(lasted_s, spent_s(before, cpu_s(phone.pid)), grown_mb)


def _by_turns(runs: dict[str, Callable[[], _Run]], count: int, repeats: int, say: Say, what: str) -> list[Crowd]:
    found: dict[str, list[_Run]] = {name: [] for name in runs}
    for number in range(repeats):
        for name, run in runs.items():
            say(f"{count} {what}, {name}: {number + 1} of {repeats}")
            found[name].append(run())
    return [_crowd(name, count, results) for name, results in found.items()]


def _crowd(name: str, count: int, runs: Sequence[_Run]) -> Crowd:
    return Crowd(
        name,
        count,
        Spread.of([count / run.lasted_s for run in runs]),
        Spread.of([1000 * run.cpu_s / count for run in runs]),
        Spread.of([run.memory_mb for run in runs]),
    )
