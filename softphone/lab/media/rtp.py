"""RTP packets (RFC 3550 section 5.1)."""

from __future__ import annotations

import struct
from dataclasses import dataclass

HEADER_BYTES = 12


@dataclass(frozen=True)
class RtpPacket:
    """One packet; `timestamp` in the codec's clock."""

    payload_type: int
    sequence: int
    timestamp: int
    ssrc: int
    payload: bytes
    marker: bool = False

    @classmethod
    def parse(cls, data: bytes) -> RtpPacket:
        """Parse a packet; CSRCs, extension and padding are dropped. Raises ValueError."""
        if len(data) < HEADER_BYTES or data[0] >> 6 != 2:
            raise ValueError("no RTP packet")
        first, second, sequence, timestamp, ssrc = struct.unpack_from("!BBHII", data)
        start = header_length(data)
        end = len(data)
        if first & 0x20:
            end -= data[-1]
        if end < start:
            raise ValueError("padding longer than the packet")
        return cls(second & 0x7F, sequence, timestamp, ssrc, data[start:end], bool(second & 0x80))

    def __bytes__(self) -> bytes:
        second = self.payload_type | (0x80 if self.marker else 0)
        head = struct.pack("!BBHII", 0x80, second, self.sequence, self.timestamp & 0xFFFFFFFF, self.ssrc)
        return head + self.payload


def header_length(data: bytes) -> int:
    """Bytes before the payload: fixed header, CSRCs, extension. Raises ValueError."""
    length = HEADER_BYTES + 4 * (data[0] & 0x0F)
    if data[0] & 0x10:
        if len(data) < length + 4:
            raise ValueError("truncated header extension")
        length += 4 + 4 * struct.unpack_from("!H", data, length + 2)[0]
    if len(data) < length:
        raise ValueError("truncated header")
    return length
