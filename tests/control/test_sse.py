"""The reading side of Server-Sent Events, without a network."""

from __future__ import annotations

import pytest

from softphone.control.sse import Frame, FrameReader

WIRE = 'retry: 1000\n\nid: b-1\nevent: call.digit\ndata: {"digit":"é"}\n\n: heartbeat\nid: b-5\n\n'.encode()


@pytest.mark.parametrize("size", [1, 2, 7, 1000])
def test_frames_come_out_whole_however_the_bytes_come_in(size: int) -> None:
    reader = FrameReader()
    frames = [f for at in range(0, len(WIRE), size) for f in reader.feed(WIRE[at : at + size])]
    assert frames == [Frame("", "", ""), Frame("b-1", "call.digit", '{"digit":"é"}'), Frame("b-5", "", "")]
    assert reader.last_id == "b-5"


def test_half_a_frame_is_forgotten_with_its_connection_and_the_id_is_not() -> None:
    reader = FrameReader("b-1")
    assert list(reader.feed(b'id: b-2\nevent: call.digit\ndata: {"di')) == []
    reader.forget_partial()
    assert reader.last_id == "b-1"
    assert list(reader.feed(b"id: b-2\ndata: 1\ndata: 2\n\n")) == [Frame("b-2", "", "1\n2")]
