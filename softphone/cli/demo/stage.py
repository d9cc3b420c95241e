"""How the demo is shown: numbered steps, what happens inside them, a tick and a time, or what failed."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TextIO

from softphone.errors import SoftphoneError

_GREEN, _RED, _BOLD, _DIM, _PLAIN = "\x1b[32m", "\x1b[31m", "\x1b[1m", "\x1b[2m", "\x1b[0m"


class DemoFailed(SoftphoneError):
    """A step did not do what it should."""


@dataclass(frozen=True, slots=True)
class Result:
    """One step's outcome, for `--json`."""

    step: str
    ok: bool
    seconds: float
    said: str
    figures: dict[str, float | str] = field(default_factory=dict)


class Step:
    """What a step may say while it runs."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self.said = ""
        self.figures: dict[str, float | str] = {}

    def detail(self, text: str) -> None:
        """Something that happens on the way."""
        self._stage.write(f"      {text}", _DIM)

    def proven(self, text: str, **figures: float | str) -> None:
        """What the step has shown; printed with the tick."""
        self.said = text
        self.figures = figures


class Stage:
    """Prints as it happens. Colours where a terminal shows them."""

    def __init__(self, out: TextIO | None = None) -> None:
        self._out = out or sys.stdout
        self._colour = self._out.isatty()
        self._began = time.monotonic()
        self.results: list[Result] = []

    @contextmanager
    def step(self, title: str) -> Iterator[Step]:
        """One step; an error inside it is shown as the step's failure and goes on up as DemoFailed."""
        number = len(self.results) + 1
        self.write(f"\n{number:>2}  {title}", _BOLD)
        step, began = Step(self), time.monotonic()
        try:
            yield step
        except SoftphoneError as error:
            self._end(title, False, began, str(error), {})
            raise DemoFailed(f"step {number}, {title}: {error}") from error
        self._end(title, True, began, step.said, step.figures)

    def _end(self, title: str, ok: bool, began: float, said: str, figures: dict[str, float | str]) -> None:
        seconds = time.monotonic() - began
        self.results.append(Result(title, ok, round(seconds, 3), said, figures))
        self.write(f"    {'✓' if ok else '✗'} {said}  ({seconds:.1f} s)", _GREEN if ok else _RED)

    def write(self, text: str, style: str = "") -> None:
        if self._colour and style:
            text = f"{style}{text}{_PLAIN}"
        print(text, file=self._out, flush=True)

    @property
    def seconds(self) -> float:
        """Since the curtain rose."""
        return time.monotonic() - self._began
