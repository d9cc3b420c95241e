"""A trace as a ladder of text: time goes down, each arrow is a message between this phone and somebody.

              this phone                                             192.0.2.1:5061
                  |                                                         tls
        +0.000    |-------------------- INVITE sip:9196@pbx.example ----------->|

Plain ASCII, so that it can be read wherever a log can. Standard library only.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from datetime import UTC, datetime

from softphone.tracing.scene import OURSELVES, Arrow, Lane, Scene

WIDTH = 100
MIN_WIDTH = 60
_TIME = 10
_TAG = 10
_GAP = 22
"""Least distance of two lanes; who finds no room shares the last lane."""


def ladder(scene: Scene, title: str = "", width: int = WIDTH) -> str:
    """The whole as text, lines of at most `width` characters (from MIN_WIDTH up)."""
    if not scene.arrows:
        return "\n".join([title, "no messages"] if title else ["no messages"]) + "\n"
    page = Page(scene.lanes, scene.arrows[0].time_us, width=width, tagged=scene.tagged)
    lines = [*textwrap.wrap(title, page.width), began(scene.arrows[0].time_us), "", *page.heading()]
    for arrow in scene.arrows:
        lines += page.draw(arrow)
    return "\n".join([*lines, page.bare().rstrip()]) + "\n"


def began(time_us: int) -> str:
    """When the first message travelled."""
    when = datetime.fromtimestamp(time_us / 1e6, UTC)
    return f"from {when:%Y-%m-%d %H:%M:%S}.{time_us // 1000 % 1000:03d} UTC"


class Page:
    """Where the lanes are, and how arrows are drawn between them. Times count from `start_us`."""

    def __init__(self, lanes: Sequence[Lane], start_us: int, *, width: int = WIDTH, tagged: bool = False) -> None:
        self.width = max(width, MIN_WIDTH)
        self._start_us = start_us
        self._left = _TIME + (_TAG if tagged else 0)
        self._tagged = tagged
        first, last = self._left + 2, self.width - 2
        count = max(1, min(len(lanes), (last - first) // _GAP))
        self._places = {lane: min(i, count - 1) + 1 for i, lane in enumerate(lanes)}
        self._columns = [first + (last - first) * i // count for i in range(count + 1)]
        self._shared = len(lanes) > count

    def heading(self) -> list[str]:
        """The lanes' names, and how they are reached."""
        heads = [(OURSELVES, "")] + [("", "")] * (len(self._columns) - 1)
        for lane, place in self._places.items():
            heads[place] = (lane.name, lane.detail)
        if self._shared:
            heads[-1] = ("several others", "")
        names = self._centred([name for name, _ in heads])
        details = self._centred([detail for _, detail in heads])
        return [line for line in (names, details) if line] + [self.bare()]

    def _centred(self, texts: Sequence[str]) -> str:
        line = [" "] * self.width
        for text, column in zip(texts, self._columns, strict=True):
            begin = max(0, min(column - len(text) // 2, self.width - len(text)))
            line[begin : begin + len(text)] = text
        return "".join(line).rstrip()

    def bare(self) -> str:
        """A line on which nothing happens."""
        return "".join(self._blank()).rstrip()

    def _blank(self) -> list[str]:
        line = [" "] * self.width
        for column in self._columns:
            line[column] = "|"
        return line

    def draw(self, arrow: Arrow) -> list[str]:
        """The lines of one message, the arrow first, its notes below."""
        a, b = self._columns[0], self._columns[self._places[arrow.lane]]
        label = arrow.label if not self._shared else f"[{arrow.lane.name}] {arrow.label}"
        fits = len(label) <= b - a - 7
        above = [] if fits else textwrap.wrap(label, b - a - 4, break_long_words=True, break_on_hyphens=False)
        below = [line for note in self._notes(arrow) for line in textwrap.wrap(note, b - a - 6)]
        lines = [self._text(text, a, b) for text in above]
        lines.append(self._shaft(label if fits else "", a, b, arrow.sent))
        lines += [self._text(text, a, b) for text in below]
        lines[0][: self._left] = self._margin(arrow).ljust(self._left)[: self._left]
        return ["".join(line).rstrip() for line in lines]

    def _notes(self, arrow: Arrow) -> Sequence[str]:
        if arrow.times == 1:
            return arrow.notes
        return (*arrow.notes, f"{arrow.times} times, the last at {self._time(arrow.last_us)}")

    def _margin(self, arrow: Arrow) -> str:
        tag = arrow.tag[: _TAG - 1].ljust(_TAG) if self._tagged else ""
        return tag + self._time(arrow.time_us).rjust(_TIME - 1)

    def _time(self, time_us: int) -> str:
        return f"{(time_us - self._start_us) / 1e6:+.3f}"

    def _text(self, text: str, a: int, b: int) -> list[str]:
        line = self._blank()
        begin = a + 1 + (b - a - 1 - len(text)) // 2
        line[begin : begin + len(text)] = text
        return line

    def _shaft(self, label: str, a: int, b: int, sent: bool) -> list[str]:
        line = self._blank()
        line[a + 1 : b] = "-" * (b - a - 1)
        line[b - 1 if sent else a + 1] = ">" if sent else "<"
        if label:
            padded = f" {label} "
            begin = a + 1 + (b - a - 1 - len(padded)) // 2
            line[begin : begin + len(padded)] = padded
        return line
