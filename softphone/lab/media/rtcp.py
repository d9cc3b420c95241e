"""RTCP (RFC 3550 section 6): sender and receiver reports, so that a phone can tell loss, jitter and round trip."""

from __future__ import annotations

import struct
import time
from collections.abc import Callable, Iterator

SENDER_REPORT = 200
RECEIVER_REPORT = 201
SOURCE_DESCRIPTION = 202
GOODBYE = 203

INTERVAL_S = 2.0
FIRST_S = 1.0
NTP_EPOCH_S = 2_208_988_800
CNAME = b"softphone-lab"


class ReceptionStatistics:
    """What the receiver report says of one source: appendices A.3 and A.8. `arrival` in the stream's clock."""

    def __init__(self, ssrc: int, sequence: int) -> None:
        self.ssrc = ssrc
        self.received = 0
        self.jitter = 0.0
        self._base = sequence
        self._highest = sequence
        self._transit: int | None = None
        self._expected_before = 0
        self._received_before = 0

    def packet(self, sequence: int, timestamp: int, arrival: int) -> None:
        """Count one packet."""
        self.received += 1
        step = (sequence - self._highest) & 0xFFFF
        if step < 0x8000:
            self._highest += step
        transit = (arrival - timestamp) & 0xFFFFFFFF
        if self._transit is not None:
            change = (transit - self._transit + 0x80000000 & 0xFFFFFFFF) - 0x80000000
            self.jitter += (abs(change) - self.jitter) / 16
        self._transit = transit

    @property
    def lost(self) -> int:
        """Packets that never came."""
        return max(0, self._highest - self._base + 1 - self.received)

    def block(self, last_report: int, delay: int) -> bytes:
        """A report block (section 6.4.1); `last_report` and `delay` are the LSR and DLSR fields."""
        expected = self._highest - self._base + 1
        expected_now = expected - self._expected_before
        received_now = self.received - self._received_before
        self._expected_before, self._received_before = expected, self.received
        missing = max(0, expected_now - received_now)
        fraction = min(255, missing * 256 // expected_now) if expected_now > 0 else 0
        return struct.pack(
            "!IIIIII",
            self.ssrc,
            fraction << 24 | self.lost & 0xFFFFFF,
            self._highest & 0xFFFFFFFF,
            int(self.jitter) & 0xFFFFFFFF,
            last_report,
            delay,
        )


class RtcpReporter:
    """Makes our reports and reads those of the other side."""

    def __init__(self, ssrc: int, clock: Callable[[], float] = time.time) -> None:
        self.reports_received = 0
        self._ssrc = ssrc
        self._clock = clock
        self._source: ReceptionStatistics | None = None
        self._last_report = 0
        self._last_report_at = 0.0

    def received_rtp(self, ssrc: int, sequence: int, timestamp: int, rate_hz: int) -> None:
        """Count a packet of the other side; a new SSRC starts anew."""
        if self._source is None or self._source.ssrc != ssrc:
            self._source = ReceptionStatistics(ssrc, sequence)
        self._source.packet(sequence, timestamp, int(self._clock() * rate_hz) & 0xFFFFFFFF)

    @property
    def lost(self) -> int:
        """Packets of the other side that never came."""
        return self._source.lost if self._source is not None else 0

    def received_rtcp(self, data: bytes) -> None:
        """Remember when the other side's last sender report came. Raises ValueError for what is no RTCP."""
        for kind, body in split_compound(data):
            if kind in (SENDER_REPORT, RECEIVER_REPORT):
                self.reports_received += 1
            if kind == SENDER_REPORT and len(body) >= 24:
                seconds, fraction = struct.unpack_from("!II", body, 4)
                self._last_report = (seconds & 0xFFFF) << 16 | fraction >> 16
                self._last_report_at = self._clock()

    def report(self, *, timestamp: int, packets: int, octets: int) -> bytes:
        """A compound packet: sender report (or receiver report while nothing was sent), and our name."""
        blocks = b""
        if self._source is not None:
            waited_s = self._clock() - self._last_report_at if self._last_report else 0.0
            blocks = self._source.block(self._last_report, int(waited_s * 65536) & 0xFFFFFFFF)
        count = 1 if blocks else 0
        head = struct.pack("!I", self._ssrc)
        if packets:
            now = self._clock() + NTP_EPOCH_S
            ntp = struct.pack("!II", int(now) & 0xFFFFFFFF, int(now % 1 * 2**32))
            sent = struct.pack("!III", timestamp, packets & 0xFFFFFFFF, octets & 0xFFFFFFFF)
            first = _packet(SENDER_REPORT, count, head + ntp + sent + blocks)
        else:
            first = _packet(RECEIVER_REPORT, count, head + blocks)
        return first + self._description()

    def goodbye(self) -> bytes:
        """The last words (section 6.6), with the receiver report that a compound packet begins with."""
        head = struct.pack("!I", self._ssrc)
        return _packet(RECEIVER_REPORT, 0, head) + self._description() + _packet(GOODBYE, 1, head)

    def _description(self) -> bytes:
        """SDES with a CNAME (section 6.5): items end with a zero, chunks on four bytes."""
        items = struct.pack("!IBB", self._ssrc, 1, len(CNAME)) + CNAME + b"\0"
        return _packet(SOURCE_DESCRIPTION, 1, items + b"\0" * (-len(items) % 4))


def split_compound(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Packet type and body (after the first word) of each packet. Raises ValueError."""
    position = 0
    while position < len(data):
        if len(data) < position + 4 or data[position] >> 6 != 2:
            raise ValueError("no RTCP packet")
        _, kind, words = struct.unpack_from("!BBH", data, position)
        end = position + 4 + 4 * words
        if end > len(data):
            raise ValueError("truncated RTCP packet")
        yield kind, data[position + 4 : end]
        position = end


def is_rtcp(data: bytes) -> bool:
    """Whether a datagram on a port that both use is RTCP (RFC 5761 section 4)."""
    return len(data) > 1 and 192 <= data[1] <= 223


def _packet(kind: int, count: int, body: bytes) -> bytes:
    return struct.pack("!BBH", 0x80 | count, kind, len(body) // 4) + body
