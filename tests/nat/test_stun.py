"""STUN messages, judged by the test vectors of RFC 5769 and by what is damaged."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from softphone.addresses import HostPort
from softphone.nat import stun

# RFC 5769 section 2.2: a Binding response, 192.0.2.1 port 32853
RESPONSE = bytes.fromhex(
    "0101003c2112a442b7e7a701bc34d686fa87dfae"
    "8022000b7465737420766563746f7220"
    "002000080001a147e112a643"
    "000800142b91f599fd9e90c38c7489f92af9ba53f06be7d7"
    "80280004c07d4c96"
)
# Section 2.3: the same over IPv6
RESPONSE_6 = bytes.fromhex(
    "010100482112a442b7e7a701bc34d686fa87dfae"
    "8022000b7465737420766563746f7220"
    "002000140002a1470113a9faa5d3f179bc25f4b5bed2b9d9"
    "00080014a382954e4be67bf11784c97c8292c275bfe3ed41"
    "80280004c8fb0b4c"
)
# Section 2.4: a request with long-term credentials
REQUEST = bytes.fromhex(
    "000100602112a44278ad3433c6ad72c029da412e"
    "00060012e3839ee38388e383aae38383e382afe382b90000"
    "0015001c662f2f3439396b3935346436"
    "4f4c33346f4c394653547679"
    "3634734100"
    "14000b6578616d706c652e6f7267"
    "00"
    "00080014f67024656dd64a3e02b8e0712e85c9a28ca89666"
)


def test_the_vectors_of_the_rfc_are_read() -> None:
    assert stun.decode(RESPONSE).address(stun.XOR_MAPPED_ADDRESS) == HostPort("192.0.2.1", 32853)
    seen = stun.decode(RESPONSE_6).address(stun.XOR_MAPPED_ADDRESS)
    assert seen == HostPort("2001:db8:1234:5678:11:2233:4455:6677", 32853)
    assert stun.decode(RESPONSE).kind == stun.SUCCESS


def test_the_integrity_is_that_of_the_rfc() -> None:
    request = stun.decode(REQUEST)
    name, realm = request.first(stun.USERNAME), request.first(stun.REALM)
    assert name == "マトリックス".encode()
    assert realm == b"example.org"
    # "The<U+00AD>M<U+00AA>tr<U+2168>" after SASLprep
    key = stun.long_term_key(name.decode(), realm.decode(), "TheMatrIX")
    plain = stun.Message(stun.BINDING, attributes=request.attributes[:-1], transaction=request.transaction)
    assert stun.decode(stun.encode(plain, key)).first(stun.MESSAGE_INTEGRITY) == request.first(stun.MESSAGE_INTEGRITY)


def test_what_is_written_is_read_again() -> None:
    attributes = ((stun.USERNAME, b"phone"), (stun.NONCE, b"123"), stun.transport_attribute())
    message = stun.Message(stun.ALLOCATE, attributes=attributes)
    assert stun.decode(stun.encode(message)) == message
    signed = stun.decode(stun.encode(message, b"key"))
    assert signed.attributes[:3] == attributes
    assert [kind for kind, _ in signed.attributes[3:]] == [stun.MESSAGE_INTEGRITY, stun.FINGERPRINT]


def test_an_error_tells_its_code_and_a_printable_reason() -> None:
    value = bytes((0, 0, 4, 86)) + b"Quota\r\n reached"
    assert stun.Message(stun.ALLOCATE, stun.ERROR, ((stun.ERROR_CODE, value),)).error == (486, "Quota reached")
    assert stun.Message(stun.ALLOCATE, stun.ERROR).error == (0, "")


@pytest.mark.parametrize(
    "data", [b"", RESPONSE[:-1], RESPONSE[:30], b"\xff" * 20, RESPONSE + b"\0", b"OPTIONS sip:" * 3]
)
def test_what_is_damaged_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"STUN|attribute"):
        stun.decode(data)


@given(st.binary(max_size=40), st.integers(0, 0xFFFF), st.integers(0, 0xFFFF))
def test_nothing_that_a_stranger_sends_breaks_it(body: bytes, first: int, kind: int) -> None:
    header = first.to_bytes(2, "big") + len(body).to_bytes(2, "big") + RESPONSE[4:20]
    try:
        message = stun.decode(header + body)
    except ValueError:
        return
    for attribute in (stun.XOR_MAPPED_ADDRESS, stun.MAPPED_ADDRESS, kind):
        message.address(attribute)
    assert len(message.error) == 2
