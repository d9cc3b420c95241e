"""An RTP end of our own (RFC 3550, PCMU, telephone-event), so that signalling peers can speak and hear."""

import socket
import struct
import threading
import time
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from softphone.testing.audio import Sound
from tests.interop.peers.ports import free_block

RATE_HZ = 8000
_LONGEST_PAUSE = 60 * 8000  # samples; a timestamp that jumps further belongs to a new stream
FRAME = 160  # samples in 20 ms
PCMU = 0
TELEPHONE_EVENT = 101
_DIGITS = "0123456789*#ABCD"
_HEADER = struct.Struct("!BBHII")


@dataclass(frozen=True)
class Packet:
    """An RTP packet as it came."""

    payload_type: int
    is_marked: bool
    sequence: int
    timestamp: int
    ssrc: int
    payload: bytes
    at_s: float  # time.monotonic()


@dataclass(frozen=True)
class Digit:
    """A finished telephone-event (RFC 4733)."""

    digit: str
    duration_ms: float


class RtpEnd:
    """A UDP socket of 127.0.0.1 that keeps all RTP it gets, and sends sound once it is told where to."""

    def __init__(self) -> None:
        self.port = free_block(2)
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", self.port))
        self._socket.settimeout(0.1)
        self._packets: list[Packet] = []
        self._changed = threading.Condition()
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._receive, name="rtp-in", daemon=True)]
        self._sequence, self._timestamp = 1000, 0
        self._sending = threading.Lock()
        self._threads[0].start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(timeout=5)
        self._socket.close()

    # --- out -------------------------------------------------------------------------------------

    def play(self, to: tuple[str, int], sound: Sound) -> threading.Thread:
        """Sends a sound in real time, from a thread of its own; join it to wait for the end."""
        codes = _to_mu_law(sound.at_rate(RATE_HZ).samples)
        frames = [codes[start : start + FRAME].tobytes() for start in range(0, len(codes), FRAME)]
        thread = threading.Thread(target=self._send_frames, args=(to, frames), name="rtp-out", daemon=True)
        self._threads.append(thread)
        thread.start()
        return thread

    def send_digit(self, to: tuple[str, int], digit: str, duration_ms: int = 100) -> None:
        """Sends one digit as telephone-event packets, the last three times (RFC 4733 2.5.1.4)."""
        code = _DIGITS.index(digit)
        with self._sending:
            began = self._timestamp
            durations = list(range(FRAME, duration_ms * RATE_HZ // 1000 + 1, FRAME))
            for index, duration in enumerate(durations):
                self._send(to, TELEPHONE_EVENT, began, struct.pack("!BBH", code, 10, duration), index == 0)
                self._stop.wait(0.02)
            for _ in range(3):
                last = struct.pack("!BBH", code, 0x80 | 10, durations[-1])
                self._send(to, TELEPHONE_EVENT, began, last, False)
            self._timestamp = began + durations[-1]

    # --- in --------------------------------------------------------------------------------------

    def packets(self, payload_type: int | None = None) -> list[Packet]:
        """What has come so far, of one payload type or all."""
        with self._changed:
            return [p for p in self._packets if payload_type is None or p.payload_type == payload_type]

    def wait_packets(self, count: int, payload_type: int = PCMU, timeout_s: float = 10) -> list[Packet]:
        """Waits until so many packets of the type have come."""

        def found() -> list[Packet]:
            return [p for p in self._packets if p.payload_type == payload_type]

        with self._changed:
            if not self._changed.wait_for(lambda: len(found()) >= count, timeout=timeout_s):
                raise AssertionError(f"{len(found())} of {count} RTP packets of type {payload_type} came")
            return found()

    def heard(self) -> Sound:
        """The PCMU received, each frame at the place its timestamp says; what is missing is silent.

        Where a stream begins anew, with timestamps of its own, it follows the one before.
        """
        parts = [_placed(stream) for stream in _streams(self.packets(PCMU))]
        return Sound(np.concatenate(parts) if parts else np.zeros(0), RATE_HZ)

    def digits(self) -> list[Digit]:
        """The telephone-events that have ended."""
        ended: dict[int, Digit] = {}
        for packet in self.packets(TELEPHONE_EVENT):
            code, flags, duration = struct.unpack("!BBH", packet.payload[:4])
            if flags & 0x80 and code < len(_DIGITS):
                ended[packet.timestamp] = Digit(_DIGITS[code], duration * 1000 / RATE_HZ)
        return list(ended.values())

    # --- inside ----------------------------------------------------------------------------------

    def _send_frames(self, to: tuple[str, int], frames: list[bytes]) -> None:
        due = time.monotonic()
        for index, frame in enumerate(frames):
            with self._sending:
                self._send(to, PCMU, self._timestamp, frame, index == 0)
                self._timestamp += FRAME
            due += 0.02
            if self._stop.wait(max(0, due - time.monotonic())):
                return

    def _send(self, to: tuple[str, int], kind: int, timestamp: int, payload: bytes, marked: bool) -> None:
        self._sequence = (self._sequence + 1) & 0xFFFF
        header = _HEADER.pack(0x80, kind | (0x80 if marked else 0), self._sequence, timestamp, 0x5150)
        try:
            self._socket.sendto(header + payload, to)
        except ConnectionRefusedError:  # the other side has closed its port already
            pass

    def _receive(self) -> None:
        while not self._stop.is_set():
            try:
                data = self._socket.recv(2048)
            except (TimeoutError, ConnectionRefusedError):
                continue
            if len(data) < _HEADER.size or data[0] >> 6 != 2:
                continue
            flags, kind, sequence, timestamp, ssrc = _HEADER.unpack_from(data)
            payload = data[_HEADER.size + 4 * (flags & 15) :]
            packet = Packet(kind & 127, kind > 127, sequence, timestamp, ssrc, payload, time.monotonic())
            with self._changed:
                self._packets.append(packet)
                self._changed.notify_all()


def _streams(packets: list[Packet]) -> list[list[Packet]]:
    """The packets of each stream: another source, or a jump in time, begins the next one."""
    streams: list[list[Packet]] = []
    last: Packet | None = None
    for packet in packets:
        if last is None or packet.ssrc != last.ssrc or abs(packet.timestamp - last.timestamp) > _LONGEST_PAUSE:
            streams.append([])
        streams[-1].append(packet)
        last = packet
    return streams


def _placed(packets: list[Packet]) -> NDArray[np.float64]:
    first = min(packet.timestamp for packet in packets)
    samples = np.zeros(max(packet.timestamp + len(packet.payload) for packet in packets) - first)
    for packet in packets:
        start = packet.timestamp - first
        samples[start : start + len(packet.payload)] = _from_mu_law(packet.payload)
    return samples


def _to_mu_law(samples: NDArray[np.float64]) -> NDArray[np.uint8]:
    """G.711 mu-law: a sign, three bits of exponent, four of mantissa, all inverted."""
    value = np.clip(np.round(samples * 32768), -32635, 32635).astype(np.int64)
    magnitude = np.abs(value) + 132
    exponent = np.floor(np.log2(magnitude)).astype(np.int64) - 7
    mantissa = (magnitude >> (exponent + 3)) & 15
    sign = np.where(value < 0, 0x80, 0)
    codes: NDArray[np.uint8] = (~(sign | exponent << 4 | mantissa) & 0xFF).astype(np.uint8)
    return codes


def _from_mu_law(data: bytes) -> NDArray[np.float64]:
    code = ~np.frombuffer(data, dtype=np.uint8).astype(np.int64) & 0xFF
    magnitude = ((((code & 15) << 3) + 132) << ((code >> 4) & 7)) - 132
    return np.where(code & 0x80, -magnitude, magnitude) / 32768
