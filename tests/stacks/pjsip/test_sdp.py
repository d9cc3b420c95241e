"""What is changed in the session descriptions that PJSIP sends (RFC 4566, RFC 4568), and what never is."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from softphone.stacks.pjsip import sdp

KEY = "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVphYmNk\r\n"
HEAD = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n"
AUDIO = (
    "m=audio 4000 RTP/AVP 96 9 8 0 3 120 121\r\n"
    "a=rtcp:4001 IN IP4 192.0.2.1\r\n"
    "a=sendrecv\r\n"
    "a=rtpmap:96 opus/48000/2\r\n"
    "a=fmtp:96 useinbandfec=1\r\n"
    "a=rtpmap:9 G722/8000\r\n"
    "a=rtpmap:8 PCMA/8000\r\n"
    "a=rtpmap:0 PCMU/8000\r\n"
    "a=rtpmap:120 telephone-event/48000\r\n"
    "a=fmtp:120 0-16\r\n"
    "a=rtpmap:121 telephone-event/8000\r\n"
    "a=fmtp:121 0-16\r\n"
)
VIDEO = "m=video 5000 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n"


def payloads(text: str) -> list[str]:
    return re.search(r"m=audio \S+ \S+(.*)\r\n", text)[1].split()  # type: ignore[index]


@pytest.mark.parametrize(
    ("codecs", "kept"),
    [
        (["opus", "g722", "pcma", "pcmu"], ["96", "9", "8", "0", "120", "121"]),
        (["pcmu", "pcma"], ["0", "8", "121"]),
        (["opus"], ["96", "120"]),
        (["g722"], ["9", "121"]),
        (["gsm", "opus"], ["3", "96", "120", "121"]),
        (["speex", "pcmu"], ["0", "121"]),
        (["speex"], ["96", "9", "8", "0", "3", "120", "121"]),
    ],
)
def test_an_account_offers_its_codecs_in_its_order(codecs: list[str], kept: list[str]) -> None:
    out = sdp.narrow(HEAD + AUDIO, codecs)
    assert payloads(out) == kept
    named = set(re.findall(r"a=(?:rtpmap|fmtp):(\d+)", out))
    assert named <= set(kept)
    assert "a=sendrecv\r\n" in out
    assert "a=rtcp:4001" in out


def test_everything_else_stays_as_it_is() -> None:
    out = sdp.narrow(HEAD + AUDIO + VIDEO, ["pcmu"])
    assert out.startswith(HEAD)
    assert out.endswith(VIDEO)
    assert sdp.narrow(HEAD + VIDEO, ["pcmu"]) == HEAD + VIDEO


def test_an_offer_that_means_srtp() -> None:
    mixed = HEAD + AUDIO + KEY
    secure = sdp.offer_secure(mixed)
    assert "m=audio 4000 RTP/SAVP 96 9" in secure
    assert secure.replace("RTP/SAVP", "RTP/AVP") == mixed
    assert sdp.offer_secure(HEAD + AUDIO) == HEAD + AUDIO
    assert "RTP/SAVPF 0" in sdp.offer_secure(f"{HEAD}m=audio 4 RTP/AVPF 0\r\n{KEY}")


def test_an_offer_in_the_clear() -> None:
    plain = sdp.offer_plain(sdp.offer_secure(HEAD + AUDIO + KEY))
    assert plain == HEAD + AUDIO
    assert "crypto" not in sdp.offer_plain(HEAD + AUDIO + KEY * 3)


LINES = st.sampled_from(
    [
        "m=audio 4000 RTP/AVP 0 8 96",
        "m=audio 0 RTP/SAVP",
        "m=audio",
        "m=",
        "m=video 1 x 96",
        "a=rtpmap:96 opus/48000/2",
        "a=rtpmap:0",
        "a=rtpmap:٣ opus/48000",
        "a=rtpmap:8 telephone-event/8000",
        "a=fmtp:96 ",
        "a=crypto:1 x inline:y",
        "",
        "v=0",
    ]
)
TEXTS = st.one_of(
    st.text(), st.builds(lambda lines, end: end.join(lines), st.lists(LINES), st.sampled_from(["\r\n", "\n", "\r"]))
)
CODECS = st.lists(st.sampled_from(["opus", "g722", "pcma", "pcmu", "gsm", "speex"]), unique=True)


@given(TEXTS, CODECS)
def test_no_text_is_too_strange(text: str, codecs: list[str]) -> None:
    once = sdp.narrow(text, codecs)
    assert sdp.narrow(once, codecs) == once
    assert len(re.findall(r"(?m)^m=", once)) == len(re.findall(r"(?m)^m=", text))
    assert "a=crypto:" not in re.sub(r"(?m)[^\n]$", "", sdp.offer_plain(text + "\n")) or "\na=crypto:" not in text
    sdp.offer_secure(text)


@given(st.lists(st.sampled_from(["0", "3", "8", "9", "18", "96", "101"]), unique=True), CODECS)
def test_nothing_is_offered_that_was_not_there(offered: list[str], codecs: list[str]) -> None:
    text = f"{HEAD}m=audio 4000 RTP/AVP {' '.join(offered)}\r\na=rtpmap:96 opus/48000/2\r\n"
    assert set(payloads(sdp.narrow(text, codecs))) <= set(offered)


# ---- WebRTC

WEBRTC = (
    "v=0\r\ns=-\r\nm=audio 4000 UDP/TLS/RTP/SAVP 96\r\na=rtpmap:96 opus/48000/2\r\n"
    "m=video 0 RTP/AVP 31\r\na=inactive\r\n"
)


def test_webrtc_has_feedback_and_a_name() -> None:
    found = sdp.for_webrtc(WEBRTC)
    assert found == WEBRTC.replace("SAVP 96", "SAVPF 96").replace("48000/2\r\n", "48000/2\r\na=mid:0\r\n")
    assert sdp.for_webrtc(found) == found
    assert sdp.for_webrtc(WEBRTC.replace("UDP/TLS/RTP/SAVP", "RTP/AVP")) == WEBRTC.replace(
        "UDP/TLS/RTP/SAVP", "RTP/AVP"
    )


def test_an_answer_has_the_names_of_the_offer() -> None:
    invite = "INVITE sip:901@x SIP/2.0\r\nm: <sip:x>\r\n\r\nv=0\r\nm=audio 1 X 0\r\na=mid:sound\r\nm=video 0 X 0\r\n"
    assert sdp.mids(invite) == ["sound", ""]
    answer = sdp.for_webrtc(WEBRTC)
    assert sdp.take_mids(answer, sdp.mids(invite)) == answer.replace("a=mid:0", "a=mid:sound")
    assert sdp.take_mids(answer, []) == answer
