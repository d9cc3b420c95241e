"""Values of remote messages, read with tolerance. Each reader raises ValueError that never shows the value."""

from __future__ import annotations

import math
from datetime import UTC, datetime

MAX_TEXT_CHARS = 1024
_MILLISECONDS_FROM = 1e11
"""Seconds since 1970 have not so many digits for the next thousand years; milliseconds had them in 1973."""
_MAX_EPOCH_S = 253_402_300_799.0  # the last second of the year 9999


def text_of(value: object) -> str:
    """Text, or a number as text: one line, printable, at most MAX_TEXT_CHARS. null is ''."""
    if value is None:
        return ""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError("expected text")
    if isinstance(value, int) and value.bit_length() > 256:
        raise ValueError("expected text or a number of sane size")
    text = plain(str(value))[: 4 * MAX_TEXT_CHARS]
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())[:MAX_TEXT_CHARS]


def plain(text: str) -> str:
    """JSON can smuggle in half characters (lone surrogates) that no encoder would take further on."""
    return text.encode("utf-8", "replace").decode("utf-8")


def seconds_of(value: object) -> float | None:
    """A length of time in seconds, not negative; null and '' are None."""
    if value is None or value == "":
        return None
    number = _number(value)
    if number < 0:
        raise ValueError("expected seconds, 0 or more")
    return number


def epoch_of(value: object) -> float | None:
    """Seconds since 1970; milliseconds are recognised by their size. null, '' and 0 are None: it has not happened."""
    number = seconds_of(value)
    if not number:
        return None
    if number >= _MILLISECONDS_FROM:
        number /= 1000
    if number > _MAX_EPOCH_S:
        raise ValueError("expected seconds since 1970")
    return number


def instant_of(value: object) -> datetime | None:
    """An ISO 8601 date with time (without zone: UTC), or seconds or milliseconds since 1970. null and '' are None."""
    if value is None or value == "":
        return None
    if isinstance(value, str) and not _is_number(value):
        try:
            parsed = datetime.fromisoformat(value.strip())
            return (parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).astimezone(UTC)
        except (ValueError, OverflowError):
            raise ValueError("expected a date with time (ISO 8601)") from None
    epoch_s = epoch_of(value)
    return None if epoch_s is None else datetime.fromtimestamp(epoch_s, UTC)


def _is_number(text: str) -> bool:
    return text.strip().isascii() and text.strip().isdecimal()


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError("expected a number")
    if isinstance(value, str) and len(value) > 40:
        raise ValueError("expected a number")
    try:
        number = float(value)
    except (ValueError, OverflowError):
        raise ValueError("expected a number") from None
    if not math.isfinite(number):
        raise ValueError("expected a number")
    return number
