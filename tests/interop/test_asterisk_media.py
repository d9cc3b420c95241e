"""Encrypted calls with Asterisk, both ways, and what becomes of those that it has another opinion about.

Debian builds Asterisk without its options ENABLE_SRTP_AES_256 and ENABLE_SRTP_AES_GCM: it knows AES-128 alone.
"""

from __future__ import annotations

import time
from typing import Any

import pytest

from softphone.testing.audio import read_wav, speech_like
from tests.interop.peers.asterisk import numbers
from tests.interop.peers.asterisk.server import Asterisk
from tests.interop.phone import Phone, Phones, sounds_like

ANSWER = [{"from": "*", "action": "answer"}]
AES_128 = "AES_CM_128_HMAC_SHA1_80"
AES_256 = "AES_256_CM_HMAC_SHA1_80"
DTLS = ("923", "924")  # RTP and RTCP on a port each, and on one
PROMPT = speech_like(2, seed=1)


def call_of(phone: Phone, extension: str, way: str, asterisk: Asterisk) -> str:
    """A call to the echo (way `out`), or from it (`in`), with media."""
    account = f"{extension}@{numbers.DOMAIN}"
    if way == "out":
        return phone.connected(numbers.ECHO, account)
    asterisk.originate(extension, numbers.ECHO)
    call = phone.told("call.answered", account=account)["call"]
    phone.told("call.media", call=call, active=True)
    return str(call)


def assert_the_echo_is_heard(phone: Phone, *calls: str) -> None:
    """All calls at once, which takes no longer than one."""
    files = [phone.records(call) for call in calls]
    for call in calls:
        phone.says(call, PROMPT, waits=call == calls[-1])
    time.sleep(1)  # the sound's way there and back, jitter buffers included
    for call, file in zip(calls, files, strict=True):
        phone.control.stop_record(call)
        assert sounds_like(PROMPT, read_wav(file, channel=0)), call


def protection(phone: Phone, call: str) -> tuple[Any, Any]:
    view = phone.control.call(call)
    return view["srtp_keying"], view["srtp"]


@pytest.mark.parametrize("way", ["out", "in"])
def test_dtls_is_heard(asterisk: Asterisk, phones: Phones, way: str) -> None:
    with phones.provisioned(*DTLS, srtp="mandatory", srtp_keying="dtls", incoming=ANSWER, codecs=["pcma"]) as phone:
        phone.registered(*DTLS)
        calls = [call_of(phone, extension, way, asterisk) for extension in DTLS]
        assert [protection(phone, call) for call in calls] == [("dtls", AES_128)] * 2
        channels = {event["Channel"] for event in asterisk.wait_for("Media", count=2, Secure="1")}
        assert sorted(channel[6:9] for channel in channels) == list(DTLS)
        assert_the_echo_is_heard(phone, *calls)
        for channel in channels:  # it could read what we report
            asterisk.wait_for("RTCPReceived", Channel=channel)


def test_sdes_agrees_on_what_both_know(asterisk: Asterisk, phones: Phones) -> None:
    with phones.provisioned("911", srtp="mandatory", srtp_suites=[AES_256, AES_128], codecs=["pcma"]) as phone:
        phone.registered("911")
        call = phone.connected(numbers.ECHO)
        assert protection(phone, call) == ("sdes", AES_128)
        asterisk.wait_for("Media", Caller="911", Secure="1")
        assert_the_echo_is_heard(phone, call)


def test_a_suite_that_the_pbx_does_not_know(asterisk: Asterisk, phones: Phones) -> None:
    with phones.provisioned("911", srtp="mandatory", srtp_suites=[AES_256]) as phone:
        phone.registered("911")
        ended = phone.ended(phone.dial(numbers.ECHO))
        assert (ended["reason"], ended["code"]) == ("no_common_media", 488)


@pytest.mark.parametrize(("extension", "keying"), [("911", "sdes"), ("924", "dtls")])
def test_preferred_and_off(asterisk: Asterisk, phones: Phones, extension: str, keying: str) -> None:
    """What is preferred is had where the PBX has it; without any, a PBX that insists is not reached, nor reaches us."""
    with phones.provisioned(extension, srtp="prefer", srtp_keying=keying, codecs=["pcma"]) as phone:
        phone.registered(extension)
        call = phone.connected(numbers.ECHO)
        assert protection(phone, call) == (keying, AES_128)
        asterisk.wait_for("Media", Caller=extension, Secure="1")
        assert not phone.all("call.unencrypted")
    with phones.provisioned(extension, srtp="off") as phone:
        phone.registered(extension)
        ended = phone.ended(phone.dial(numbers.ECHO))
        assert (ended["reason"], ended["code"]) == ("no_common_media", 488)
        asterisk.originate(extension, numbers.ECHO)
        asterisk.wait_for("OriginateResponse", Response="Failure")
        assert not phone.all("call.answered")
