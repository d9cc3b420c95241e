"""The command line as a person calls it: in this process where that is the same, in one of its own where it is not."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from softphone.cli.main import app

DEADLINE_S = 30.0
COMMAND = (sys.executable, "-m", "softphone.cli.main")


@dataclass(frozen=True)
class Ended:
    """How a command ended, and what it said."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def lines(self) -> list[dict[str, Any]]:
        """JSON documents, one a line."""
        return [json.loads(line) for line in self.out.splitlines()]


def softphone(*args: str, socket: Path | None = None) -> Ended:
    """Runs a command in this process."""
    env = {"SOFTPHONE_SOCKET": str(socket) if socket else None}
    result = CliRunner().invoke(app, list(args), env=env, prog_name="softphone")
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return Ended(result.exit_code, result.stdout, result.stderr)


def start(*args: str, socket: Path | None = None, cwd: Path | None = None) -> subprocess.Popen[str]:
    """Starts a command as a process of its own."""
    env = os.environ | {"SOFTPHONE_SOCKET": str(socket)} if socket else dict(os.environ)
    return subprocess.Popen(
        [*COMMAND, *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env, cwd=cwd
    )


def finish(process: subprocess.Popen[str]) -> Ended:
    out, err = process.communicate(timeout=DEADLINE_S)
    return Ended(process.returncode, out, err)


def run(*args: str, socket: Path | None = None, cwd: Path | None = None) -> Ended:
    """Runs a command as a process of its own, to its end."""
    return finish(start(*args, socket=socket, cwd=cwd))
