"""Durations as people write them: 5s, 1m30s, 500ms, 2h, 5."""

from __future__ import annotations

import re

_PARTS = re.compile(r"(?:(\d+(?:\.\d+)?)h)?(?:(\d+(?:\.\d+)?)m(?!s))?(?:(\d+(?:\.\d+)?)s)?(?:(\d+(?:\.\d+)?)ms)?")
_UNITS_S = (3600.0, 60.0, 1.0, 0.001)
LONGEST_S = 7 * 86_400.0


def parse_duration(text: str) -> float:
    """Seconds. A bare number is seconds. Raises ValueError with a text for people."""
    wanted = "expected a duration such as 5s, 1m30s, 500ms or 2h"
    bare = re.fullmatch(r"\d+(?:\.\d+)?", text.strip())
    match = _PARTS.fullmatch(text.strip())
    if bare:
        seconds = float(text)
    elif match and any(match.groups()):
        seconds = sum(float(part) * unit for part, unit in zip(match.groups(), _UNITS_S, strict=True) if part)
    else:
        raise ValueError(f"{wanted}, got {text!r}")
    if not 0 < seconds <= LONGEST_S:
        raise ValueError(f"{wanted}, more than nothing and at most seven days, got {text!r}")
    return seconds


def show_duration(seconds: float) -> str:
    """About how long, in one or two units: `0.4 s`, `42 s`, `3 min 20 s`, `2 h 5 min`, `3 d 4 h`."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    for size, unit, smaller, small_unit in ((86_400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s")):
        if whole >= size:
            rest = whole % size // smaller
            return f"{whole // size} {unit}" + (f" {rest} {small_unit}" if rest else "")
    return f"{whole} s"
