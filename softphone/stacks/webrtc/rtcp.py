"""RTCP (RFC 3550 section 6): our reports, and what the other side's reports say of our sound."""

from __future__ import annotations

import struct
import time
from dataclasses import dataclass

from softphone.media.voice import VoiceClock, VoiceFigures

SR, RR, SDES, BYE = 200, 201, 202, 203

_NTP_EPOCH_S = 2_208_988_800
_HEADER = struct.Struct("!BBH")
_BLOCK = struct.Struct("!IIIIII")

MOST_LOST = 0x7FFFFF


@dataclass(frozen=True, slots=True)
class PeerReport:
    """What the other side says of our stream. `lost_fraction` is of the time since its report before, 0 to 1."""

    lost_fraction: float
    lost: int
    jitter: int
    last_sr: int
    delay_s: float


def is_rtcp(packet: bytes) -> bool:
    """Whether a packet on a shared port is RTCP (RFC 5761 section 4)."""
    return len(packet) >= 8 and 192 <= packet[1] <= 223


def ntp_now() -> int:
    """64 bits: seconds since 1900, and fractions."""
    return int((time.time() + _NTP_EPOCH_S) * (1 << 32))


class Reports:
    """Both directions of one stream's reports. `clock_hz`: of the RTP timestamps."""

    def __init__(self, ssrc: int, cname: str, clock_hz: int) -> None:
        self._ssrc = ssrc
        self._cname = cname.encode()
        self._clock_hz = clock_hz
        self._sender_sr: tuple[int, float] | None = None  # middle of the other's NTP time, when it came
        self._before = (0, 0)  # expected, lost
        self.received = 0
        self.last: PeerReport | None = None
        self.rtt_ms: float | None = None

    @property
    def jitter_ms(self) -> float | None:
        return None if self.last is None else round(self.last.jitter * 1000 / self._clock_hz, 2)

    @property
    def loss_percent(self) -> float | None:
        return None if self.last is None else round(self.last.lost_fraction * 100, 2)

    # ---- ours

    def compound(self, clock: VoiceClock, figures: VoiceFigures, now_ntp: int) -> bytes:
        """SR (RR before anything was sent) and SDES."""
        block = self._block(clock, now_ntp)
        count = 1 if block else 0
        if figures.tx_packets:
            rtp_now = (clock.rtp_time + int(clock.age_s * self._clock_hz)) & 0xFFFFFFFF
            sender = struct.pack(
                "!QIII", now_ntp & (2**64 - 1), rtp_now, figures.tx_packets & 0xFFFFFFFF, figures.tx_bytes & 0xFFFFFFFF
            )
            report = self._packet(SR, count, sender + block)
        else:
            report = self._packet(RR, count, block)
        return report + self._sdes()

    def goodbye(self) -> bytes:
        """RR without blocks, SDES and BYE (section 6.6)."""
        return self._packet(RR, 0, b"") + self._sdes() + self._packet(BYE, 1, b"")

    def _block(self, clock: VoiceClock, now_ntp: int) -> bytes:
        if clock.ssrc is None:
            return b""
        expected, lost = clock.expected - self._before[0], clock.lost - self._before[1]
        self._before = (clock.expected, clock.lost)
        fraction = max(0, min(255, lost * 256 // expected)) if expected > 0 else 0
        last_sr, delay = 0, 0
        if self._sender_sr is not None:
            last_sr, came_s = self._sender_sr
            delay = min(0xFFFFFFFF, int((time.monotonic() - came_s) * 65536))
        counted = min(clock.lost, MOST_LOST)
        return _BLOCK.pack(
            clock.ssrc, fraction << 24 | counted, clock.highest & 0xFFFFFFFF, clock.jitter, last_sr, delay
        )

    def _packet(self, kind: int, count: int, body: bytes) -> bytes:
        return _HEADER.pack(0x80 | count, kind, 1 + len(body) // 4) + struct.pack("!I", self._ssrc) + body

    def _sdes(self) -> bytes:
        item = bytes((1, len(self._cname))) + self._cname
        item += bytes(4 - len(item) % 4)
        return self._packet(SDES, 1, item)

    # ---- theirs

    def take(self, packet: bytes) -> None:
        """A compound packet came, decrypted. What is not well-formed is passed over."""
        at = 0
        while at + 8 <= len(packet):
            first, kind, words = _HEADER.unpack_from(packet, at)
            end = at + 4 + words * 4
            if first >> 6 != 2 or end > len(packet):
                return
            if kind in (SR, RR):
                self._take_report(packet[at + 4 : end], first & 31, sender=kind == SR)
            at = end

    def _take_report(self, body: bytes, count: int, *, sender: bool) -> None:
        at = 4
        if sender:
            if len(body) < 24:
                return
            seconds, fraction = struct.unpack_from("!II", body, 4)
            self._sender_sr = ((seconds & 0xFFFF) << 16 | fraction >> 16, time.monotonic())
            at = 24
        self.received += 1
        for offset in range(at, min(at + count * 24, len(body) - 23), 24):
            ssrc, lost, _, jitter, last_sr, delay = _BLOCK.unpack_from(body, offset)
            if ssrc == self._ssrc:
                self._take_block(lost, jitter, last_sr, delay)

    def _take_block(self, lost: int, jitter: int, last_sr: int, delay: int) -> None:
        counted = lost & 0xFFFFFF
        if counted > MOST_LOST:  # 24 bits with a sign: duplicates can make it negative
            counted -= 1 << 24
        self.last = PeerReport((lost >> 24) / 256, counted, jitter, last_sr, delay / 65536)
        if last_sr:
            round_trip = (((ntp_now() >> 16) & 0xFFFFFFFF) - last_sr - delay) & 0xFFFFFFFF
            if round_trip < 60 << 16:  # a clock that was set makes it huge
                self.rtt_ms = round(round_trip * 1000 / 65536, 2)
