"""SIP messages as text: RFC 3261 section 7, compact forms, folding, and what nobody should ever have sent."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from softphone.stacks.pjsip import messages

INVITE = (
    "INVITE sip:901@192.0.2.7:5060;ob SIP/2.0\r\n"
    "Via: SIP/2.0/TLS 198.51.100.1;branch=z9hG4bK1\r\n"
    "v: SIP/2.0/UDP 198.51.100.2;branch=z9hG4bK2\r\n"
    'f: "Ann \\"A\\" Smith" <sip:ann@example.com>;tag=1\r\n'
    "To: <sip:901@pbx.example>\r\n"
    "i: abc@example.com\r\n"
    "Subject: first line\r\n"
    "\tsecond\r\n"
    "   third line\r\n"
    "x-Ticket:4711\r\n"
    "Authorization: Digest username=ann, response=secret\r\n"
    "proxy-authorization: Digest response=secret\r\n"
    "Empty:\r\n"
    "c: application/sdp\r\n"
    "l: 3\r\n"
    "\r\n"
    "v=0\r\nNot-A-Header: body\r\n"
)


def test_headers_by_their_full_names_in_order() -> None:
    found = messages.headers(INVITE)
    assert found["Via"] == ["SIP/2.0/TLS 198.51.100.1;branch=z9hG4bK1", "SIP/2.0/UDP 198.51.100.2;branch=z9hG4bK2"]
    assert found["From"] == ['"Ann \\"A\\" Smith" <sip:ann@example.com>;tag=1']
    assert found["Call-ID"] == ["abc@example.com"]
    assert found["x-Ticket"] == ["4711"]
    assert found["Empty"] == [""]


def test_folded_lines_are_one_value() -> None:
    assert messages.headers(INVITE)["Subject"] == ["first line second third line"]


def test_credentials_and_bodies_are_left_out() -> None:
    found = messages.headers(INVITE)
    assert not {name for name in found if "authorization" in name.lower()}
    assert "Not-A-Header" not in found
    assert "secret" not in str(found)


def test_bare_line_feeds_and_lines_that_are_no_headers() -> None:
    found = messages.headers("SIP/2.0 200 OK\nTo: <sip:a@b>\nrubbish\n: nameless\nX-A: a:b:c\n\nY: body")
    assert found == {"To": ["<sip:a@b>"], "X-A": ["a:b:c"]}


@pytest.mark.parametrize("name", ["to", "TO", "To"])
def test_the_first_value_whatever_the_spelling(name: str) -> None:
    assert messages.first({"tO": ["one", "two"]}, name) == "one"
    assert messages.first({}, name) == ""
    assert messages.first({"To": []}, name) == ""


@pytest.mark.parametrize(
    ("line", "uri"),
    [
        ("INVITE sip:901@192.0.2.7;ob SIP/2.0\r\n", "sip:901@192.0.2.7;ob"),
        ("INVITE sips:[2001:db8::1]:5061 SIP/2.0\r\nVia: x", "sips:[2001:db8::1]:5061"),
        ("SIP/2.0 200 OK\r\n", ""),
        ("INVITE sip:a@b HTTP/1.1\r\n", ""),
        ("INVITE  SIP/2.0", ""),
        ("", ""),
    ],
)
def test_the_request_uri(line: str, uri: str) -> None:
    assert messages.request_uri(line) == uri


@pytest.mark.parametrize(
    ("head", "carries"),
    [
        ("c: application/sdp\r\nl: 12", True),
        ("Content-Type: Application/SDP; charset=utf-8\r\nContent-Length: 1", True),
        ("Content-Type: multipart/mixed;boundary=x\r\nContent-Length: 9", True),
        ("Content-Type: application/sdp", True),
        ("Content-Type: application/sdp\r\nContent-Length: 0", False),
        ("Content-Type: text/plain\r\nContent-Length: 5", False),
        ("Content-Length: 5", False),
    ],
)
def test_whether_there_is_a_session_description(head: str, carries: bool) -> None:
    assert messages.tells_sdp(messages.headers(f"SIP/2.0 183 Session Progress\r\n{head}\r\n\r\nv=0")) is carries


def test_names_in_latin_1_are_read_as_such() -> None:
    message = b'INVITE sip:\xe9@a SIP/2.0\r\nFrom: "J\xf6rg \x80\x81" <sip:a@b>\r\nTo: "J\xc3\xb6rg" <sip:c@d>\r\n\r\n'
    text = message.decode(errors="surrogateescape")  # as SWIG hands it over
    found = messages.headers(text)
    assert found["From"] == ['"J\xf6rg \u20ac\ufffd" <sip:a@b>']
    assert found["To"] == ['"J\xf6rg" <sip:c@d>']
    assert messages.request_uri(text) == "sip:\xe9@a"


@given(st.text(st.characters(exclude_categories=[])))
@example("\ud800\udcff\xe4")
@example("\x1b]0;owned\x07\t\x9b31m")
def test_whatever_comes_can_be_sent_on(text: str) -> None:
    readable = messages.readable(text)
    readable.encode()
    assert not any(char < " " or "\x7f" <= char < "\xa0" for char in readable)
    for name, values in messages.headers(f"X\r\n{text}").items():
        "".join([name, *values]).encode()


@given(st.text())
@example("\r\n\r\n\r\n")
@example("INVITE sip:a@b SIP/2.0\r\n \r\n\t\r\nA")
@example("x\r\n:\r\n::\r\nA:\x00\ud800")
def test_no_text_is_too_strange(text: str) -> None:
    found = messages.headers(text)
    for name, values in found.items():
        assert name
        assert name == name.strip()
        assert values
        assert not any("\n" in value for value in values)
    messages.tells_sdp(messages.headers(text))
    messages.request_uri(text)
    messages.first(found, "From")


@given(st.lists(st.tuples(st.sampled_from(["Via", "X-a", "t", "Subject"]), st.text('abc ;:,=<>"', max_size=9))))
def test_every_header_line_is_found_once(lines: list[tuple[str, str]]) -> None:
    text = "OPTIONS sip:a SIP/2.0\r\n" + "".join(f"{name}: {value}\r\n" for name, value in lines) + "\r\n"
    found = messages.headers(text)
    assert sorted(v for values in found.values() for v in values) == sorted(value.strip() for _, value in lines)


@pytest.mark.parametrize(
    ("line", "outbound"),
    [("Require: outbound", True), ("Require: path, Outbound", True), ("Supported: outbound", False), ("X: 1", False)],
)
def test_what_a_message_requires(line: str, outbound: bool) -> None:
    assert messages.requires(f"SIP/2.0 200 OK\r\n{line}\r\n\r\n", "outbound") == outbound
