"""Processes under measurement: started quietly, ended surely, and what they cost by the kernel's books."""

from __future__ import annotations

import os
import select
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Any

ROOT = Path(__file__).resolve().parents[1]
PYTHON = sys.executable
STEP_S = 0.01
REAL_TIME_PRIORITY = 20


class BenchError(Exception):
    """What was measured did not do what it should; the figures would mean nothing."""


def until(condition: Callable[[], Any], what: str, within_s: float = 30.0, step_s: float = STEP_S) -> Any:
    """The first true value of `condition`. BenchError after the deadline."""
    limit_s = time.monotonic() + within_s
    while not (found := condition()):
        if time.monotonic() > limit_s:
            raise BenchError(f"{what}: not within {within_s:g} s")
        time.sleep(step_s)
    return found


@contextmanager
def undisturbed() -> Iterator[None]:
    """What begins meanwhile, and the calling thread, come before all else on the machine, where that is allowed.

    For measurements of how sound flows: a busy neighbour would be measured too.
    """
    with suppress(PermissionError):
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(REAL_TIME_PRIORITY))
    try:
        yield
    finally:
        with suppress(PermissionError):
            os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))


class Child:
    """One process. Its output goes to `log`; with `talks` its standard output is ours to read."""

    def __init__(
        self, argv: Sequence[str | Path], log: Path, *, talks: bool = False, env: Mapping[str, str] | None = None
    ) -> None:
        self.log, self._name = log, " ".join(str(word) for word in argv[:4])
        self._file: IO[bytes] = log.open("wb")
        self.process = subprocess.Popen(
            [str(word) for word in argv],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE if talks else self._file,
            stderr=self._file,
            env={**os.environ, "ALSA_CONFIG_PATH": os.devnull, **(env or {})},
        )

    @property
    def pid(self) -> int:
        return self.process.pid

    def alive(self) -> bool:
        """True; BenchError with its last words if it has ended."""
        if (code := self.process.poll()) is not None:
            raise BenchError(f"{self._name} ended with {code}: {self.words()[-2000:]}")
        return True

    def words(self) -> str:
        """What it has written so far."""
        return self.log.read_text(errors="replace")

    def enter(self, line: str) -> None:
        """Gives it a line of input."""
        stdin = self.process.stdin
        if stdin is None:
            raise BenchError("this process takes no input")
        stdin.write(line.encode() + b"\n")
        stdin.flush()

    def read_line(self, within_s: float | None = None) -> str:
        """Its next line of output; '' at the end. BenchError after the deadline."""
        stdout = self.process.stdout
        if stdout is None:
            return ""
        if within_s is not None and not select.select([stdout], [], [], within_s)[0]:
            raise BenchError(f"{self._name} said nothing for {within_s:g} s")
        return stdout.readline().decode()

    def kill(self) -> None:
        """Ends it at once. What a phone would say on its way out is not part of any figure."""
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout, self._file):
            with suppress(OSError):
                if pipe:
                    pipe.close()

    def __enter__(self) -> Child:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.kill()


def cpu_s(pid: int) -> dict[str, float]:
    """Processor seconds of each thread so far, to the nanosecond."""
    found = {}
    for task in Path(f"/proc/{pid}/task").iterdir():
        with suppress(FileNotFoundError, ProcessLookupError):
            found[task.name] = int((task / "schedstat").read_text().split()[0]) / 1e9
    return found


def spent_s(before: Mapping[str, float], after: Mapping[str, float]) -> float:
    """Processor seconds between two readings (threads that ended in between left no account)."""
    return sum(value - before.get(thread, 0.0) for thread, value in after.items())


def memory_mb(pid: int) -> float:
    """Memory that is this process's alone: what would be free if it ended."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith("Private_")) / 1024
