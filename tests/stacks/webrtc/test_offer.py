"""Offers of browsers, read and answered; what is wrong with one is named."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from softphone.errors import UsageError
from softphone.stacks.webrtc.answer import Ours, choose, write_answer
from softphone.stacks.webrtc.offer import parse_offer

FINGERPRINT = ":".join(["AB"] * 32)

CHROMIUM = f"""v=0
o=- 4611731400430051336 2 IN IP4 127.0.0.1
s=-
t=0 0
a=group:BUNDLE 0 1
a=extmap-allow-mixed
a=msid-semantic: WMS
m=video 9 UDP/TLS/RTP/SAVPF 96 97
c=IN IP4 0.0.0.0
a=rtcp-mux
a=mid:0
a=rtpmap:96 VP8/90000
m=audio 51472 UDP/TLS/RTP/SAVPF 111 63 9 0 8 13 110 126
c=IN IP4 192.0.2.10
a=rtcp:9 IN IP4 0.0.0.0
a=candidate:1 1 udp 2113937151 192.0.2.10 51472 typ host generation 0
a=candidate:2 1 tcp 1518280447 192.0.2.10 9 typ host tcptype active
a=candidate:3 1 udp 2113937151 4f3c-22.local 51473 typ host
a=ice-ufrag:9uhG
a=ice-pwd:5N3s4gYx0pUs8kzA5bGZc2Yk
a=ice-options:trickle
a=fingerprint:sha-256 {FINGERPRINT}
a=setup:actpass
a=mid:1
a=sendrecv
a=rtcp-mux
a=rtpmap:111 opus/48000/2
a=fmtp:111 minptime=10;useinbandfec=1
a=rtpmap:63 red/48000/2
a=rtpmap:9 G722/8000
a=rtpmap:0 PCMU/8000
a=rtpmap:8 PCMA/8000
a=rtpmap:13 CN/8000
a=rtpmap:110 telephone-event/48000
a=rtpmap:126 telephone-event/8000
""".replace("\n", "\r\n")

OURS = Ours(
    ufrag="ours",
    password="p" * 22,
    fingerprint=FINGERPRINT,
    candidates=["1 1 udp 2130706431 192.0.2.1 5000 typ host"],
    ssrc=4242,
    cname="name",
    session=1,
)


def without(line: str) -> str:
    return "".join(each for each in CHROMIUM.splitlines(keepends=True) if not each.startswith(line))


def answered(offer: str, *codecs: str) -> list[str]:
    parsed = parse_offer(offer)
    return write_answer(parsed, choose(parsed, codecs or ("opus", "pcmu")), OURS, opus_rate_hz=16000).splitlines()


def test_what_chromium_offers() -> None:
    offer = parse_offer(CHROMIUM)
    assert (offer.mid, offer.ufrag, offer.setup, offer.direction, offer.place) == ("1", "9uhG", "active", "sendrecv", 1)
    assert offer.fingerprints == (("sha-256", FINGERPRINT),)
    assert len(offer.candidates) == 3
    assert [codec.name for codec in offer.codecs][:4] == ["opus", "red", "g722", "pcmu"]
    assert offer.password not in repr(offer)


def test_one_audio_stream_is_taken_and_the_rest_refused() -> None:
    lines = answered(CHROMIUM)
    assert [line for line in lines if line.startswith("m=")] == [
        "m=video 0 UDP/TLS/RTP/SAVPF 96 97",
        "m=audio 9 UDP/TLS/RTP/SAVPF 111 110",
    ]
    assert "a=group:BUNDLE 1" in lines
    for line in ("a=setup:active", "a=mid:1", "a=sendrecv", "a=rtcp-mux", "a=end-of-candidates", "a=ice-ufrag:ours"):
        assert line in lines
    assert "a=rtpmap:110 telephone-event/48000" in lines
    assert any("useinbandfec=1" in line for line in lines)


def test_keys_have_the_clock_of_the_codec() -> None:
    lines = answered(CHROMIUM, "pcmu")
    assert "m=audio 9 UDP/TLS/RTP/SAVPF 0 126" in lines
    assert "a=rtpmap:0 PCMU/8000" in lines


def test_codecs_with_numbers_of_their_own_need_no_rtpmap() -> None:
    assert "m=audio 9 UDP/TLS/RTP/SAVPF 8 126" in answered(without("a=rtpmap:8"), "pcma")


@pytest.mark.parametrize(
    ("theirs", "ours"), [("sendonly", "recvonly"), ("recvonly", "sendonly"), ("inactive", "inactive")]
)
def test_directions_are_mirrored(theirs: str, ours: str) -> None:
    assert f"a={ours}" in answered(CHROMIUM.replace("a=sendrecv", f"a={theirs}"))


@pytest.mark.parametrize(
    ("offer", "said"),
    [
        ("", "v=0"),
        ("v=0\r\nnonsense\r\n", "line 2"),
        (without("m=audio"), "no audio"),
        (CHROMIUM.replace("m=audio 51472", "m=audio 0"), "port 0"),
        (CHROMIUM.replace("m=audio 51472 UDP/TLS/RTP/SAVPF", "m=audio 51472 RTP/AVP"), "RTP/AVP"),
        (without("a=rtcp-mux"), "rtcp-mux"),
        (without("a=ice-ufrag"), "ice-ufrag"),
        (without("a=ice-pwd"), "ice-pwd"),
        (without("a=fingerprint"), "fingerprint"),
        (CHROMIUM.replace("sha-256", "md5"), "fingerprint"),
        (CHROMIUM.replace("a=setup:actpass", "a=setup:holdconn"), "setup"),
        (CHROMIUM.replace("a=ice-pwd:5N3s4gYx0pUs8kzA5bGZc2Yk", "a=ice-pwd:a b"), "ice-pwd"),
        (CHROMIUM.replace(" 13 110 126", " 13 999"), "999"),
        ("v=0\r\n" + "a=x\r\n" * 20_000, "characters"),
    ],
)
def test_what_is_wrong_with_an_offer_is_named(offer: str, said: str) -> None:
    with pytest.raises(UsageError, match=said) as caught:
        parse_offer(offer)
    assert "5N3s4gYx" not in str(caught.value)


def test_an_offer_without_a_codec_of_ours() -> None:
    with pytest.raises(UsageError, match="opus, red, g722"):
        choose(parse_offer(CHROMIUM), ("speex",))


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_whatever_is_offered_no_other_error_comes(data: st.DataObject) -> None:
    lines = CHROMIUM.splitlines()
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(lines) - 1))
        lines[at] = data.draw(st.one_of(st.text(max_size=40), st.just(lines[at][:5]), st.just(lines[at] * 2)))
    try:
        parsed = parse_offer("\r\n".join(lines))
        answer = write_answer(parsed, choose(parsed), OURS, opus_rate_hz=16000)
    except UsageError:
        return
    assert answer.count("\r\n") == len(answer.splitlines())
