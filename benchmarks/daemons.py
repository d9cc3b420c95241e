"""`softphone run` as users start it, for everything but the cost of a call."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import yaml

from benchmarks.fastclient import FastClient
from benchmarks.phones import SECRET
from benchmarks.processes import PYTHON, BenchError, Child, until

FAST_STEP_S = 0.002


@dataclass(frozen=True, slots=True)
class Daemon:
    """A daemon that serves. Times in seconds from the process's start: first answer, all accounts registered."""

    child: Child
    client: FastClient
    serves_s: float
    registered_s: float


@contextmanager
def lab() -> Iterator[Mapping[str, Any]]:
    """The lab in a process of its own; gives the phone's configurations by transport."""
    with TemporaryDirectory(prefix="bench-") as folder:
        with Child([PYTHON, "-m", "benchmarks.labside"], Path(folder) / "lab.log", talks=True) as child:
            line = child.read_line()
            if not line:
                raise BenchError(f"the lab has ended: {child.words()[-2000:]}")
            yield json.loads(line)


@contextmanager
def daemon(config: Mapping[str, Any]) -> Iterator[Daemon]:
    """`softphone run` with this configuration on loopback, ready for calls."""
    with TemporaryDirectory(prefix="bench-") as path:
        folder = Path(path)
        socket = folder / "control.sock"
        file = folder / "softphone.yaml"
        local = {"sip": {"bind": "127.0.0.1"}, "control": {"socket": str(socket)}, "log": {"level": "warning"}}
        file.write_text(yaml.safe_dump({**config, **local}))
        command: list[str | Path] = [PYTHON, "-m", "softphone.cli.main", "run", "--config", file]
        started_s = time.monotonic()
        with Child(command, folder / "softphone.log", env={SECRET: "bench"}) as child:
            client = until(lambda: child.alive() and _connected(socket), "the daemon's first answer", 20, FAST_STEP_S)
            serves_s = time.monotonic() - started_s
            until(lambda: client.request("GET", "/v1/status")["ready"], "registration", 20, FAST_STEP_S)
            yield Daemon(child, client, serves_s, time.monotonic() - started_s)


def _connected(socket: Path) -> FastClient | None:
    client = FastClient(socket)
    try:
        state = client.request("GET", "/v1/status")["state"]
    except OSError:
        return None
    return client if state == "running" else None
