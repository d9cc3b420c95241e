"""Encrypted calls with Asterisk: each suite that it has by SDES, and DTLS-SRTP both ways. It tells whether its side is
encrypted (`CHANNEL(rtp,secure,audio)`), and its echo proves that it can read us."""

import pytest

from softphone.testing.audio import speech_like
from tests.interop.peers.asterisk import numbers
from tests.interop.peers.asterisk.server import Asterisk
from tests.interop.phone import Phone, Phones, sounds_like

PROMPT = speech_like(2)
SUITES = (
    "AES_256_CM_HMAC_SHA1_80",
    "AES_256_CM_HMAC_SHA1_32",
    "AES_CM_128_HMAC_SHA1_80",
    "AES_CM_128_HMAC_SHA1_32",
    "AEAD_AES_256_GCM",
    "AEAD_AES_128_GCM",
)


def check(asterisk: Asterisk, phone: Phone, call: str, keying: str, suite: str) -> None:
    """An echo by an encrypted call."""
    assert asterisk.wait_for("Media")[-1]["Secure"] == "1"
    view = phone.control.call(call)
    assert (view["srtp_keying"], view["srtp"]) == (keying, suite)
    assert sounds_like(PROMPT, phone.hears(call, PROMPT))
    phone.hung_up(call)


@pytest.mark.parametrize("suite", SUITES)
def test_every_suite_by_sdes(asterisk: Asterisk, phones: Phones, suite: str) -> None:
    with phones.provisioned("911", codecs=["pcmu"], srtp="mandatory", srtp_suites=[suite]) as phone:
        phone.registered("911")
        check(asterisk, phone, phone.connected(numbers.ECHO), "sdes", suite)


def test_dtls_offered_by_the_phone(asterisk: Asterisk, phones: Phones) -> None:
    with phones.provisioned("920", codecs=["pcmu"], srtp="mandatory", srtp_keying="dtls") as phone:
        phone.registered("920")
        check(asterisk, phone, phone.connected(numbers.ECHO), "dtls", "AES_CM_128_HMAC_SHA1_80")


def test_dtls_offered_by_the_pbx(asterisk: Asterisk, phones: Phones) -> None:
    """The account's own offers would be SDES."""
    with phones.provisioned("920", codecs=["pcmu"], srtp="mandatory") as phone:
        phone.registered("920")
        asterisk.originate("920", numbers.ECHO)
        call = phone.told("call.incoming")["call"]
        phone.control.answer(call)
        phone.told("call.media", call=call, active=True)
        check(asterisk, phone, call, "dtls", "AES_CM_128_HMAC_SHA1_80")
