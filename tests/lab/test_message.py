"""Parsing of whole messages, and answers made from requests."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sipmessage import Request

from softphone.lab.sip import message as sip

REGISTER = (
    b"REGISTER sip:pbx.lab.test SIP/2.0\r\n"
    b"v: SIP/2.0/UDP 10.0.0.1:5060;branch=z9hG4bK1;rport\r\n"
    b"From : <sip:901@pbx.lab.test>;tag=a\r\n"
    b"t: <sip:901@pbx.lab.test>\r\n"
    b"i: 1\r\n"
    b"CSeq: 1\r\n REGISTER\r\n"
    b'Contact: <sip:901@10.0.0.1>;+sip.instance="<urn:uuid:1>";reg-id=1\r\n'
    b"l: 0\r\n\r\n"
)


def test_compact_folded_and_padded_headers() -> None:
    message = sip.parse(REGISTER)
    assert isinstance(message, Request)
    sip.check_request(message)
    assert (message.cseq.method, message.call_id, sip.from_tag(message)) == ("REGISTER", "1", "a")
    assert sip.branch(message) == "z9hG4bK1"


def test_via_tells_where_the_request_came_from() -> None:
    message = sip.parse(REGISTER)
    assert isinstance(message, Request)
    sip.stamp_via(message, ("127.0.0.1", 4444))
    value = message.headers["Via"]
    assert value == "SIP/2.0/UDP 10.0.0.1:5060;branch=z9hG4bK1;rport=4444;received=127.0.0.1"
    response = sip.make_response(message, 200, tag="x")
    assert response.headers["Via"] == value
    assert response.headers["To"].endswith(";tag=x")
    assert sip.make_response(message, 100, tag="x").headers["To"] == message.headers["To"]


def test_bytes_after_the_body_are_cut_and_a_short_body_is_an_error() -> None:
    assert sip.parse(REGISTER.replace(b"l: 0", b"l: 2") + b"abcdef").body == b"ab"
    with pytest.raises(ValueError, match="Content-Length"):
        sip.parse(REGISTER.replace(b"l: 0", b"l: 2"))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"hello",
        b"\0" * 100,
        b"SIP/2.0 200\r\n\r\n",
        b"INVITE sip:a SIP/2.0\r\nFrom\r\n\r\n",
        b"INVITE sip:a SIP/2.0\r\n" + b"A: b\r\n" * 300 + b"\r\n",
        b"INVITE sip:a SIP/2.0\r\nA: " + b"b" * 5000 + b"\r\n\r\n",
        b"\xff\xfe sip:a SIP/2.0\r\n\r\n",
        b"INVITE mailto:a SIP/2.0\r\n\r\n",
    ],
)
def test_what_is_no_message_is_a_value_error(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        sip.parse(data)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"i: 1\r\n", b""),
        (b"CSeq: 1\r\n REGISTER", b"CSeq: 1 INVITE"),
        (b"CSeq: 1\r\n REGISTER", b"CSeq: 4294967296 REGISTER"),
        (b"CSeq: 1\r\n REGISTER", b"CSeq: one REGISTER"),
        (b";tag=a", b""),
        (b"t: <sip:901@pbx.lab.test>", b"t: <<>"),
        (b"v: SIP/2.0/UDP 10.0.0.1:5060", b"v: nonsense"),
    ],
)
def test_requests_that_lack_something_are_value_errors(old: bytes, new: bytes) -> None:
    message = sip.parse(REGISTER.replace(old, new))
    assert isinstance(message, Request)
    with pytest.raises(ValueError, match=r"\w"):
        sip.check_request(message)


@given(st.binary(max_size=400))
def test_any_bytes_parse_or_are_a_value_error(data: bytes) -> None:
    try:
        sip.parse(data)
    except ValueError:
        return


@given(st.integers(0, len(REGISTER) - 1), st.binary(max_size=6))
def test_any_damage_to_a_message_is_at_most_a_value_error(position: int, damage: bytes) -> None:
    try:
        message = sip.parse(REGISTER[:position] + damage + REGISTER[position + len(damage) :])
        if isinstance(message, Request):
            sip.check_request(message)
            sip.stamp_via(message, ("127.0.0.1", 1))
    except ValueError:
        return


def test_session_timer_is_granted_to_who_asks() -> None:
    message = sip.parse(REGISTER.replace(b"l: 0", b"Session-Expires: 90;refresher=uas\r\nSupported: timer, x\r\nl: 0"))
    assert isinstance(message, Request)
    assert sip.session_timer(message) == [("Require", "timer"), ("Session-Expires", "90;refresher=uac")]
    plain = sip.parse(REGISTER)
    assert isinstance(plain, Request)
    assert sip.session_timer(plain) == []
