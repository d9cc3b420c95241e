"""SRTP in all suites, judged by libsrtp; the STUN of ICE lite, judged by aioice; broken datagrams."""

from __future__ import annotations

import os
import struct

import pytest
from aioice import stun
from hypothesis import given
from hypothesis import strategies as st
from pylibsrtp import Policy, Session

from softphone.lab.media.ice import Credentials, answer_check
from softphone.lab.media.srtp import SUITES, SdesKey, SrtpContext, SrtpError

PROFILES = {
    "AES_CM_128_HMAC_SHA1_80": Policy.SRTP_PROFILE_AES128_CM_SHA1_80,
    "AES_CM_128_HMAC_SHA1_32": Policy.SRTP_PROFILE_AES128_CM_SHA1_32,
    "AEAD_AES_128_GCM": Policy.SRTP_PROFILE_AEAD_AES_128_GCM,
    "AEAD_AES_256_GCM": Policy.SRTP_PROFILE_AEAD_AES_256_GCM,
}
LOCAL = Credentials("ours", "our-password-of-22-chars")


@pytest.mark.parametrize("suite", PROFILES)
def test_libsrtp_reads_what_we_write_and_we_read_what_it_writes(suite: str) -> None:
    key = SdesKey.new(suite)
    theirs, ours = (
        Session(Policy(key=key.master, ssrc_type=direction, srtp_profile=PROFILES[suite]))
        for direction in (Policy.SSRC_ANY_OUTBOUND, Policy.SSRC_ANY_INBOUND)
    )
    sender, receiver = SrtpContext(key), SrtpContext(key)
    for sequence in (65534, 65535, 0, 1):  # over the rollover
        packet = struct.pack("!BBHII", 0x80, 0, sequence, 5, 77) + os.urandom(160)
        assert receiver.unprotect(theirs.protect(packet)) == packet
        assert ours.unprotect(sender.protect(packet)) == packet
        report = struct.pack("!BBHI", 0x80, 200, 6, 77) + os.urandom(20)
        assert receiver.unprotect_rtcp(theirs.protect_rtcp(report)) == report
        assert ours.unprotect_rtcp(sender.protect_rtcp(report)) == report


@pytest.mark.parametrize("suite", SUITES)
def test_every_suite_refuses_the_forged_and_the_repeated(suite: str) -> None:
    key = SdesKey.new(suite)
    assert SdesKey.parse(str(key)) == key
    sender, receiver = SrtpContext(key), SrtpContext(key)
    packet = sender.protect(struct.pack("!BBHII", 0x80, 0, 9, 5, 77) + b"sound")
    report = sender.protect_rtcp(struct.pack("!BBHI", 0x80, 200, 6, 77) + bytes(20))
    for data, read in ((packet, receiver.unprotect), (report, receiver.unprotect_rtcp)):
        with pytest.raises(SrtpError):
            read(data[:-6] + bytes([data[-6] ^ 1]) + data[-5:])
        read(data)
        with pytest.raises(SrtpError):
            read(data)


def check(username: str = "ours:theirs", password: str = LOCAL.password, *, use: bool = True) -> bytes:
    message = stun.Message(message_method=stun.Method.BINDING, message_class=stun.Class.REQUEST)
    message.attributes["USERNAME"] = username
    message.attributes["PRIORITY"] = 1
    message.attributes["ICE-CONTROLLING"] = 7
    if use:
        message.attributes["USE-CANDIDATE"] = None
    message.add_message_integrity(password.encode())
    return bytes(message)


@pytest.mark.parametrize("source", [("192.0.2.7", 4242), ("2001:db8::7", 4242)])
def test_a_good_check_is_answered(source: tuple[str, int]) -> None:
    checked = answer_check(check(), source, LOCAL)
    assert checked is not None
    assert checked.nominated
    answer = stun.parse_message(checked.answer)
    assert answer.check_message_integrity(LOCAL.password.encode())
    assert answer.message_class is stun.Class.RESPONSE
    assert answer.attributes["XOR-MAPPED-ADDRESS"] == source
    plain = answer_check(check(use=False), source, LOCAL)
    assert plain is not None
    assert not plain.nominated


def test_checks_of_strangers_get_no_answer() -> None:
    for data in (check("else:theirs"), check(password="wrong"), b"", check()[:-4], bytes(20)):
        assert answer_check(data, ("192.0.2.7", 1), LOCAL) is None


@given(st.binary(max_size=200), st.integers(0, 130))
def test_any_datagram_is_survived(data: bytes, cut: int) -> None:
    answer_check(data, ("192.0.2.7", 1), LOCAL)
    answer_check(check()[:cut] + data, ("192.0.2.7", 1), LOCAL)
