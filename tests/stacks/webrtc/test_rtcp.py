"""RTCP reports, ours judged by aiortc's parser, and theirs made by it."""

from __future__ import annotations

import struct

import pytest
from aiortc.rtp import RtcpByePacket, RtcpPacket, RtcpReceiverInfo, RtcpRrPacket, RtcpSdesPacket, RtcpSrPacket
from hypothesis import given
from hypothesis import strategies as st

from softphone.media.voice import VoiceClock, VoiceFigures
from softphone.stacks.webrtc.rtcp import Reports, is_rtcp, ntp_now

CLOCK = VoiceClock(rtp_time=48_000, age_s=0.5, highest=65_600, lost=10, expected=200, jitter=96, ssrc=77)
FIGURES = VoiceFigures(tx_packets=50, tx_bytes=4000)


def reports() -> Reports:
    return Reports(4242, "name", 48_000)


def test_our_report_is_what_others_read() -> None:
    packet = reports().compound(CLOCK, FIGURES, ntp_now())
    assert is_rtcp(packet)
    sender, words = RtcpPacket.parse(packet)
    assert isinstance(sender, RtcpSrPacket)
    assert isinstance(words, RtcpSdesPacket)
    assert (sender.ssrc, sender.sender_info.rtp_timestamp) == (4242, 48_000 + 24_000)
    assert (sender.sender_info.packet_count, sender.sender_info.octet_count) == (50, 4000)
    [block] = sender.reports
    assert (block.ssrc, block.packets_lost, block.highest_sequence, block.jitter) == (77, 10, 65_600, 96)
    assert block.fraction_lost == 10 * 256 // 200
    assert words.chunks[0].items == [(1, b"name")]


def test_the_fraction_is_of_the_time_since_the_report_before() -> None:
    ours = reports()
    ours.compound(CLOCK, FIGURES, ntp_now())
    later = VoiceClock(rtp_time=0, age_s=0, highest=65_700, lost=10, expected=300, jitter=0, ssrc=77)
    [sender, _] = RtcpPacket.parse(ours.compound(later, FIGURES, ntp_now()))
    assert sender.reports[0].fraction_lost == 0  # type: ignore[union-attr]


def test_before_anything_was_sent_or_heard() -> None:
    silent = VoiceClock(rtp_time=0, age_s=0, highest=0, lost=0, expected=0, jitter=0, ssrc=None)
    [receiver, _] = RtcpPacket.parse(reports().compound(silent, VoiceFigures(), ntp_now()))
    assert isinstance(receiver, RtcpRrPacket)
    assert receiver.reports == []


def test_goodbye() -> None:
    *_, bye = RtcpPacket.parse(reports().goodbye())
    assert isinstance(bye, RtcpByePacket)
    assert bye.sources == [4242]


def test_what_the_other_side_says_of_our_sound() -> None:
    ours = reports()
    middle = (ntp_now() >> 16) & 0xFFFFFFFF
    block = RtcpReceiverInfo(
        ssrc=4242,
        fraction_lost=64,
        packets_lost=12,
        highest_sequence=900,
        jitter=480,
        lsr=(middle - (3 << 16)) & 0xFFFFFFFF,
        dlsr=2 << 16,
    )
    ours.take(bytes(RtcpRrPacket(ssrc=77, reports=[block])))
    assert (ours.received, ours.loss_percent, ours.jitter_ms) == (1, 25.0, 10.0)
    assert ours.rtt_ms == pytest.approx(1000, abs=200)
    other = RtcpReceiverInfo(ssrc=1, fraction_lost=255, packets_lost=1, highest_sequence=1, jitter=1, lsr=0, dlsr=0)
    ours.take(bytes(RtcpRrPacket(ssrc=77, reports=[other])))
    assert ours.loss_percent == 25.0  # it was not of our stream


def test_a_sender_report_is_told_back_with_its_delay() -> None:
    ours = reports()
    sender = RtcpSrPacket(ssrc=77, sender_info=_info(ntp=0x1111222233334444))
    ours.take(bytes(sender))
    [report, _] = RtcpPacket.parse(ours.compound(CLOCK, FIGURES, ntp_now()))
    assert report.reports[0].lsr == 0x22223333  # type: ignore[union-attr]


def _info(ntp: int) -> object:
    from aiortc.rtp import RtcpSenderInfo

    return RtcpSenderInfo(ntp_timestamp=ntp, rtp_timestamp=0, packet_count=0, octet_count=0)


@given(st.binary(max_size=200))
def test_no_packet_is_too_broken(rubbish: bytes) -> None:
    ours = reports()
    ours.take(rubbish)
    ours.take(struct.pack("!BBH", 0x9F, 200, 10) + rubbish)
