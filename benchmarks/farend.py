"""The far end: a process that answers every call, speaks to it, and times what it hears.

    python -m benchmarks.farend --codec PCMU

It is the same for both phones, and its processor time is nobody's. First line out: its SIP address. Commands, one a
line: `reset` (count anew), `report` (a line of JSON: see `Report`). The end of its input is its own end.

Each call has a phase of its own within the 20 ms, as callers that know nothing of each other have.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import select
import socket
import struct
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field

from benchmarks.farend_rtp import FRAME_S, Ear, Heard, Voice
from benchmarks.farend_sip import Address, Answerer
from benchmarks.sound import CLOCK_HZ, encoded, speech

HOST = "127.0.0.1"
PHASES = 4
BURST = 400  # packets read before the clock is looked at again
_SO_TIMESTAMPNS = 35  # Linux; Python has no name for it
_SO_RCVBUFFORCE = 33
_STAMP = struct.Struct("@qq")


@dataclass(slots=True)
class Report:
    """What the far end knows. `up`: calls that run; `confirmed`: those whose ACK came; `registered`: accounts."""

    up: int
    confirmed: int
    registered: int
    heard: Heard = field(default_factory=Heard)


class FarEnd:
    """One process, one thread, one RTP socket for all calls."""

    def __init__(self, codec: str, frames: Sequence[bytes]) -> None:
        self._codec, self._frames = codec, frames
        self._sip = _socket()
        self._rtp, self._rtcp = _pair()
        self._rtp.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        self._answerer = Answerer(HOST, self._sip.getsockname()[1], self._rtp.getsockname()[1], codec)
        self._voices: dict[str, tuple[Address, Voice]] = {}
        self._phases: list[list[tuple[Address, Voice]]] = [[] for _ in range(PHASES)]
        self._ears: dict[Address, Ear] = {}
        self._phase = self._taken = 0

    def run(self) -> None:
        """Serves until its input ends."""
        _say({"port": self._sip.getsockname()[1]})
        poll = select.poll()
        for each in (self._sip, self._rtp, self._rtcp, sys.stdin):
            poll.register(each, select.POLLIN)
        due_s = time.monotonic()
        while True:
            wait_s = due_s - time.monotonic()
            ready = {fd for fd, _ in poll.poll(max(0.0, wait_s * 1000))}
            if time.monotonic() >= due_s:
                due_s = self._tick(due_s)
            if self._sip.fileno() in ready:
                self._signalling()
            if self._rtp.fileno() in ready:
                self._listen()
            if self._rtcp.fileno() in ready:
                _drain(self._rtcp)
            if sys.stdin.fileno() in ready and not self._command():
                return

    # ---- SIP

    def _signalling(self) -> None:
        for text, source in _drain(self._sip):
            before = self._answerer.calls.keys() - ()
            if answer := self._answerer.take(text.decode(errors="replace")):
                _send(self._sip, answer.encode(), source)
            self._update(before)

    def _update(self, before: set[str]) -> None:
        now = self._answerer.calls
        for gone in before - now.keys():
            entry = self._voices.pop(gone)
            next(phase for phase in self._phases if entry in phase).remove(entry)
            self._ears.pop(entry[0], None)
        for new in now.keys() - before:
            self._taken += 1
            media = now[new]
            step = round(CLOCK_HZ[self._codec] * FRAME_S)
            place = self._taken * 37 % len(self._frames)
            entry = (media.address, Voice(self._frames, media.payload_type, step, self._taken, place))
            self._voices[new] = entry
            min(self._phases, key=len).append(entry)
            self._ears[media.address] = Ear(CLOCK_HZ[self._codec])

    # ---- sound

    def _tick(self, due_s: float) -> float:
        """Speaks to the calls of one phase; returns when the next one is due."""
        for address, voice in self._phases[self._phase]:
            _send(self._rtp, voice.packet(), address)
        self._phase = (self._phase + 1) % PHASES
        due_s += FRAME_S / PHASES
        return max(due_s, time.monotonic() - FRAME_S)  # after a long delay of its own it does not make up for it

    def _listen(self) -> None:
        receive, ears = self._rtp.recvmsg, self._ears
        with contextlib.suppress(BlockingIOError):
            for _ in range(BURST):
                packet, extra, _, source = receive(2048, 64)
                ear = ears.get(source)
                if ear is not None and extra:
                    seconds, nanoseconds = _STAMP.unpack_from(extra[0][2])
                    ear.hear(packet, seconds + nanoseconds / 1e9)

    # ---- commands

    def _command(self) -> bool:
        words = os.read(sys.stdin.fileno(), 4096).decode().split()
        for word in words:
            if word == "reset":
                for ear in self._ears.values():
                    ear.forget()
            elif word == "report":
                _say(asdict(self._report()))
        return bool(words)

    def _report(self) -> Report:
        taker = self._answerer
        report = Report(len(taker.calls), len(taker.confirmed), len(taker.registered))
        for ear in self._ears.values():
            report.heard.add(ear)
        return report


def _say(words: object) -> None:
    sys.stdout.write(json.dumps(words) + "\n")
    sys.stdout.flush()


def _socket(port: int = 0) -> socket.socket:
    """A UDP socket with room for a burst; the kernel may grant less to those who are not root."""
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
    with contextlib.suppress(PermissionError):
        made.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, 8 << 20)
    made.bind((HOST, port))
    made.setblocking(False)
    return made


def _pair() -> tuple[socket.socket, socket.socket]:
    """Sockets for RTP and RTCP: an even port and the one above it."""
    while True:
        rtp = _socket()
        port = rtp.getsockname()[1]
        if port % 2 == 0:
            with contextlib.suppress(OSError):
                return rtp, _socket(port + 1)
        rtp.close()


def _drain(source: socket.socket) -> list[tuple[bytes, Address]]:
    found = []
    with contextlib.suppress(BlockingIOError):
        for _ in range(BURST):
            found.append(source.recvfrom(65536))
    return found


def _send(by: socket.socket, packet: bytes, to: Address) -> None:
    with contextlib.suppress(BlockingIOError, ConnectionRefusedError):  # the call has just ended
        by.sendto(packet, to)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--codec", choices=sorted(CLOCK_HZ), default="PCMU")
    codec = parser.parse_args().codec
    FarEnd(codec, encoded(speech(), codec)).run()


if __name__ == "__main__":
    main()
