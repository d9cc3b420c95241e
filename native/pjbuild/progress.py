"""Progress for people: one line per step, with the seconds it takes, on a terminal or in a CI log."""

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

HEARTBEAT_S = 15.0  # in a log file, how often a long step says that it is alive


class Progress:
    """Writes `[2/6] configuring PJSIP … 12 s`; on a terminal the seconds count up in place."""

    def __init__(self, stream: TextIO = sys.stderr) -> None:
        self._stream = stream
        self._live = stream.isatty()
        self._step = 0
        self._steps = 0

    def plan(self, steps: int) -> None:
        """From here on there are `steps` steps; numbering starts again."""
        self._step, self._steps = 0, steps

    def say(self, text: str) -> None:
        print(text, file=self._stream, flush=True)

    @contextmanager
    def step(self, title: str) -> Iterator[None]:
        """Shows `title` as the next step for as long as the body runs."""
        self._step += 1
        label = f"[{self._step}/{self._steps}] {title} …"
        started = time.monotonic()
        done = threading.Event()
        ticker = threading.Thread(target=self._tick, args=(label, started, done), daemon=True)
        ticker.start()
        outcome = "failed after"
        try:
            yield
            outcome = ""
        finally:
            done.set()
            ticker.join()
            self._show(label, outcome, time.monotonic() - started, last=True)

    def _tick(self, label: str, started: float, done: threading.Event) -> None:
        if not self._live:
            self.say(label)
        while not done.wait(1.0 if self._live else HEARTBEAT_S):
            self._show(label, "", time.monotonic() - started, last=False)

    def _show(self, label: str, outcome: str, seconds: float, *, last: bool) -> None:
        text = f"{label} {outcome + ' ' if outcome else ''}{seconds:.0f} s"
        if self._live:
            self._stream.write(f"\r{text}\x1b[K" + ("\n" if last else ""))
            self._stream.flush()
        else:
            self.say(text)
