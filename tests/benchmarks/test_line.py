"""The bad line of the handsets' benchmark: what it relays, what it loses, and what it makes of an SDP."""

from __future__ import annotations

import re
import select
import socket
import time

import pytest

from benchmarks.handsets.line import BadLine, is_sound
from benchmarks.processes import BenchError

SDP = (
    "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:0\r\n"
    "a=candidate:1 1 udp 1 {host} {port} typ host\r\na=candidate:2 1 tcp 1 {host} 9 typ host tcptype active\r\n"
    "a=sendrecv\r\na=end-of-candidates\r\n"
)
SOUND, REPORT, CHECK = b"\x80\x60" + bytes(20), b"\x80\xc8" + bytes(20), b"\x00\x01" + bytes(20)
PACKETS = 150  # so many are kept for a socket that is read later


class End:
    """A socket of an end of the line; `there` is where it was told to send to."""

    def __init__(self) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.there = ("", 0)

    @property
    def sdp(self) -> str:
        host, port = self.socket.getsockname()
        return SDP.format(host=host, port=port)

    def learn(self, sdp: str) -> None:
        ((host, port),) = re.findall(r"a=candidate:\S+ 1 udp \d+ (\S+) (\d+)", sdp)
        self.there = (host, int(port))

    def send(self, packet: bytes) -> None:
        self.socket.sendto(packet, self.there)

    def received(self, quiet_s: float = 0.3) -> list[bytes]:
        """All until nothing has come for so long."""
        found = []
        while select.select([self.socket], [], [], quiet_s)[0]:
            found.append(self.socket.recv(2048))
        return found


def joined(line: BadLine) -> tuple[End, End]:
    """An offering and an answering end that have been told of each other."""
    offering, answering = End(), End()
    answering.learn(line.offer(offering.sdp))
    offering.learn(line.answer(answering.sdp))
    return offering, answering


def numbered(count: int) -> list[bytes]:
    return [SOUND + number.to_bytes(2, "big") for number in range(count)]


def said(offering: End, packets: list[bytes]) -> None:
    for packet in packets:
        offering.send(packet)
        time.sleep(0.0005)


def survivors(seed: int) -> list[bytes]:
    with BadLine(loss_percent=20, seed=seed) as line:
        offering, answering = joined(line)
        said(offering, numbered(PACKETS))
        return answering.received()


def test_each_end_hears_the_other_through_the_relay_alone() -> None:
    with BadLine() as line:
        offering, answering = joined(line)
        assert offering.there != answering.there
        offering.send(CHECK)
        assert answering.received() == [CHECK]
        answering.send(SOUND)
        assert offering.received() == [SOUND]


def test_sound_is_lost_by_chance_that_the_seed_repeats() -> None:
    first, again, other = survivors(1), survivors(1), survivors(2)
    assert first == again != other
    assert 0.7 * PACKETS < len(first) < 0.9 * PACKETS


def test_jitter_lets_packets_overtake_and_loses_none() -> None:
    with BadLine(jitter_ms=50) as line:
        offering, answering = joined(line)
        sent = numbered(PACKETS)
        said(offering, sent)
        received = answering.received()
    assert sorted(received) == sent != received


def test_only_sound_is_lost() -> None:
    with BadLine(loss_percent=100) as line:
        offering, answering = joined(line)
        for packet in (CHECK, SOUND, REPORT):
            offering.send(packet)
        assert answering.received() == [CHECK, REPORT]


@pytest.mark.parametrize(
    ("packet", "sound"),
    [(SOUND, True), (REPORT, False), (CHECK, False), (b"\x16\xfe" + bytes(20), False), (b"", False)],
)
def test_what_sound_is(packet: bytes, sound: bool) -> None:
    assert is_sound(packet) is sound


def test_the_answer_must_name_an_address() -> None:
    with BadLine() as line, pytest.raises(BenchError, match="IPv4"):
        line.answer("v=0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 96\r\n")
