"""The far end's sound: what it sends to each call, and when what it hears arrived (RTP, RFC 3550)."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass, field

FRAME_S = 0.02
LATE_S = 0.02
"""A frame is late when it comes so much later after the one before than its time stamp says: a gap over 40 ms."""

_HEADER = struct.Struct("!BBHII")
_SEEN = struct.Struct("!xBHI")


@dataclass(slots=True)
class Voice:
    """One call's outgoing stream: `frames` over and over, from a place of its own on."""

    frames: Sequence[bytes]
    payload_type: int
    ticks_per_frame: int
    ssrc: int
    place: int = 0
    sequence: int = 0
    timestamp: int = 0

    def packet(self) -> bytes:
        """The next RTP packet."""
        self.sequence = (self.sequence + 1) & 0xFFFF
        self.timestamp = (self.timestamp + self.ticks_per_frame) & 0xFFFFFFFF
        self.place = (self.place + 1) % len(self.frames)
        header = _HEADER.pack(0x80, self.payload_type, self.sequence, self.timestamp, self.ssrc)
        return header + self.frames[self.place]


@dataclass(slots=True)
class Ear:
    """One call's incoming stream, judged packet by packet."""

    clock_hz: int
    packets: int = 0
    changed: int = 0
    lost: int = 0
    late: int = 0
    worst_gap_s: float = 0.0
    _before: tuple[float, int, int] | None = None
    _payload: bytes = b""

    def hear(self, packet: bytes, arrived_s: float) -> None:
        """`arrived_s`: the kernel's clock when the packet came in."""
        if len(packet) < 12:
            return
        _, sequence, timestamp = _SEEN.unpack_from(packet)
        payload = packet[12:]
        self.packets += 1
        self.changed += payload != self._payload
        self._payload = payload
        if self._before is not None:
            self._judge(sequence, timestamp, arrived_s, *self._before)
        self._before = (arrived_s, sequence, timestamp)

    def _judge(self, sequence: int, timestamp: int, arrived_s: float, then_s: float, last: int, stamped: int) -> None:
        self.lost += (sequence - last - 1) & 0xFFFF if (sequence - last) & 0xFFFF < 0x8000 else 0
        due_s = ((timestamp - stamped) & 0xFFFFFFFF) / self.clock_hz
        if due_s > 10:
            return  # a stream that begins anew
        gap_s = arrived_s - then_s
        self.late += gap_s - due_s > LATE_S
        self.worst_gap_s = max(self.worst_gap_s, gap_s - due_s + FRAME_S)

    def forget(self) -> None:
        """Counts from here on."""
        self.packets = self.changed = self.lost = self.late = 0
        self.worst_gap_s = 0.0


@dataclass(slots=True)
class Heard:
    """All calls together since the last `forget`. `changed`: packets that differ from the one before (so: sound)."""

    packets: int = 0
    changed: int = 0
    lost: int = 0
    late: int = 0
    worst_gap_ms: float = 0.0
    calls: int = field(default=0)

    def add(self, ear: Ear) -> None:
        self.packets += ear.packets
        self.changed += ear.changed
        self.lost += ear.lost
        self.late += ear.late
        self.calls += ear.packets > 0
        self.worst_gap_ms = max(self.worst_gap_ms, ear.worst_gap_s * 1000)
