"""Capture files: bytes of the format here, what tshark makes of them in tests/interop/test_trace.py."""

from __future__ import annotations

import struct
from ipaddress import IPv4Address, IPv6Address

from hypothesis import given, settings
from hypothesis import strategies as st

from softphone.tracing.message import Place, SipMessage
from softphone.tracing.pcap import pcap
from tests.tracing.samples import message, request, response


def records(data: bytes) -> list[tuple[int, int, bytes]]:
    """Seconds, microseconds and packet of each."""
    magic, major, minor, _, _, _, link = struct.unpack_from("<IHHiIII", data)
    assert (magic, major, minor, link) == (0xA1B2C3D4, 2, 4, 101)
    found, place = [], 24
    while place < len(data):
        seconds, micros, kept, long = struct.unpack_from("<IIII", data, place)
        assert kept == long
        found.append((seconds, micros, data[place + 16 : place + 16 + kept]))
        place += 16 + kept
    return found


def ones_sum(data: bytes) -> int:
    total = sum(struct.unpack(f"!{(len(data) + 1) // 2}H", data + b"\0" * (len(data) % 2)))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total


def payload(packet: bytes) -> tuple[int, int, int, bytes]:
    """Source port, target port, sequence number (TCP) and payload; checks lengths and checksums on the way."""
    if packet[0] >> 4 == 4:
        assert ones_sum(packet[:20]) == 0xFFFF
        assert struct.unpack_from("!H", packet, 2)[0] == len(packet)
        protocol, ends, segment = packet[9], packet[12:20], packet[20:]
    else:
        assert struct.unpack_from("!H", packet, 4)[0] == len(packet) - 40
        protocol, ends, segment = packet[6], packet[8:40], packet[40:]
    assert ones_sum(ends + struct.pack("!IHBB", len(segment), 0, 0, protocol) + segment) == 0xFFFF
    source, target = struct.unpack_from("!HH", segment)
    if protocol == 17:
        assert struct.unpack_from("!H", segment, 4)[0] == len(segment)
        return source, target, 0, segment[8:]
    return source, target, struct.unpack_from("!I", segment, 4)[0], segment[20:]


def test_a_datagram_in_each_direction() -> None:
    sent, got = request(), response(486, "Busy Here")
    first, second = records(pcap([message(sent), message(got, sent=False, at_ms=1.5)]))
    assert payload(first[2]) == (41_000, 5060, 0, sent)
    assert payload(second[2]) == (5060, 41_000, 0, got)
    assert (second[0] - first[0]) * 1_000_000 + second[1] - first[1] == 1500


def test_bytes_of_a_connection_are_numbered() -> None:
    sent, got = request(), response(200, "OK")
    made = [message(sent, transport="tcp"), message(got, sent=False, transport="tcp"), message(sent, transport="tcp")]
    numbers = [payload(packet)[2] for _, _, packet in records(pcap(made))]
    assert numbers == [1, 1, 1 + len(sent)]


def test_tls_is_shown_as_plain_tcp_on_a_port_that_readers_take_for_sip() -> None:
    (record,) = records(pcap([message(request(), transport="tls", theirs=Place("198.51.100.1", 5061))]))
    assert record[2][9] == 6
    assert payload(record[2])[:2] == (41_000, 5060)


def test_a_message_too_long_for_a_packet_is_cut_into_several() -> None:
    data = request(body="x" * 150_000)
    found = [payload(packet) for _, _, packet in records(pcap([message(data, transport="tcp")]))]
    assert len(found) == 3
    assert b"".join(part for *_, part in found) == data
    assert [number for _, _, number, _ in found] == [1, 65_001, 130_001]


_PLACES_4 = st.builds(Place, st.integers(0, 2**32 - 1).map(lambda n: str(IPv4Address(n))), st.integers(0, 65_535))
_PLACES_6 = st.builds(Place, st.integers(0, 2**128 - 1).map(lambda n: str(IPv6Address(n))), st.integers(0, 65_535))
_PLACES = st.one_of(_PLACES_4, _PLACES_6, st.just(Place("nonsense", 5060)))
MESSAGES = st.builds(
    SipMessage,
    st.integers(0, 2**51),
    st.booleans(),
    st.sampled_from(["udp", "tcp", "tls"]),
    _PLACES,
    _PLACES,
    st.binary(max_size=300),
)


@settings(max_examples=200, deadline=None)
@given(st.lists(MESSAGES, max_size=6))
def test_any_messages_make_a_file_that_can_be_read(messages: list[SipMessage]) -> None:
    found = [payload(packet)[3] for _, _, packet in records(pcap(messages))]
    assert found == [m.data for m in messages]
