"""A relay that does to RTP what a bad network does: each packet waits for a time of its own, and may be overtaken.

The kernels that tests meet have no netem. Loss is the business of nftables (see netns.py); this is delay and jitter.
One stream may have several receivers, who then suffer exactly the same.
"""

from __future__ import annotations

import contextlib
import heapq
import random
import select
import socket
import threading
import time
from dataclasses import dataclass
from typing import Self

Address = tuple[str, int]


@dataclass(frozen=True)
class Receiver:
    """Where packets go, and the payload type that they carry there."""

    address: Address
    payload_type: int


class UdpRelay:
    """Listens on an even port of `host` (RTP) and the one above (RTCP, which is swallowed).

    jitter_ms: each packet waits between 0 and so many milliseconds, evenly spread, by chance that `seed` repeats.
    What receivers send is taken and forgotten.
    """

    def __init__(self, host: str, *, jitter_ms: float = 0.0, seed: int = 1) -> None:
        self._rtp, self._rtcp = _pair(host)
        self._jitter_s = jitter_ms / 1000
        self._chance = random.Random(seed)
        self._receivers: tuple[Receiver, ...] = ()
        self._source: Address | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="udp relay", daemon=True)
        self.relayed = 0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(timeout=5)
        self._rtp.close()
        self._rtcp.close()

    @property
    def port(self) -> int:
        return int(self._rtp.getsockname()[1])

    def serve(self, source_host: str, receivers: list[Receiver]) -> None:
        """From now on: what comes from `source_host` goes to all of these."""
        self._source = (source_host, 0)
        self._receivers = tuple(receivers)

    def _run(self) -> None:
        waiting: list[tuple[float, int, bytes]] = []
        count = 0
        while not self._stop.is_set():
            patience_s = waiting[0][0] - time.monotonic() if waiting else 0.05
            ready, _, _ = select.select([self._rtp, self._rtcp], [], [], min(0.05, max(0.0, patience_s)))
            for each in ready:
                packet = _taken(each)
                if each is self._rtp and packet is not None and self._source and packet[1][0] == self._source[0]:
                    count += 1
                    due_s = time.monotonic() + self._chance.uniform(0, self._jitter_s)
                    heapq.heappush(waiting, (due_s, count, packet[0]))
            while waiting and waiting[0][0] <= time.monotonic():
                self._send(heapq.heappop(waiting)[2])

    def _send(self, packet: bytes) -> None:
        self.relayed += 1
        for each in self._receivers:
            marked = packet[1] & 0x80
            with contextlib.suppress(OSError):  # the receiver has gone
                self._rtp.sendto(packet[:1] + bytes((marked | each.payload_type,)) + packet[2:], each.address)


def _taken(source: socket.socket) -> tuple[bytes, Address] | None:
    with contextlib.suppress(OSError):  # an ICMP error of a receiver that has gone
        return source.recvfrom(2048)
    return None


def _pair(host: str) -> tuple[socket.socket, socket.socket]:
    while True:
        rtp = _socket(host, 0)
        port = rtp.getsockname()[1]
        if port % 2 == 0:
            with contextlib.suppress(OSError):
                return rtp, _socket(host, port + 1)
        rtp.close()


def _socket(host: str, port: int) -> socket.socket:
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    made.bind((host, port))
    return made
