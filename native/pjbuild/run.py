"""Running commands with their output in a log file, so that a failure can show its last lines."""

import os
import shlex
import subprocess
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

from .errors import BuildError, CommandFailed


class Runner:
    """Runs the commands of one build. Safe to use from two threads; `kill()` ends what still runs."""

    def __init__(self, log: Path, env: Mapping[str, str] | None = None) -> None:
        self.log = log
        self._env = {**os.environ, **(env or {}), "LC_ALL": "C.UTF-8"}
        self._running: set[subprocess.Popen[bytes]] = set()
        self._lock = threading.Lock()
        log.parent.mkdir(parents=True, exist_ok=True)

    def run(self, doing: str, argv: Sequence[str | Path], cwd: Path, log: Path | None = None) -> None:
        """Runs `argv` in `cwd`; raises CommandFailed with the log's last lines."""
        log = log or self.log
        command = shlex.join(str(word) for word in argv)
        with log.open("ab") as out:
            out.write(f"\n$ cd {cwd} && {command}\n".encode())
            out.flush()
            status = self._wait(argv, cwd, out.fileno())
        if status != 0:
            raise CommandFailed(doing, _shorten(command), status, log)

    def _wait(self, argv: Sequence[str | Path], cwd: Path, out: int) -> int:
        try:
            process = subprocess.Popen(
                [str(word) for word in argv],
                cwd=cwd,
                env=self._env,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
            )
        except OSError as error:
            raise BuildError(f"{argv[0]} cannot be started: {error.strerror}") from error
        with self._lock:
            self._running.add(process)
        try:
            return process.wait()
        except BaseException:
            process.terminate()
            process.wait()
            raise
        finally:
            with self._lock:
                self._running.discard(process)

    def kill(self) -> None:
        with self._lock:
            for process in self._running:
                process.terminate()


def capture(argv: Sequence[str | Path], cwd: Path | None = None, env: Mapping[str, str] | None = None) -> str:
    """The standard output of a short command; raises BuildError with what it wrote to standard error."""
    try:
        done = subprocess.run(
            [str(word) for word in argv],
            cwd=cwd,
            env={**os.environ, **(env or {}), "LC_ALL": "C.UTF-8"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
    except OSError as error:
        raise BuildError(f"{argv[0]} cannot be started: {error.strerror}") from error
    if done.returncode != 0:
        command = _shorten(shlex.join(str(word) for word in argv))
        raise BuildError(f"`{command}` ended with {done.returncode}: {done.stderr.strip()[-2000:]}")
    return done.stdout


def _shorten(command: str, limit: int = 160) -> str:
    return command if len(command) <= limit else command[:limit] + " …"
