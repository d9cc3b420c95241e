"""The demo's phone: `softphone run` as a process of its own, as a service manager would start it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from softphone.control.client import ControlClient, ControlError
from softphone.errors import SoftphoneError

POLL_S = 0.05
STOP_LIMIT_S = 15.0


class PhoneProcess:
    """Use as a context manager; leaving it ends the process whatever happened."""

    def __init__(self, config: Path, socket: Path, log: Path, state: Path) -> None:
        self.socket, self.log = socket, log
        self._command = [sys.executable, "-m", "softphone.cli.main", "run", "--config", str(config)]
        self._env = os.environ | {"STATE_DIRECTORY": str(state), "PYTHONUNBUFFERED": "1"}
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                self._command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, env=self._env
            )

    def __enter__(self) -> PhoneProcess:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()

    def connect(self) -> ControlClient:
        return ControlClient(self.socket)

    def until(self, what: str, check: Callable[[ControlClient], Any], *, limit_s: float) -> Any:
        """Asks until the answer is true, and returns it. Raises SoftphoneError when the time or the process is over."""
        deadline = time.monotonic() + limit_s
        last: ControlError | None = None
        while time.monotonic() < deadline:
            self._check_alive()
            try:
                with self.connect() as phone:
                    if found := check(phone):
                        return found
            except ControlError as error:
                last = error
            time.sleep(POLL_S)
        raise SoftphoneError(f"{what}: not within {limit_s:g} s" + (f" ({last})" if last else ""))

    def _check_alive(self) -> None:
        code = self._process.poll() if self._process is not None else None
        if code is not None:
            raise SoftphoneError(f"the phone's process ended by itself with code {code}")

    def stop(self) -> int:
        """SIGTERM, as a service manager does. Returns the exit code. Raises SoftphoneError if it does not end."""
        if self._process is None:
            raise SoftphoneError("the phone was never started")
        self._process.terminate()
        try:
            return self._process.wait(STOP_LIMIT_S)
        except subprocess.TimeoutExpired:
            raise SoftphoneError(f"the phone did not stop within {STOP_LIMIT_S:g} s of SIGTERM") from None
