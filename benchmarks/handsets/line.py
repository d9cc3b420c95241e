"""A bad line between two ends of WebRTC: a relay that both take for the other's only address.

line = BadLine(loss_percent=5, jitter_ms=50)
answer = asked(line.offer(offer))       # each SDP passes through it, its candidates replaced by the relay's
take(line.answer(answer))

Only sound is lost and delayed, in both directions. ICE, DTLS and RTCP pass at once, so that every run has a connection,
and the same chance for each packet of sound.
"""

from __future__ import annotations

import contextlib
import heapq
import random
import re
import select
import socket
import threading
import time
from typing import Self

from benchmarks.processes import BenchError

Address = tuple[str, int]

_CANDIDATE = re.compile(r"^a=candidate:\S+ 1 udp \d+ (?P<host>[\d.]+) (?P<port>\d+) typ host", re.MULTILINE | re.I)
_ICE_LINES = ("a=candidate:", "a=end-of-candidates")
_WAIT_S = 0.05


class BadLine:
    """loss_percent: of the packets with sound; jitter_ms: each waits between 0 and so many milliseconds, evenly spread.

    A packet may overtake others. Both by chance that `seed` repeats, for each direction by itself.
    """

    def __init__(self, *, loss_percent: float = 0.0, jitter_ms: float = 0.0, seed: int = 1) -> None:
        self._loss, self._jitter_s = loss_percent / 100, jitter_ms / 1000
        host = _own_address()
        self._ends = (_socket(host), _socket(host))
        """Of the offering end, of the answering end: each end knows its own of the two."""
        self._chances = (random.Random(seed), random.Random(seed))
        self._peers: list[Address | None] = [None, None]
        self._waiting: list[tuple[float, int, int, bytes]] = []
        self._taken = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="bad line", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(timeout=5)
        for end in self._ends:
            end.close()

    def offer(self, sdp: str) -> str:
        """What the answering end is told."""
        return _by_way_of(sdp, self._ends[1].getsockname())

    def answer(self, sdp: str) -> str:
        """What the offering end is told. Raises BenchError for an answer without an IPv4 candidate."""
        found = _CANDIDATE.search(sdp)
        if not found:
            raise BenchError("no candidate to relay to: the machine needs an IPv4 address beside 127.0.0.1")
        self._peers[1] = (found["host"], int(found["port"]))
        return _by_way_of(sdp, self._ends[0].getsockname())

    def _run(self) -> None:
        while not self._stop.is_set():
            patience_s = min(_WAIT_S, max(0.0, self._waiting[0][0] - time.monotonic())) if self._waiting else _WAIT_S
            for end in select.select(self._ends, [], [], patience_s)[0]:
                self._take(self._ends.index(end))
            while self._waiting and self._waiting[0][0] <= time.monotonic():
                _, _, side, packet = heapq.heappop(self._waiting)
                self._send(side, packet)

    def _take(self, side: int) -> None:
        """One packet from an end. An end has several sockets; the first that is heard of is the one."""
        with contextlib.suppress(OSError):  # an ICMP error: the other end has gone
            packet, source = self._ends[side].recvfrom(2048)
            if self._peers[side] is None:
                self._peers[side] = source
            if source == self._peers[side]:
                self._pass_on(1 - side, packet)

    def _pass_on(self, side: int, packet: bytes) -> None:
        if not is_sound(packet):
            self._send(side, packet)
            return
        lost, wait_s = self._chances[side].random() < self._loss, self._chances[side].uniform(0, self._jitter_s)
        self._taken += 1
        if not lost:
            heapq.heappush(self._waiting, (time.monotonic() + wait_s, self._taken, side, packet))

    def _send(self, side: int, packet: bytes) -> None:
        peer = self._peers[side]
        if peer is not None:
            with contextlib.suppress(OSError):
                self._ends[side].sendto(packet, peer)


def is_sound(packet: bytes) -> bool:
    """True for RTP, and false for its neighbours on the port: RFC 7983 section 7, and RFC 5761 section 4 for RTCP."""
    return len(packet) > 12 and 128 <= packet[0] <= 191 and not 64 <= packet[1] & 0x7F <= 95


def _by_way_of(sdp: str, address: Address) -> str:
    """With this address as the only candidate of each media section."""
    head, *media = re.split(r"^(?=m=)", sdp, flags=re.MULTILINE)
    extra = f"a=candidate:1 1 udp 2130706431 {address[0]} {address[1]} typ host\r\na=end-of-candidates\r\n"
    return head + "".join(_without_candidates(each) + extra for each in media)


def _without_candidates(section: str) -> str:
    return "".join(f"{line}\r\n" for line in section.splitlines() if line and not line.startswith(_ICE_LINES))


def _own_address() -> str:
    """This machine's address; the loopback one is no candidate for aioice. Nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe, contextlib.suppress(OSError):
        probe.connect(("192.0.2.1", 9))
        return str(probe.getsockname()[0])
    return "127.0.0.1"


def _socket(host: str) -> socket.socket:
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    made.bind((host, 0))
    return made
