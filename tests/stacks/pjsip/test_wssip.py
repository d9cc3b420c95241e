"""SIP text between PJSIP's TCP and a WebSocket: nothing is lost, reordered or changed but what has to be."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from softphone.stacks.pjsip.wssip import Malformed, Message, Rewriting, Stream, messages_of, read_head

HOST = "a1b2c3d4e5f6.invalid"
ROUTE = "<sip:pbx.test:7;transport=tcp;lr;hide>"
OURS = b"SIP/2.0/TCP 127.0.0.1:40123;rport;branch=z9hG4bKPj77;alias"

TOKEN = st.text("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-", min_size=1, max_size=12)
NOT_OURS = TOKEN.filter(lambda name: name.lower() not in ("v", "via", "l", "content-length", "record-route"))
VALUE = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")), max_size=60)
FOLD = st.sampled_from([b"", b"\r\n more", b"\r\n\tand more"])
BODY = st.one_of(st.just(b""), st.binary(max_size=300))
HEADER = st.builds(lambda name, value, fold: f"{name}: {value}".encode() + fold, NOT_OURS, VALUE, FOLD)
HEADERS = st.lists(HEADER, max_size=8)
START = st.sampled_from([b"INVITE sip:901@x.invalid;transport=ws SIP/2.0", b"BYE sip:a@b SIP/2.0", b"SIP/2.0 200 OK"])


def whole(start: bytes, headers: list[bytes], body: bytes, length: bytes = b"Content-Length: ") -> bytes:
    return b"\r\n".join([start, *headers, length + b"%d" % len(body), b"", body])


MESSAGES = st.lists(st.builds(whole, START, HEADERS, BODY, st.sampled_from([b"Content-Length: ", b"l:"])), max_size=4)


def via(message: Message, index: int = 0) -> bytes:
    return [bytes(header) for header in message.headers if header.name == b"via"][index]


def one(data: bytes) -> Message:
    (message,) = messages_of(data)
    return message


def rewriting() -> Rewriting:
    """After a first request of ours."""
    both = Rewriting(HOST, ROUTE)
    both.outgoing(one(whole(b"OPTIONS sip:pbx.test SIP/2.0", [b"Via: " + OURS, b"CSeq: 1 OPTIONS"], b"")))
    return both


# ---- reading


@given(MESSAGES, st.lists(st.sampled_from([b"", b"\r\n", b"\r\n\r\n"]), min_size=5, max_size=5))
def test_several_messages_of_a_frame_with_keepalives_between(messages: list[bytes], between: list[bytes]) -> None:
    frame = b"".join(gap + message for gap, message in zip(between, messages, strict=False))
    assert [bytes(message) for message in messages_of(frame)] == messages


@given(MESSAGES, st.lists(st.integers(1, 40), min_size=1, max_size=60))
def test_a_stream_in_pieces(messages: list[bytes], sizes: list[int]) -> None:
    stream, found, data = Stream(), [], b"\r\n\r\n".join([*messages, b""])
    while data:
        size = sizes[len(data) % len(sizes)]
        found += [bytes(message) for message in stream.feed(data[:size])]
        data = data[size:]
    found += [bytes(message) for message in stream.feed(b"\r\n\r\n")]
    assert found == messages
    assert stream.keepalives >= 1


@given(st.binary(max_size=400))
def test_anything_is_read_or_refused(data: bytes) -> None:
    for read in (lambda: list(messages_of(data)), lambda: list(Stream().feed(data))):
        try:
            found = read()
        except Malformed:
            continue
        for message in found:
            rewriting().incoming(message)
            rewriting().outgoing(message)


def test_without_content_length_the_frame_is_the_message() -> None:
    message = one(b"MESSAGE sip:901@x SIP/2.0\r\nTo: <sip:901@x>\r\n\r\nhello\r\n\r\nyou")
    assert message.body == b"hello\r\n\r\nyou"
    assert b"Content-Length: 12\r\n" in bytes(rewriting().incoming(message))


def test_a_body_that_is_cut_off_is_refused_and_what_came_before_is_kept() -> None:
    frame = whole(b"BYE sip:a@b SIP/2.0", [], b"") + b"INVITE sip:a@b SIP/2.0\r\nContent-Length: 9\r\n\r\nshort"
    messages = messages_of(frame)
    assert next(messages).method == b"BYE"
    with pytest.raises(Malformed, match="Content-Length is 9, and 5 bytes follow"):
        next(messages)


@pytest.mark.parametrize(
    "head",
    [
        b"GET / HTTP/1.1\r\nHost: x",
        b"INVITE sip:a@b SIP/2.0\r\nno header",
        b"INVITE sip:a@b SIP/2.0\r\nl: 1\r\nContent-Length: 2",
        b"INVITE sip:a@b SIP/2.0\r\nContent-Length: -1",
        b"INVITE sip:a@b SIP/2.0\r\nContent-Length: 99999999",
        b"SIP/2.0 20 OK",
    ],
)
def test_what_is_no_message(head: bytes) -> None:
    with pytest.raises(Malformed):
        list(messages_of(head + b"\r\n\r\n"))
    with pytest.raises(Malformed):
        list(Stream().feed(head + b"\r\n\r\n"))


def test_headers_without_end_are_refused() -> None:
    with pytest.raises(Malformed, match="no end"):
        list(Stream().feed(b"INVITE sip:a@b SIP/2.0\r\n" + b"X: y\r\n" * 20_000))


def test_bare_line_feeds_are_read() -> None:
    message = one(b"SIP/2.0 200 OK\nCSeq: 1 BYE\nl: 0\n\n")
    assert (message.method, message.body) == (b"BYE", b"")


# ---- rewriting


def test_a_request_of_ours() -> None:
    before = whole(b"REGISTER sip:pbx.test SIP/2.0", [b"Via: " + OURS, b"CSeq: 1 REGISTER"], b"")
    after = bytes(Rewriting(HOST, ROUTE).outgoing(one(before)))
    assert after == before.replace(OURS, f"SIP/2.0/WSS {HOST};branch=z9hG4bKPj77".encode())


@pytest.mark.parametrize("noted", [b"", b";received=192.0.2.1;rport=55", b";rport;received=127.0.0.1"])
@pytest.mark.parametrize("name", [b"Via", b"v", b"VIA"])
def test_its_answer_finds_home(noted: bytes, name: bytes) -> None:
    answer = name + b": SIP/2.0/WSS " + HOST.encode() + noted + b";branch=z9hG4bKPj77"
    message = rewriting().incoming(one(whole(b"SIP/2.0 200 OK", [answer, b"CSeq: 1 OPTIONS"], b"")))
    assert via(message) == name + b": SIP/2.0/TCP 127.0.0.1:40123;branch=z9hG4bKPj77"


def test_only_the_topmost_via_is_ours() -> None:
    top = b"Via: SIP / 2.0 / WSS " + HOST.encode() + b' ;x="a,b;c";branch=1, SIP/2.0/TCP ' + HOST.encode()
    message = rewriting().incoming(one(whole(b"SIP/2.0 100 Trying", [top, b"Via: SIP/2.0/WSS " + HOST.encode()], b"")))
    assert via(message) == b'Via: SIP / 2.0 / TCP 127.0.0.1:40123 ;x="a,b;c";branch=1, SIP/2.0/TCP ' + HOST.encode()
    assert via(message, 1) == b"Via: SIP/2.0/WSS " + HOST.encode()


def test_an_answer_to_somebody_else_is_left_alone() -> None:
    theirs = b"Via: SIP/2.0/WSS other.invalid;branch=1;received=192.0.2.7"
    assert via(rewriting().incoming(one(whole(b"SIP/2.0 200 OK", [theirs], b"")))) == theirs


def test_our_answer_carries_the_via_of_the_far_end_without_our_loopback() -> None:
    noted = b"Via: SIP/2.0/WSS pbx.test:443;rport=4711;received=127.0.0.1;branch=z9hG4bK1"
    message = rewriting().outgoing(one(whole(b"SIP/2.0 200 OK", [noted, b"CSeq: 1 INVITE"], b"")))
    assert via(message) == b"Via: SIP/2.0/WSS pbx.test:443;rport;branch=z9hG4bK1"


def routes(message: Message) -> list[bytes]:
    return [header.value.strip() for header in message.headers if header.name == b"record-route"]


def test_we_are_the_nearest_proxy_of_a_dialog() -> None:
    theirs = [b"Record-Route: <sip:one;lr>", b"Record-Route: <sip:two;lr>"]
    request = one(whole(b"INVITE sip:901@x SIP/2.0", theirs, b""))
    assert routes(rewriting().incoming(request)) == [ROUTE.encode(), b"<sip:one;lr>", b"<sip:two;lr>"]
    answer = one(whole(b"SIP/2.0 180 Ringing", [*theirs, b"CSeq: 1 INVITE"], b""))
    assert routes(rewriting().incoming(answer)) == [b"<sip:one;lr>", b"<sip:two;lr>", ROUTE.encode()]
    for start, cseq in ((b"SIP/2.0 200 OK", b"1 REGISTER"), (b"SIP/2.0 486 Busy Here", b"1 INVITE")):
        assert not routes(rewriting().incoming(one(whole(start, [b"CSeq: " + cseq], b""))))


@given(START, HEADERS, BODY, st.booleans())
def test_all_else_is_as_it_was(start: bytes, headers: list[bytes], body: bytes, out: bool) -> None:
    before = one(whole(start, [b"Via: " + OURS, *headers], body))
    kept = [bytes(header) for header in before.headers if header.name != b"via"]
    after = rewriting().outgoing(before) if out else rewriting().incoming(before)
    assert (after.start, after.body) == (start, body)
    assert [bytes(h) for h in after.headers if h.name not in (b"via", b"record-route")] == kept


@given(st.lists(st.tuples(TOKEN, st.sampled_from(["", "=1", '="a;b,c"', '="\\""'])), max_size=5))
def test_the_parameters_of_a_via_survive_the_way_there_and_back(found: list[tuple[str, str]]) -> None:
    params = "".join(f";{n}{v}" for n, v in found if n.lower() not in ("rport", "alias", "received")).encode()
    both = Rewriting(HOST, ROUTE)
    sent = both.outgoing(one(whole(b"BYE sip:a SIP/2.0", [b"Via: SIP/2.0/TCP 127.0.0.1:9" + params], b"")))
    back = whole(b"SIP/2.0 200 OK", [via(sent)], b"")
    assert via(both.incoming(one(back))) == b"Via: SIP/2.0/TCP 127.0.0.1:9" + params


def test_what_is_told_in_a_log() -> None:
    assert read_head(b"INVITE sip:secret@pbx SIP/2.0").title == "INVITE"
    assert read_head(b"SIP/2.0 404 Secret\r\nCSeq: 3 INVITE").title == "404 to INVITE"
