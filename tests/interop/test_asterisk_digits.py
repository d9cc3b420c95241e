"""Digits by every method, and calls answered by a header, with Asterisk 22 as the other side and the judge."""

from __future__ import annotations

import pytest

from tests.interop.peers.asterisk import numbers
from tests.interop.peers.asterisk.server import Asterisk
from tests.interop.phone import Phones

ALL_DIGITS = "1234567890*#ABCD"
METHODS = [("901", "rfc4733"), ("915", "info"), ("919", "inband")]


@pytest.mark.parametrize(("extension", "method"), METHODS)
def test_asterisk_reads_what_we_send(asterisk: Asterisk, phones: Phones, extension: str, method: str) -> None:
    with phones.provisioned(extension, dtmf_detect="on") as phone:
        phone.registered(extension)
        call = phone.connected(numbers.DTMF_READ_BACK)
        phone.control.send_digits(call, "1590*D#", method=method, duration_ms=120, pause_ms=120)
        assert phone.told("call.digits_sent", call=call)["method"] == method
        (read,) = asterisk.wait_for("Digits")
        assert (read["Digits"], read["Status"]) == ("1590*D", "OK")
        phone.ended(call)
        back = phone.all("call.digit", call=call)
        assert "".join(event["digit"] for event in back) == "1590*D"
        assert {event["method"] for event in back} == {method}


@pytest.mark.parametrize(("extension", "method"), METHODS)
def test_we_hear_all_that_asterisk_sends(asterisk: Asterisk, phones: Phones, extension: str, method: str) -> None:
    """With `dtmf_detect: auto` the sound is searched only where Asterisk offers no events; each digit comes once."""
    with phones.provisioned(extension) as phone:
        phone.registered(extension)
        call = phone.connected(numbers.DTMF_SEND)
        phone.ended(call)
        heard = phone.all("call.digit", call=call)
        assert "".join(event["digit"] for event in heard) == ALL_DIGITS
        assert {event["method"] for event in heard} == {method}
        assert [event["duration_ms"] for event in heard] == pytest.approx(
            [140] * 16, abs=65
        )  # Asterisk stops sending between
        # digits sent as sound: lost packets are made up for, and lengthen them


@pytest.mark.parametrize(("extension", "method"), [("901", "rfc4733"), ("915", "info"), ("919", "info")])
def test_the_automatic_choice_reaches_asterisk(asterisk: Asterisk, phones: Phones, extension: str, method: str) -> None:
    """Asterisk allows INFO on every line, and takes digits by it whatever the line's own method is."""
    with phones.provisioned(extension) as phone:
        phone.registered(extension)
        call = phone.connected(numbers.DTMF_READ_BACK)
        phone.control.send_digits(call, "2580#")
        assert phone.told("call.digits_sent", call=call)["method"] == method
        (read,) = asterisk.wait_for("Digits")
        assert read["Digits"] == "2580"
        phone.hung_up(call)


def test_a_pin_is_collected_from_a_caller_behind_asterisk(asterisk: Asterisk, phones: Phones) -> None:
    answers = [{"from": "*", "action": "answer"}]
    with phones.provisioned("901", "902", incoming=answers) as phone:
        phone.registered("901", "902")
        caller = phone.connected("902", "901")
        called = phone.told("call.incoming")["call"]
        started = phone.control.start_collect(called, max_digits=8)
        phone.control.send_digits(caller, "4711#")
        told = phone.told("digits.collected", collect=started["id"])
        assert (told["digits"], told["reason"]) == ("4711", "terminator")
        phone.hung_up(caller)


def test_an_intercom_call_is_answered(asterisk: Asterisk, phones: Phones) -> None:
    with phones.provisioned("901", "902", incoming=[{"from": "901", "action": "answer_if_asked"}]) as phone:
        phone.registered("901", "902")
        call = phone.connected(numbers.INTERCOM + "902", "901")
        assert phone.told("call.auto_answer")["why"] == "asked"
        assert phone.told("call.incoming")["headers"]["Call-Info"] == ["<sip:pbx.test>;answer-after=0"]
        phone.hung_up(call)
        plain = phone.dial("902", "901")
        phone.told("call.incoming", count=2)
        phone.told("call.progress", call=plain, code=180)
        assert len(phone.all("call.auto_answer")) == 1
        phone.hung_up(plain)
