"""The far end: that it answers, and above all that it judges what it hears rightly."""

from __future__ import annotations

import struct

import pytest

from benchmarks.farend_rtp import Ear, Heard, Voice
from benchmarks.farend_sip import Answerer, offered

OFFER = "v=0\r\nc=IN IP4 127.0.0.1\r\nm=audio 4000 RTP/AVP 96 0 101\r\na=rtpmap:96 opus/48000/2\r\n"


def invite(sdp: str, method: str = "INVITE") -> str:
    return (
        f"{method} sip:far@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:5;branch=z9hG4bK1\r\n"
        "From: <sip:a@b>;tag=1\r\n"
        f"To: <sip:far@127.0.0.1>\r\nCall-ID: one\r\nCSeq: 1 {method}\r\nContent-Length: {len(sdp)}\r\n\r\n{sdp}"
    )


def rtp(number: int, payload: bytes = b"\0" * 160) -> bytes:
    return struct.pack("!BBHII", 0x80, 0, number & 0xFFFF, number * 160 & 0xFFFFFFFF, 7) + payload


def heard(*arrivals_ms: tuple[int, float]) -> Ear:
    """An ear that heard packets (number, when)."""
    ear = Ear(8000)
    for number, at_ms in arrivals_ms:
        ear.hear(rtp(number), at_ms / 1000)
    return ear


@pytest.mark.parametrize(("codec", "payload_type"), [("PCMU", 0), ("opus", 96)])
def test_the_caller_s_address_and_payload_type(codec: str, payload_type: int) -> None:
    media = offered(OFFER, codec)
    assert media is not None
    assert (media.address, media.payload_type) == (("127.0.0.1", 4000), payload_type)


def test_a_call_is_answered_confirmed_and_ended() -> None:
    far = Answerer("127.0.0.1", 5060, 4002, "PCMU")
    answer = far.take(invite(OFFER))
    assert answer.startswith("SIP/2.0 200 OK\r\n")
    assert "To: <sip:far@127.0.0.1>;tag=far\r\n" in answer
    assert "m=audio 4002 RTP/AVP 0\r\n" in answer
    assert far.take(invite("", "ACK")) == ""
    assert (set(far.calls), far.confirmed) == ({"one"}, {"one"})
    assert far.take(invite("", "BYE")).startswith("SIP/2.0 200 OK\r\n")
    assert (set(far.calls), far.confirmed) == (set(), set())


def test_a_codec_that_was_not_offered_is_refused() -> None:
    far = Answerer("127.0.0.1", 5060, 4002, "PCMU")
    assert far.take(invite(OFFER.replace(" 0 ", " "))).startswith("SIP/2.0 488 ")
    assert not far.calls


def test_what_is_no_request_is_left_alone() -> None:
    assert Answerer("127.0.0.1", 5060, 4002, "PCMU").take("\r\n\r\n") == ""


def test_packets_on_time_are_not_late() -> None:
    ear = heard((1, 0), (2, 20), (3, 55), (4, 60))
    assert (ear.packets, ear.late, ear.lost) == (4, 0, 0)


def test_a_gap_over_40_ms_is_late() -> None:
    ear = heard((1, 0), (2, 20), (3, 61), (4, 80))
    assert (ear.late, ear.lost) == (1, 0)
    assert ear.worst_gap_s == pytest.approx(0.041)


def test_a_missing_packet_is_lost_and_not_late() -> None:
    ear = heard((1, 0), (3, 40))
    assert (ear.late, ear.lost) == (0, 1)


def test_a_pause_that_the_time_stamp_tells_of_is_not_late() -> None:
    ear = Ear(8000)
    ear.hear(struct.pack("!BBHII", 0x80, 0, 1, 0, 7), 0.0)
    ear.hear(struct.pack("!BBHII", 0x80, 0, 2, 8000, 7), 1.01)
    assert (ear.late, ear.lost) == (0, 0)


def test_numbers_wrap_around() -> None:
    ear = heard((65535, 0), (65536, 20))
    assert (ear.late, ear.lost) == (0, 0)


def test_sound_differs_from_packet_to_packet() -> None:
    ear = Ear(8000)
    for number, payload in enumerate((b"a", b"a", b"b")):
        ear.hear(rtp(number, payload), number * 0.02)
    total = Heard()
    total.add(ear)
    assert (total.packets, total.changed, total.calls) == (3, 2, 1)


def test_a_voice_counts_on() -> None:
    voice = Voice([b"x", b"y"], 0, 160, ssrc=9, sequence=0xFFFF)
    first, second = voice.packet(), voice.packet()
    assert struct.unpack("!BBHII", first[:12]) == (0x80, 0, 0, 160, 9)
    assert struct.unpack("!BBHII", second[:12]) == (0x80, 0, 1, 320, 9)
    assert (first[12:], second[12:]) == (b"y", b"x")
