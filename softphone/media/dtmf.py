"""Dialled digits: what is a digit, its event number on RTP, its two frequencies.

Sources: RFC 4733 section 3.2 (events 0 to 15), ITU-T Q.23 (frequencies). `,` is the dialling world's pause;
`w` means the same and is written as `,` here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from softphone.errors import UsageError

DIGITS = "0123456789*#ABCD"
PAUSE = ","
PAUSE_S = 0.5
MAX_LENGTH = 128  # longer than any number or card code; bounds what one request can keep a call busy with

_LOW_HZ = (697, 770, 852, 941)
_HIGH_HZ = (1209, 1336, 1477, 1633)
_KEYPAD = ("123A", "456B", "789C", "*0#D")

EVENTS: Mapping[str, int] = MappingProxyType({digit: number for number, digit in enumerate(DIGITS)})
FREQUENCIES_HZ: Mapping[str, tuple[int, int]] = MappingProxyType(
    {
        digit: (low, high)
        for low, row in zip(_LOW_HZ, _KEYPAD, strict=True)
        for high, digit in zip(_HIGH_HZ, row, strict=True)
    }
)


@dataclass(frozen=True, slots=True)
class Run:
    """Digits that follow each other without a pause, and the silence to keep before the first one."""

    pause_s: float
    digits: str


def normalize(text: str) -> str:
    """The digits in capitals, pauses as `,`. UsageError names the first character that is neither."""
    if not text:
        raise UsageError("no digits given; expected 0-9, A-D, * and #, with ',' for a pause of 0.5 s")
    if len(text) > MAX_LENGTH:
        raise UsageError(f"{len(text)} digits given; at most {MAX_LENGTH} can be sent at once")
    digits = text.upper().replace("W", PAUSE)
    for place, char in enumerate(digits):
        if char not in EVENTS and char != PAUSE:
            raise UsageError(
                f"{text[place]!r} at place {place + 1} is not a DTMF digit;"
                " expected 0-9, A-D, * and #, with ',' or 'w' for a pause of 0.5 s"
            )
    return digits


def runs(text: str) -> tuple[Run, ...]:
    """What to send, in order. A run without digits is a pause at the very end. Raises as `normalize`."""
    found: list[Run] = []
    pause_s, digits = 0.0, ""
    for char in normalize(text):
        if char != PAUSE:
            digits += char
            continue
        if digits:
            found.append(Run(pause_s, digits))
            pause_s, digits = 0.0, ""
        pause_s += PAUSE_S
    return (*found, Run(pause_s, digits))


def digit_of(event: int) -> str | None:
    """The digit of a received RFC 4733 event number; None for events that are no digit (16 is flash, and so on)."""
    return DIGITS[event] if 0 <= event < len(DIGITS) else None
