"""Two networks with a bad line between them, and the phones that listen at its end.

    far ── speaker ══ veth ══> loss (nftables) ── relay (jitter) ──┬──> our phone       near
                                                                   └──> baresip

Everything in `near` talks to each other undisturbed; only the speech crosses the line. Both phones get every packet
that survives, at the same moment.
"""

from __future__ import annotations

import contextlib
import select
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass

from benchmarks.farend_sip import Answerer
from benchmarks.processes import ROOT, BenchError, until
from tests.support.netns import Namespace, Networks
from tests.support.udp_relay import Receiver, UdpRelay

FAR, NEAR = "10.77.0.1", "10.77.0.2"
TICKS = {"PCMU": 160, "opus": 960}


@dataclass(frozen=True, slots=True)
class Impairment:
    """What the line does: packets lost by chance, and a wait by chance between 0 and `jitter_ms`."""

    loss_percent: int = 0
    jitter_ms: int = 0

    def __str__(self) -> str:
        told = [f"{self.loss_percent} % loss"] * bool(self.loss_percent)
        told += [f"{self.jitter_ms} ms jitter"] * bool(self.jitter_ms)
        return ", ".join(told) or "none"


@dataclass(frozen=True, slots=True)
class Spoken:
    """`sent` packets left, `lost` of them were dropped on the line."""

    sent: int
    lost: int


class Stage:
    """One line for one codec. `uri` answers every call; `speak` is heard by all callers at once."""

    def __init__(self, near: Namespace, far: Namespace, codec: str, impairment: Impairment) -> None:
        self._near, self._far = near, far
        self.codec, self.impairment = codec, impairment
        self._relay = UdpRelay(NEAR, jitter_ms=impairment.jitter_ms)
        self._sip = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._sip.bind((NEAR, 0))
        self._answerer = Answerer(NEAR, self.sip_port, self._relay.port, codec)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._answer, name="answerer", daemon=True)

    @property
    def uri(self) -> str:
        return f"sip:speaker@{NEAR}:{self.sip_port}"

    @property
    def sip_port(self) -> int:
        return int(self._sip.getsockname()[1])

    def callers(self) -> int:
        """Calls that are up and confirmed."""
        return len(self._answerer.confirmed & self._answerer.calls.keys())

    def speak(self, frames: list[bytes]) -> Spoken:
        """Sends the frames once over the bad line, in real time."""
        self._relay.serve(FAR, [Receiver(m.address, m.payload_type) for m in self._answerer.calls.values()])
        command = [sys.executable, "-m", "benchmarks.impairments.speaker", NEAR, str(self._relay.port)]
        words = "\n".join(frame.hex() for frame in frames)
        with contextlib.ExitStack() as stack:
            loss = self.impairment.loss_percent
            rule = f"ip saddr {FAR} udp dport {self._relay.port}"
            drop = stack.enter_context(self._near.drop(rule, percent=loss)) if loss else None
            done = self._far.run(
                [*command, str(TICKS[self.codec])], input=words, capture_output=True, text=True, cwd=ROOT
            )
            if done.returncode != 0:
                raise BenchError(f"the speaker failed: {done.stderr[-500:]}")
            return Spoken(int(done.stdout), drop.packets if drop else 0)

    def __enter__(self) -> Stage:
        self._relay.__enter__()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(timeout=5)
        self._sip.close()
        self._relay.__exit__()

    def _answer(self) -> None:
        while not self._stop.is_set():
            if select.select([self._sip], [], [], 0.05)[0]:
                with contextlib.suppress(OSError):  # an ICMP error of a phone that has gone
                    text, source = self._sip.recvfrom(65536)
                    if answer := self._answerer.take(text.decode(errors="replace")):
                        self._sip.sendto(answer.encode(), source)


@contextlib.contextmanager
def line() -> Iterator[tuple[Namespace, Namespace]]:
    """(near, far), joined by one cable. The calling thread lives in `near` meanwhile. Needs root."""
    with Networks() as networks:
        near, far = networks.namespace("near"), networks.namespace("far")
        networks.link(near, f"{NEAR}/24", far, f"{FAR}/24")
        with near.entered():
            until(lambda: _reachable(far), "the line between the namespaces")
            yield near, far


def _reachable(far: Namespace) -> bool:
    probe = ["python3", "-c", f"import socket; socket.socket(2, 2).sendto(b'', ('{NEAR}', 9))"]
    return far.run(probe, stderr=subprocess.DEVNULL).returncode == 0
