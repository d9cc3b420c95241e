"""A trace as a picture: one self-contained SVG, readable on light and dark ground, with a title for screen readers."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from html import escape

from softphone.tracing.ladder import began
from softphone.tracing.scene import OURSELVES, Arrow, Lane, Scene

_STYLE = """\
svg { color-scheme: light dark; background: #ffffff; font: 13px ui-monospace, Menlo, Consolas, monospace; }
text { fill: #1b1f24; } .faint { fill: #59636e; } .failure { fill: #b3261e; } .head { font-weight: bold; }
line { stroke: #1b1f24; } .lane { stroke: #b6bec8; } path { fill: #1b1f24; }
@media (prefers-color-scheme: dark) {
  svg { background: #12161c; } text { fill: #e6eaf0; } .faint { fill: #9aa5b1; } .failure { fill: #ff8a80; }
  line { stroke: #e6eaf0; } .lane { stroke: #4a5563; } path { fill: #e6eaf0; }
}"""
_MARGIN, _TIME, _TAG, _GAP, _LINE = 24, 84, 84, 460, 17
_CHAR = 7.9
"""Width of a character, rather too much: what it is differs a little from font to font."""


def svg(scene: Scene, title: str) -> str:
    """The document. `title` says what the picture shows."""
    return _Picture(scene, title).document()


class _Picture:
    def __init__(self, scene: Scene, title: str) -> None:
        self._scene, self._title = scene, title
        lanes = scene.lanes
        self._gap = _GAP if len(lanes) < 3 else _GAP * 2 // 3
        self._left = _MARGIN + _TIME + (_TAG if scene.tagged else 0) + 56
        self._x: dict[Lane, int] = {lane: self._left + self._gap * (i + 1) for i, lane in enumerate(lanes)}
        self._width = max([self._left, *self._x.values()]) + 90
        self._start_us = scene.arrows[0].time_us if scene.arrows else 0
        self._y = 88
        self._top = self._y

    def document(self) -> str:
        body = "\n".join(line for arrow in self._scene.arrows for line in self._message(arrow))
        height = self._y + _MARGIN
        count = sum(arrow.times for arrow in self._scene.arrows)
        start = began(self._start_us) if self._scene.arrows else ""
        description = f"{count} SIP messages between this phone and {len(self._x)} others {start}".rstrip()
        return "\n".join(
            [
                f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {self._width} {height}" width="{self._width}" '
                f'height="{height}" role="img" aria-labelledby="title description">',
                f'<title id="title">{_text(self._title)}</title>',
                f'<desc id="description">{_text(description)}</desc>',
                f"<style>{_STYLE}</style>",
                _label(self._title, _MARGIN, 28, "head", "start"),
                _label(start or "no messages", _MARGIN, 46, "faint", "start"),
                *self._lanes(height),
                *([body] if body else []),
                "</svg>\n",
            ]
        )

    def _lanes(self, height: int) -> Iterator[str]:
        for name, detail, x in [(OURSELVES, "", self._left), *((la.name, la.detail, x) for la, x in self._x.items())]:
            yield _label(name, x, self._top - 18, "head", "middle")
            yield _label(detail, x, self._top - 3, "faint", "middle")
            yield f'<line class="lane" x1="{x}" x2="{x}" y1="{self._top + 4}" y2="{height - _MARGIN // 2}"/>'

    def _message(self, arrow: Arrow) -> Iterator[str]:
        a, b = self._left, self._x[arrow.lane]
        middle, room = (a + b) // 2, int((b - a - 20) / _CHAR)
        self._y += _LINE + 8
        yield _label(f"+{(arrow.time_us - self._start_us) / 1e6:.3f}", self._left - 56, self._y, "faint", "end")
        if self._scene.tagged:
            yield _label(arrow.tag, _MARGIN, self._y, "faint", "start")
        for line in textwrap.wrap(arrow.label, room):
            yield _label(line, middle, self._y, "failure" if arrow.failure else "", "middle")
            self._y += _LINE
        self._y -= _LINE - 6
        yield from _shaft(a, b, self._y, arrow.sent)
        for line in self._notes(arrow, room):
            self._y += _LINE
            yield _label(line, middle, self._y, "faint", "middle")

    def _notes(self, arrow: Arrow, room: int) -> Sequence[str]:
        notes = list(arrow.notes)
        if arrow.times > 1:
            notes.append(f"{arrow.times} times, the last at +{(arrow.last_us - self._start_us) / 1e6:.3f}")
        return [line for note in notes for line in textwrap.wrap(note, room)]


def _shaft(a: int, b: int, y: int, sent: bool) -> Iterator[str]:
    yield f'<line x1="{a}" x2="{b}" y1="{y}" y2="{y}"/>'
    tip, back = (b, b - 9) if sent else (a, a + 9)
    yield f'<path d="M{tip} {y} L{back} {y - 4} L{back} {y + 4} Z"/>'


def _label(text: str, x: int, y: int, kind: str, anchor: str) -> str:
    wearing = f' class="{kind}"' if kind else ""
    return f'<text x="{x}" y="{y}" text-anchor="{anchor}"{wearing}>{_text(text)}</text>' if text else ""


def _text(text: str) -> str:
    """What XML may hold: no control characters, no lone surrogates."""
    clean = "".join(c if c in "\t\n\r" or (" " <= c and not "\ud800" <= c <= "\udfff" and c < "\ufffe") else "\ufffd"
                    for c in text)  # fmt: skip
    return escape(clean)
