"""Digits: telephone-events in RTP (RFC 4733), and INFO bodies."""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from softphone.lab.media.rtp import RtpPacket

DIGITS = "0123456789*#ABCD"
VOLUME_DBM0 = 10
END_PACKETS = 3  # the end of an event is said three times, since it must not get lost (section 2.5.1.4)

_RELAY_SIGNAL = re.compile(rb"(?im)^\s*signal\s*=\s*([0-9A-D*#])\s*$")
_RELAY_DURATION = re.compile(rb"(?im)^\s*duration\s*=\s*(\d{1,6})\s*$")


@dataclass(frozen=True)
class TelephoneEvent:
    """The payload of one event packet (section 2.3); `duration` in the stream's clock."""

    event: int
    end: bool
    duration: int
    volume: int = VOLUME_DBM0

    @classmethod
    def parse(cls, payload: bytes) -> TelephoneEvent:
        """Raises ValueError."""
        if len(payload) < 4:
            raise ValueError("truncated telephone-event")
        event, flags, duration = struct.unpack_from("!BBH", payload)
        return cls(event, bool(flags & 0x80), duration, flags & 0x3F)

    def __bytes__(self) -> bytes:
        return struct.pack("!BBH", self.event, (0x80 if self.end else 0) | self.volume, self.duration)

    @property
    def digit(self) -> str:
        """The key, "" for an event that is none."""
        return DIGITS[self.event] if self.event < len(DIGITS) else ""


def packets_of(digit: str, *, duration_ms: int, clock_hz: int, ptime_ms: int) -> Iterator[TelephoneEvent]:
    """The events of one key press, one per ptime: growing duration, then the end three times.

    Raises ValueError for what is no key.
    """
    event = DIGITS.index(digit.upper())
    step = clock_hz * ptime_ms // 1000
    total = clock_hz * duration_ms // 1000
    for duration in range(step, total, step):
        yield TelephoneEvent(event, False, duration)
    for _ in range(END_PACKETS):
        yield TelephoneEvent(event, True, total)


class DigitReceiver:
    """Puts event packets together to digits: `on_digit(digit, duration_ms)` once per key press.

    A digit counts when its end comes, or when the next one begins because all its ends were lost.
    """

    def __init__(self, clock_hz: int, on_digit: Callable[[str, int], None]) -> None:
        self._clock_hz = clock_hz
        self._on_digit = on_digit
        self._timestamp: int | None = None
        self._open: TelephoneEvent | None = None

    def receive(self, packet: RtpPacket) -> None:
        """One packet of the telephone-event payload type. Raises ValueError for a malformed one."""
        event = TelephoneEvent.parse(packet.payload)
        if packet.timestamp != self._timestamp:
            self.flush()
            self._timestamp = packet.timestamp
            self._open = event
        if self._open is None:
            return  # the second and third end
        self._open = event
        if event.end:
            self.flush()

    def flush(self) -> None:
        """Report the digit that is still open."""
        event, self._open = self._open, None
        if event is not None and event.digit:
            self._on_digit(event.digit, event.duration * 1000 // self._clock_hz)


def parse_info(content_type: str, body: bytes) -> tuple[str, int] | None:
    """Digit and duration in ms out of an INFO (application/dtmf-relay, application/dtmf), None if it has none."""
    kind = content_type.partition(";")[0].strip().lower()
    if kind == "application/dtmf-relay":
        signal = _RELAY_SIGNAL.search(body)
        duration = _RELAY_DURATION.search(body)
        return (signal.group(1).decode().upper(), int(duration.group(1)) if duration else 0) if signal else None
    if kind == "application/dtmf":
        text = body.decode("ascii", "replace").strip().upper()
        return (text, 0) if len(text) == 1 and text in DIGITS else None
    return None


def info_body(digit: str, duration_ms: int) -> bytes:
    """The body of an INFO of type application/dtmf-relay."""
    return f"Signal={digit}\r\nDuration={duration_ms}\r\n".encode()
