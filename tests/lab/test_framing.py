"""Streams cut into messages, however the bytes come."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from softphone.lab.sip.framing import FramingError, Ping, StreamFramer

ONE = b"OPTIONS sip:a SIP/2.0\r\nContent-Length: 5\r\n\r\nhello"
TWO = b"SIP/2.0 200 OK\r\nl: 0\r\n\r\n"


def test_messages_pings_and_stray_line_ends() -> None:
    stream = b"\r\n" + ONE + b"\r\n\r\n" + TWO + b"\r\n\r\n" + b"\r\n" + ONE
    frames = list(StreamFramer().feed(stream))
    assert frames == [ONE, Ping(), TWO, Ping(), ONE]


@given(st.lists(st.integers(1, 20), max_size=60))
def test_the_cuts_between_reads_do_not_matter(cuts: list[int]) -> None:
    stream = ONE + b"\r\n\r\n" + TWO + ONE
    framer, frames, position = StreamFramer(), [], 0
    for cut in [*cuts, len(stream)]:
        frames += framer.feed(stream[position : position + cut])
        position += cut
    assert frames == [ONE, Ping(), TWO, ONE]


@pytest.mark.parametrize(
    "stream",
    [
        b"OPTIONS sip:a SIP/2.0\r\nFrom: b\r\n\r\n",
        b"OPTIONS sip:a SIP/2.0\r\nContent-Length: minus\r\n\r\n",
        b"OPTIONS sip:a SIP/2.0\r\nContent-Length: 99999999\r\n\r\n",
        b"x" * 40_000,
    ],
)
def test_a_stream_without_an_end_is_given_up(stream: bytes) -> None:
    with pytest.raises(FramingError):
        list(StreamFramer().feed(stream))


@given(st.lists(st.binary(max_size=200)))
def test_any_bytes_are_framed_or_a_framing_error(chunks: list[bytes]) -> None:
    framer = StreamFramer()
    try:
        for chunk in chunks:
            list(framer.feed(chunk))
    except FramingError:
        return
