"""G.711, RTP, telephone-events, SRTP, RTCP: the standards' own vectors, another implementation, and damage."""

from __future__ import annotations

import fractions
import struct

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from softphone.lab.media import dtmf, g711, rtcp
from softphone.lab.media.rtp import RtpPacket
from softphone.lab.media.srtp import SdesKey, SrtpContext, SrtpError, derive

SUITE = "AES_CM_128_HMAC_SHA1_80"
MASTER = bytes.fromhex("E1F97A0D3E018BE0D64FA32C06DE41390EC675AD498AFEEBB6960B3AABE6")


@pytest.mark.parametrize(("codec", "other"), [("PCMU", "pcm_mulaw"), ("PCMA", "pcm_alaw")])
def test_g711_is_what_ffmpeg_makes(codec: str, other: str) -> None:
    samples = np.arange(-32768, 32768, dtype=np.int16)
    context = av.CodecContext.create(other, "w")
    context.sample_rate, context.layout, context.format = 8000, "mono", "s16"  # type: ignore[attr-defined]
    context.time_base = fractions.Fraction(1, 8000)
    frame = av.AudioFrame.from_ndarray(samples.reshape(1, -1), format="s16", layout="mono")
    frame.sample_rate = 8000
    theirs = b"".join(bytes(packet) for packet in [*context.encode(frame), *context.encode(None)])
    ours = g711.encode(codec, tuple(samples.tolist()))
    back = av.CodecContext.create(other, "r")
    back.sample_rate, back.layout = 8000, "mono"  # type: ignore[attr-defined]
    decoded = {}
    for name, data in (("ours", ours), ("theirs", theirs)):
        frames = back.decode(av.Packet(data))
        decoded[name] = np.concatenate([each.to_ndarray().reshape(-1) for each in frames]).astype(int)
    assert len(ours) == len(theirs) == 65536
    # ffmpeg rounds to the nearest step, the standard's own way cuts: never more than one step apart
    step = np.maximum(16, np.abs(decoded["theirs"]) // 8)
    assert np.all(np.abs(decoded["ours"] - decoded["theirs"]) <= step)


def test_rtp_round_trip_and_extras() -> None:
    packet = RtpPacket(111, 65535, 4294967295, 7, b"sound", marker=True)
    assert RtpPacket.parse(bytes(packet)) == packet
    extended = b"\xb1" + bytes(packet)[1:12] + b"\0\0\0\1" + b"\xbe\xde\0\1" + b"ext!" + b"sound" + b"\0\0\3"
    assert RtpPacket.parse(extended).payload == b"sound"


@given(st.binary(max_size=64))
def test_any_datagram_is_rtp_or_a_value_error(data: bytes) -> None:
    for parse in (RtpPacket.parse, dtmf.TelephoneEvent.parse, lambda d: list(rtcp.split_compound(d))):
        try:
            parse(data)
        except ValueError:
            continue


def test_srtp_key_derivation_of_rfc3711_appendix_b3() -> None:
    assert derive(MASTER[:16], MASTER[16:], 0, 16).hex().upper() == "C61E7A93744F39EE10734AFE3FF7A087"
    assert derive(MASTER[:16], MASTER[16:], 2, 14).hex().upper() == "30CBBC08863D8C85D49DB34A9AE1"
    assert derive(MASTER[:16], MASTER[16:], 1, 20).hex().upper() == "CEBE321F6FF7716B6FD4AB49AF256A156D38BAA4"


def test_keystream_of_rfc3711_appendix_b2() -> None:
    # the appendix names the session key itself, so a packet of zeros shows the keystream
    context = SrtpContext(SdesKey(1, SUITE, MASTER))
    context._key = bytes.fromhex("2B7E151628AED2A6ABF7158809CF4F3C")
    context._salt = bytes.fromhex("F0F1F2F3F4F5F6F7F8F9FAFBFCFD")
    packet = bytes(RtpPacket(0, 0, 0, 0, bytes(48)))
    assert context.protect(packet)[12:60].hex().upper() == (
        "E03EAD0935C95E80E166B16DD92B4EB4D23513162B02D0F72A43A2FE4A5F97AB41E95B3BB0A2E8DD477901E4FCA894C0"
    )


def test_srtp_vector_of_libsrtp() -> None:
    plain = bytes.fromhex("800f1234decafbadcafebabe" + "ab" * 16)
    secret = bytes.fromhex("800f1234decafbadcafebabe4e55dc4ce79978d88ca4d215949d2402b78d6acc99ea179b8dbb")
    assert SrtpContext(SdesKey(1, SUITE, MASTER)).protect(plain) == secret
    assert SrtpContext(SdesKey(1, SUITE, MASTER)).unprotect(secret) == plain


def test_srtcp_vector_of_libsrtp() -> None:
    plain = bytes.fromhex("81c8000bcafebabe" + "ab" * 16)
    secret = bytes.fromhex("81c8000bcafebabe7128035be487b9bdbef89041f977a5a880000001993e08cd54d6c1230798")
    assert SrtpContext(SdesKey(1, SUITE, MASTER)).protect_rtcp(plain) == secret
    assert SrtpContext(SdesKey(1, SUITE, MASTER)).unprotect_rtcp(secret) == plain


@pytest.mark.parametrize("suite", [SUITE, "AES_CM_128_HMAC_SHA1_32"])
def test_srtp_over_the_roll_of_the_sequence_with_loss_and_disorder(suite: str) -> None:
    sender, receiver = (SrtpContext(SdesKey(1, suite, MASTER)) for _ in range(2))
    packets = [bytes(RtpPacket(0, n & 0xFFFF, n, 5, b"%d" % n)) for n in range(65_500, 65_600)]
    secret = [sender.protect(each) for each in packets]
    order = [*range(0, 30), 32, 31, 33, *range(40, 100)]
    for n in order:
        assert receiver.unprotect(secret[n]) == packets[n]
    for n in (99, 95, 31):
        with pytest.raises(SrtpError):
            receiver.unprotect(secret[n])


def test_forged_srtp_is_refused() -> None:
    secret = bytearray(SrtpContext(SdesKey(1, SUITE, MASTER)).protect(bytes(RtpPacket(0, 1, 1, 1, b"x" * 20))))
    secret[14] ^= 1
    with pytest.raises(SrtpError):
        SrtpContext(SdesKey(1, SUITE, MASTER)).unprotect(bytes(secret))


@given(st.binary(max_size=80))
def test_any_datagram_is_refused_without_the_key(data: bytes) -> None:
    context = SrtpContext(SdesKey(1, SUITE, MASTER))
    for unprotect in (context.unprotect, context.unprotect_rtcp):
        with pytest.raises(SrtpError):
            unprotect(data)


def test_sdes_lines() -> None:
    key = SdesKey.new(SUITE, 3)
    assert SdesKey.parse(str(key)) == key
    assert key.master.hex() not in repr(key)
    assert SdesKey.parse(f"{key}|2^31|1:1") == key
    for value in ("", "1 AEAD_AES_128_GCM inline:AAAA", f"1 {SUITE} inline:AAAA", f"{key} KDR=1", "x y z"):
        assert SdesKey.parse(value) is None


def test_digits_become_packets_and_packets_digits() -> None:
    heard: list[tuple[str, int]] = []
    receiver = dtmf.DigitReceiver(8000, lambda digit, duration_ms: heard.append((digit, duration_ms)))
    for stamp, digit in enumerate("0*#A"):
        for event in dtmf.packets_of(digit, duration_ms=100, clock_hz=8000, ptime_ms=20):
            receiver.receive(RtpPacket(101, 0, stamp * 2000, 1, bytes(event)))
    assert heard == [("0", 100), ("*", 100), ("#", 100), ("A", 100)]
    with pytest.raises(ValueError, match="substring"):
        list(dtmf.packets_of("x", duration_ms=100, clock_hz=8000, ptime_ms=20))


def test_a_flash_is_no_digit() -> None:
    heard: list[str] = []
    receiver = dtmf.DigitReceiver(8000, lambda digit, _: heard.append(digit))
    receiver.receive(RtpPacket(101, 0, 5, 1, bytes(dtmf.TelephoneEvent(16, True, 800))))
    assert heard == []


@pytest.mark.parametrize(
    ("kind", "body", "found"),
    [
        ("application/dtmf-relay", b"Signal=5\r\nDuration=160\r\n", ("5", 160)),
        ("Application/DTMF-Relay; x=y", b"signal = *\n", ("*", 0)),
        ("application/dtmf", b"d", ("D", 0)),
        ("application/dtmf-relay", b"Signal=55", None),
        ("application/dtmf", b"12", None),
        ("text/plain", b"Signal=5", None),
    ],
)
def test_info_bodies(kind: str, body: bytes, found: tuple[str, int] | None) -> None:
    assert dtmf.parse_info(kind, body) == found


def test_rtcp_counts_loss_over_the_roll_of_the_sequence_and_jitter() -> None:
    now = [0.0]
    reporter = rtcp.RtcpReporter(9, clock=lambda: now[0])
    for n in range(100):
        if n % 10 != 5:
            reporter.received_rtp(7, (65_500 + n) & 0xFFFF, n * 160, 8000)
        now[0] += 0.02
    assert reporter.lost == 10
    report = reporter.report(timestamp=1, packets=0, octets=0)
    assert report[1] == 201
    ssrc, loss, highest, jitter, last, _ = struct.unpack_from("!IIIIII", report, 8)
    assert (ssrc, loss & 0xFFFFFF, highest, last) == (7, 10, 65_599, 0)
    assert loss >> 24 == 10 * 256 // 100
    assert jitter <= 1
    kinds = [kind for kind, _ in rtcp.split_compound(reporter.goodbye())]
    assert kinds == [201, 202, 203]
