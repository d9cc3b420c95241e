"""One call's timeline as text: a lane for the phone, a lane for the PBX, and what each told, from top to bottom.

 0.000 s   ●      phone    calls 9196
 0.312 s   │  ●   live     the PBX rings
 2.004 s   ●  │   phone    answered (remote)
 2.190 s   ┃  ●   live     the PBX has the call as active
62.010 s   ■  ┃   phone    ended: hangup (remote)
62.300 s      ■   live     the PBX has finished the call
64.020 s      □   cdr      CDR: 60 s finished
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

RINGING, UP, HELD = "│", "┃", "╎"
POINT, END, RECORD, ORDER = "●", "■", "□", "◆"

_PHONE = {
    "dialing": RINGING,
    "incoming": RINGING,
    "answered": UP,
    "held": HELD,
    "resumed": UP,
    "ended": " ",
}
_PBX = {"ringing": RINGING, "active": UP, "held": HELD, "finished": " "}
_MARKS = {"ended": END, "finished": END, "cdr": RECORD, "ordered": ORDER}


def drawn(entries: Sequence[Mapping[str, Any]]) -> list[str]:
    """A line for each entry, under a heading. Entries as `/v1/timeline/{id}` has them."""
    width = max((len(f"{entry['at_s']:.3f}") for entry in entries), default=5)
    lines = [f"{'time'.rjust(width)}    phone PBX"]
    lines += (f"{time.rjust(width)} s    {lanes}   {text}".rstrip() for time, lanes, text in _rows(entries))
    return lines


def _rows(entries: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, str, str]]:
    phone = pbx = " "
    for entry in entries:
        what, ours = entry["what"], entry["source"] == "phone"
        mark = _MARKS.get(what, POINT)
        lanes = f"  {mark}   {pbx} " if ours else f"  {phone}   {mark} "
        yield f"{entry['at_s']:.3f}", lanes, f"{entry['source']:<8} {entry['text']}"
        if ours:
            phone = _PHONE.get(what, phone)
        else:
            pbx = _PBX.get(what, pbx)
