"""Ladders, as text and as SVG."""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from softphone.tracing import ladder, scene, svg, text
from softphone.tracing.message import Place, SipMessage
from tests.tracing.samples import SDP, message, request, response
from tests.tracing.test_pcap import MESSAGES

OTHER = Place("203.0.113.9", 5080)

CALL = [
    (message(request("INVITE", "Content-Type: application/sdp", body=SDP)), "c1"),
    (message(request("INVITE", "Content-Type: application/sdp", body=SDP), at_ms=500), "c1"),
    (message(response(180, "Ringing"), sent=False, at_ms=620), "c1"),
    (message(response(486, "Busy Here", "Reason: Q.850;cause=17"), sent=False, at_ms=2000), "c1"),
    (message(request("ACK"), at_ms=2001), "c1"),
]


def drawn(messages: Sequence[tuple[SipMessage, str]], width: int = 100) -> list[str]:
    return ladder.ladder(scene.scene(messages), "call c1", width).splitlines()


def test_a_call_that_is_refused() -> None:
    assert drawn(CALL, 80) == [
        "call c1",
        "from 2025-06-15 15:06:40.000 UTC",
        "",
        "       this phone                                              198.51.100.1:5060",
        "                                                                             udp",
        "            |                                                                 |",
        "   +0.000   |------------------ INVITE sip:9196@pbx.example ----------------->|",
        "            |     SDP audio 192.0.2.7:4000 opus PCMU DTMF, sendonly, SDES     |",
        "            |                   2 times, the last at +0.500                   |",
        "   +0.620   |<-------------------- 180 Ringing (INVITE) ----------------------|",
        "   +2.000   |<------------------- 486 Busy Here (INVITE) ---------------------|",
        "            |                     Reason: Q.850;cause=17                      |",
        "   +2.001   |------------------- ACK sip:9196@pbx.example ------------------->|",
        "            |                                                                 |",
    ]


def test_two_far_ends_and_two_calls() -> None:
    lines = drawn([*CALL, (message(request("OPTIONS", call_id="two"), at_ms=3000, theirs=OTHER), "c2")])
    assert "198.51.100.1:5060" in lines[3]
    assert "203.0.113.9:5080" in lines[3]
    assert lines[-2].startswith("c2           +3.000   |-----")
    assert lines[-2].endswith(">|")
    assert max(map(len, lines)) <= 100


def test_what_does_not_fit_is_wrapped() -> None:
    long = request("OPTIONS").replace(b"9196", b"9" * 200, 1)
    lines = drawn([(message(long), "")], 60)
    assert "9" * 30 in lines[6]
    assert sum(line.count("9") for line in lines[6:]) >= 200
    assert max(map(len, lines)) <= 60


def test_more_far_ends_than_lanes() -> None:
    crowd = [(message(request(call_id=str(n)), theirs=Place("192.0.2.99", 6000 + n)), "") for n in range(9)]
    lines = drawn(crowd)
    assert "several others" in "\n".join(lines)
    assert all(f"192.0.2.99:{6000 + n}" in "\n".join(lines) for n in range(9))
    assert max(map(len, lines)) <= 100


def test_nothing_to_show() -> None:
    assert ladder.ladder(scene.scene([]), "call c1") == "call c1\nno messages\n"
    ElementTree.fromstring(svg.svg(scene.scene([]), "call c1"))


def test_a_picture_says_what_it_shows() -> None:
    made = svg.svg(scene.scene(CALL), "call c1 of <901>")
    root = ElementTree.fromstring(made)
    name = "{http://www.w3.org/2000/svg}"
    assert root.find(f"{name}title").text == "call c1 of <901>"  # type: ignore[union-attr]
    assert "5 SIP messages between this phone and 1 others" in (root.find(f"{name}desc").text or "")  # type: ignore[union-attr]
    texts = [element.text for element in root.iter(f"{name}text")]
    assert "486 Busy Here (INVITE)" in texts
    assert len([*root.iter(f"{name}path")]) == 4
    assert "prefers-color-scheme: dark" in made
    assert "http" not in made.replace("http://www.w3.org/2000/svg", "")


@pytest.mark.parametrize(
    ("message_data", "notes"),
    [
        (request("REGISTER", "Expires: 0"), ("expires 0: leaves",)),
        (request("INVITE", "Authorization: Digest x"), ("with credentials",)),
        (response(302, "Moved", "Contact: <sip:902@pbx>"), ("to <sip:902@pbx>",)),
        (request("REFER", "Refer-To: <sip:902@pbx>"), ("Refer-To: <sip:902@pbx>",)),
        (request("NOTIFY", "Content-Type: message/sipfrag", body="SIP/2.0 200 OK\r\n"), ("SIP/2.0 200 OK",)),
        (request("MESSAGE", "Content-Type: text/plain", body="hello"), ("text/plain, 5 bytes",)),
        (
            request("INVITE", "Content-Type: application/sdp", body="c=IN IP4 0.0.0.0\r\nm=audio 9 RTP/AVP 8\r\n"),
            ("SDP audio 0.0.0.0:9 PCMA, sendrecv, on hold by 0.0.0.0",),
        ),
        (
            request("INVITE", "Content-Type: application/sdp", body="m=audio 0 RTP/AVP 8\r\nm=video 9 X 1\r\n"),
            ("SDP audio refused; video :9 1, sendrecv",),
        ),
    ],
)
def test_what_is_said_beside_an_arrow(message_data: bytes, notes: tuple[str, ...]) -> None:
    assert scene.arrow(message(message_data)).notes == notes


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(MESSAGES, st.sampled_from(["", "c1", "901@pbx.example"])), max_size=8), st.integers(0, 200))
def test_any_messages_can_be_drawn(messages: list[tuple[SipMessage, str]], width: int) -> None:
    lines = drawn(messages, width)
    assert max(map(len, lines)) <= max(width, 60)
    assert all(line.isprintable() for line in lines)
    ElementTree.fromstring(svg.svg(scene.scene(messages), "any"))
    text.text(messages)


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=200))
def test_control_characters_never_reach_a_terminal(data: bytes) -> None:
    made = text.text([(message(b"INVITE sip:a SIP/2.0\r\n" + data), "")])
    assert all(line.replace("\t", "").isprintable() for line in made.split("\n"))
