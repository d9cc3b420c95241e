"""HEP packets, read by a decoder of the test's own; tests/interop/test_trace.py has Kamailio read them."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given, settings

from softphone.errors import UsageError
from softphone.tracing.hep import packet
from softphone.tracing.message import Place, SipMessage
from tests.tracing.samples import NOON_US, message, request
from tests.tracing.test_pcap import MESSAGES


def chunks(data: bytes) -> dict[int, bytes]:
    """Type -> value; checks the lengths."""
    assert data[:4] == b"HEP3"
    assert struct.unpack_from("!H", data, 4)[0] == len(data)
    found, place = {}, 6
    while place < len(data):
        vendor, kind, length = struct.unpack_from("!HHH", data, place)
        assert vendor == 0
        assert length >= 6
        found[kind] = data[place + 6 : place + length]
        place += length
    assert place == len(data)
    return found


def test_the_chunks_of_a_message() -> None:
    sip = request()
    found = chunks(packet(message(sip, at_ms=1.25), capture_id=77, auth_key="key", correlation="one@phone"))
    assert found == {
        1: b"\x02",
        2: b"\x11",
        3: bytes([192, 0, 2, 7]),
        4: bytes([198, 51, 100, 1]),
        7: struct.pack("!H", 41_000),
        8: struct.pack("!H", 5060),
        9: struct.pack("!I", NOON_US // 1_000_000),
        10: struct.pack("!I", 1250),
        11: b"\x01",
        12: struct.pack("!I", 77),
        14: b"key",
        15: sip,
        17: b"one@phone",
    }


def test_received_over_tls_and_ipv6() -> None:
    made = message(b"x", sent=False, transport="tls", ours=Place("2001:db8::7", 1), theirs=Place("2001:db8::1", 5061))
    found = chunks(packet(made, capture_id=1))
    assert (found[1], found[2]) == (b"\x0a", b"\x06")
    assert found[5][-1:] == b"\x01"
    assert found[6][-1:] == b"\x07"
    assert found[7] == struct.pack("!H", 5061)
    assert 14 not in found
    assert 17 not in found


@pytest.mark.parametrize(
    "made",
    [
        message(b"x" * 65_530),
        message(b"x", ours=Place("nonsense", 1)),
        message(b"x", ours=Place("::1", 1)),
    ],
)
def test_what_cannot_be_wrapped_is_refused(made: SipMessage) -> None:
    with pytest.raises(UsageError):
        packet(made, capture_id=1)


@settings(max_examples=200, deadline=None)
@given(MESSAGES)
def test_any_message_is_wrapped_or_refused(made: SipMessage) -> None:
    try:
        found = chunks(packet(made, capture_id=1, auth_key="k", correlation="\ud800"))
    except UsageError:
        assert made.local.address == "nonsense" or made.remote.address == "nonsense" or (
            (":" in made.local.address) != (":" in made.remote.address)
        )  # fmt: skip
    else:
        assert found[15] == made.data
