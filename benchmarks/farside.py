"""The far end as the harness sees it: a process that is asked by lines of text."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from benchmarks.processes import PYTHON, BenchError, Child, until


class FarSide:
    """A far end for one codec. `with` ends it."""

    def __init__(self, codec: str, folder: Path) -> None:
        command = [PYTHON, "-m", "benchmarks.farend", "--codec", codec]
        self._child = Child(command, folder / "farend.log", talks=True)
        self.codec = codec
        self.port = 0

    def _read(self) -> dict[str, Any]:
        line = self._child.read_line()
        if not line:
            raise BenchError(f"the far end has ended: {self._child.words()}")
        found: dict[str, Any] = json.loads(line)
        return found

    def report(self) -> dict[str, Any]:
        """See farend.Report."""
        self._child.enter("report")
        return self._read()

    def reset(self) -> None:
        """Counts packets anew."""
        self._child.enter("reset")

    def wait_for_calls(self, count: int) -> None:
        """Until `count` calls are confirmed, no more and no fewer."""
        until(lambda: self.report()["confirmed"] == count, f"{count} calls at the far end")

    def __enter__(self) -> FarSide:
        try:
            self.port = int(self._read()["port"])
        except BaseException:
            self._child.kill()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._child.kill()
