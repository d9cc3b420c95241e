"""Whether two spellings of a number are the same: `+33 6 12`, `0033612` and `06 12` come from different places."""

from __future__ import annotations

import re
from enum import IntEnum

_SHARED_DIGITS = 6
"""So many last digits must be the same where one spelling has a country code and the other has not."""

_NUMBER = re.compile(r"\+?[0-9][0-9() ./-]*")
_NOBODY = frozenset({"", "anonymous", "unknown", "restricted", "unavailable", "private", "withheld"})


class Likeness(IntEnum):
    """How well two spellings fit; the lower the better."""

    SAME = 0
    ENDS_ALIKE = 1
    UNKNOWN = 2
    OTHER = 9


def plain(number: str) -> str:
    """The spelling to compare: digits without prefix for international calls, or a name in small letters."""
    text = number.strip().lower()
    if not _NUMBER.fullmatch(text):
        return "" if text in _NOBODY else text
    digits = re.sub(r"\D", "", text)
    return digits[2:] if digits.startswith("00") else digits


def likeness(one: str, other: str) -> Likeness:
    """How well two numbers, extensions or user names fit; a withheld one fits everybody, but badly."""
    first, second = sorted((plain(one), plain(other)), key=len)
    if not first:
        return Likeness.UNKNOWN
    if first == second:
        return Likeness.SAME
    shared = first.removeprefix("0")
    if shared.isdigit() and second.isdigit() and len(shared) >= _SHARED_DIGITS and second.endswith(shared):
        return Likeness.ENDS_ALIKE
    return Likeness.OTHER
