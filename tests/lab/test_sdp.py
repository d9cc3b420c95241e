"""Session descriptions: read, passed on, answered."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from softphone.lab.media.negotiation import Agreement, NotAcceptable, agree, make_answer
from softphone.lab.sip import sdp

OFFER = (
    b"v=0\r\no=- 1 1 IN IP4 10.0.0.9\r\ns=-\r\nc=IN IP4 10.0.0.9\r\nt=0 0\r\na=ice-lite\r\n"
    b"m=audio 4000 RTP/AVP 96 0 101\r\ni=microphone\r\na=rtcp:4009\r\na=rtpmap:96 opus/48000/2\r\n"
    b"a=fmtp:96 useinbandfec=1\r\na=rtpmap:101 telephone-event/8000\r\na=candidate:1 1 udp 1 10.0.0.9 4000 typ host\r\n"
    b"a=sendonly\r\nm=video 5000 RTP/AVP 97\r\na=rtpmap:97 H264/90000\r\n"
)


def test_what_is_only_passed_on_stays_as_it_was() -> None:
    assert bytes(sdp.Session.parse(OFFER)) == OFFER


def test_reading() -> None:
    session = sdp.Session.parse(OFFER)
    audio = session.audio()
    assert session.address(audio) == ("10.0.0.9", 4000)
    assert session.rtcp_address(audio) == ("10.0.0.9", 4009)
    assert session.direction(audio) == "sendonly"
    assert audio.rtpmap() == {96: "OPUS/48000/2", 0: "PCMU/8000", 101: "TELEPHONE-EVENT/8000"}
    assert (audio.fmtp(96), audio.fmtp(0)) == ("useinbandfec=1", "")
    audio.lines.append("a=rtcp-mux")
    assert session.rtcp_address(audio) == ("10.0.0.9", 4000)


def test_readdressing_leaves_no_way_around_the_relay() -> None:
    session = sdp.Session.parse(OFFER)
    sdp.readdress(session, session.audio(), "127.0.0.1", 6000)
    text = bytes(session).decode()
    assert "m=audio 6000 RTP/AVP 96 0 101\r\ni=microphone\r\nc=IN IP4 127.0.0.1\r\n" in text
    assert not any(word in text for word in ("candidate", "ice", "a=rtcp:"))


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"hello",
        b"v=1\r\n",
        b"v=0\r\nm=audio\r\n",
        b"v=0\r\nm=audio x RTP/AVP 0\r\n",
        b"v=0\r\nm=audio 70000 RTP/AVP 0\r\n",
        b"v=0\r\nxyz\r\n",
        b"v=0\r\n" + b"m=audio 1 RTP/AVP 0\r\n" * 17,
    ],
)
def test_what_is_no_description(text: bytes) -> None:
    with pytest.raises(sdp.SdpError):
        sdp.Session.parse(text)


def agreed(text: bytes, **more: object) -> Agreement:
    return agree(sdp.Session.parse(text), any_codec=True, policy="optional", **more)  # type: ignore[arg-type]


def test_the_echo_takes_the_first_codec_and_refuses_the_other_sections() -> None:
    session = sdp.Session.parse(OFFER)
    agreement = agree(session, any_codec=True, policy="optional")
    assert (agreement.codec, agreement.payload_type, agreement.event_type) == ("OPUS/48000/2", 96, 101)
    assert (agreement.direction, agreement.sending) == ("recvonly", False)
    answer = bytes(make_answer(session, agreement, "127.0.0.1", 6000, 1)).decode()
    assert "m=audio 6000 RTP/AVP 96 101\r\n" in answer
    assert "m=video 0 RTP/AVP 97" in answer


def test_the_tone_takes_what_it_can_speak() -> None:
    agreement = agree(sdp.Session.parse(OFFER), any_codec=False, policy="optional")
    assert (agreement.codec, agreement.rate_hz, agreement.codec_name) == ("PCMU/8000", 8000, "PCMU")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"RTP/AVP 96 0 101", b"RTP/AVP 101"),
        (b"RTP/AVP 96 0 101", b"UDP/TLS/RTP/SAVPF 96 0 101"),
        (b"RTP/AVP 96 0 101", b"RTP/SAVP 96 0 101"),
        (b"m=audio 4000", b"m=audio 0"),
        (b"c=IN IP4 10.0.0.9\r\n", b""),
        (b"c=IN IP4 10.0.0.9\r\n", b"c=nowhere\r\n"),
    ],
)
def test_what_cannot_be_agreed(old: bytes, new: bytes) -> None:
    with pytest.raises(NotAcceptable):
        agreed(OFFER.replace(old, new))


def test_old_style_hold_stops_us_from_sending() -> None:
    held = OFFER.replace(b"c=IN IP4 10.0.0.9", b"c=IN IP4 0.0.0.0").replace(b"a=sendonly\r\n", b"")
    assert not agreed(held).sending


@given(st.integers(0, len(OFFER) - 1), st.binary(max_size=8))
def test_any_damage_is_at_most_not_acceptable(position: int, damage: bytes) -> None:
    text = OFFER[:position] + damage + OFFER[position + len(damage) :]
    try:
        session = sdp.Session.parse(text)
        agreement = agree(session, any_codec=True, policy="optional")
        make_answer(session, agreement, "127.0.0.1", 6000, 1)
    except (sdp.SdpError, NotAcceptable):
        return
