"""A trace as a capture file that Wireshark, tshark and sngrep read: IP, UDP or TCP, SIP.

The addresses, ports and times are the real ones; the IP, UDP and TCP headers are made here. What travelled in TLS is
written as it was before encryption, in plain TCP; port 5061 then reads 5060, because readers take 5061 for ciphertext.
Format: https://www.ietf.org/archive/id/draft-ietf-opsawg-pcap-05.html, link type 101 (RAW: an IP header comes first).
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from ipaddress import IPv4Address, IPv6Address, ip_address

from softphone.tracing.message import Place, SipMessage

MEDIA_TYPE = "application/vnd.tcpdump.pcap"
_MAGIC, _SNAPLEN, _LINKTYPE_RAW = 0xA1B2C3D4, 262_144, 101
_UDP, _TCP = 17, 6
_TCP_MAX = 65_000
"""Payload of a TCP segment: an IPv4 packet holds 65,535 bytes with its headers."""
_UDP_MAX = 65_507

Address = IPv4Address | IPv6Address


def pcap(messages: Iterable[SipMessage]) -> bytes:
    """The file, messages in the order given."""
    head = struct.pack("<IHHiIII", _MAGIC, 2, 4, 0, 0, _SNAPLEN, _LINKTYPE_RAW)
    return b"".join([head, *Writer().records(messages)])


class Writer:
    """Numbers the bytes of each TCP connection as they go by."""

    def __init__(self) -> None:
        self._sent: dict[tuple[Place, Place], int] = {}

    def records(self, messages: Iterable[SipMessage]) -> Iterator[bytes]:
        """Each packet with its head."""
        for message in messages:
            for packet in self.packets(message):
                seconds, micros = divmod(message.time_us, 1_000_000)
                yield struct.pack("<IIII", seconds & 0xFFFFFFFF, micros, len(packet), len(packet)) + packet

    def packets(self, message: SipMessage) -> Iterator[bytes]:
        """A message as IP packets; one, unless it is too long for that."""
        ours, theirs = _ends(message)
        source, target = (ours, theirs) if message.sent else (theirs, ours)
        if message.transport == "udp":
            yield _ip(source, target, _UDP, _udp(source, target, message.data[:_UDP_MAX]))
            return
        for begin in range(0, len(message.data) or 1, _TCP_MAX):
            yield _ip(source, target, _TCP, self._tcp(source, target, message.data[begin : begin + _TCP_MAX]))

    def _tcp(self, source: Place, target: Place, payload: bytes) -> bytes:
        number = self._sent.get((source, target), 1)
        self._sent[source, target] = (number + len(payload)) & 0xFFFFFFFF
        expected = self._sent.get((target, source), 1)
        push_ack = 0x5018  # header of five words; PSH and ACK
        head = struct.pack("!HHIIHHHH", source.port, target.port, number, expected, push_ack, 65_535, 0, 0)
        return _with_checksum(source, target, _TCP, head + payload, 16)


def _udp(source: Place, target: Place, payload: bytes) -> bytes:
    head = struct.pack("!HHHH", source.port, target.port, 8 + len(payload), 0)
    made = _with_checksum(source, target, _UDP, head + payload, 6)
    return made if made[6:8] != b"\0\0" else made[:6] + b"\xff\xff" + made[8:]  # RFC 768: 0 would mean none


def _ip(source: Place, target: Place, protocol: int, payload: bytes) -> bytes:
    a, b = ip_address(source.address), ip_address(target.address)
    if a.version == 6:
        return struct.pack("!IHBB", 6 << 28, len(payload), protocol, 64) + a.packed + b.packed + payload
    head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(payload), 0, 0x4000, 64, protocol, 0) + a.packed + b.packed
    return head[:10] + struct.pack("!H", _sum(head)) + head[12:] + payload


def _with_checksum(source: Place, target: Place, protocol: int, segment: bytes, at: int) -> bytes:
    a, b = ip_address(source.address), ip_address(target.address)
    pseudo = a.packed + b.packed + struct.pack("!IHBB", len(segment), 0, 0, protocol)
    return segment[:at] + struct.pack("!H", _sum(pseudo + segment)) + segment[at + 2 :]


def _sum(data: bytes) -> int:
    """The Internet checksum, RFC 1071."""
    padded = data + b"\0" * (len(data) % 2)
    total: int = sum(struct.unpack(f"!{len(padded) // 2}H", padded))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def _ends(message: SipMessage) -> tuple[Place, Place]:
    """Ours and theirs, of one address family and with ports that readers take for SIP."""
    theirs = _address(message.remote.address)
    ours = _address(message.local.address)
    family = theirs or ours or IPv4Address(0)
    found = []
    for address, port in ((ours, message.local.port), (theirs, message.remote.port)):
        if address is None or address.version != family.version:
            address = IPv4Address(0) if family.version == 4 else IPv6Address(0)
        shown = 5060 if (message.transport, port) in (("tls", 5061), ("wss", 443)) else port
        found.append(Place(str(address), shown & 0xFFFF))
    return found[0], found[1]


def _address(text: str) -> Address | None:
    try:
        return ip_address(text.partition("%")[0])
    except ValueError:
        return None
