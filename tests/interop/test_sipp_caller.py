"""SIPp calls the phone at the contact that it registered with Asterisk."""

from typing import Any

import numpy as np
import pytest

from softphone.media.dtmf import FREQUENCIES_HZ
from softphone.testing.audio import Sound, heard_share, silence, speech_like, tone
from tests.interop.peers.asterisk.server import Asterisk
from tests.interop.peers.rtp import RtpEnd
from tests.interop.peers.sipp import caller
from tests.interop.peers.sipp.run import Sipp, SippRun
from tests.interop.peers.sipp.scenario import Scenario
from tests.interop.phone import Phone, Phones, sounds_like

PROMPT = speech_like(2)
ANSWER = [{"from": "*", "action": "answer"}]
ANSWER_SOON = [{"from": "*", "action": "answer", "after_s": 1}]


class Line:
    """A phone that has registered by UDP, and SIPp that calls it."""

    def __init__(self, asterisk: Asterisk, sipp: Sipp, phone: Phone) -> None:
        self.phone = phone
        self._sipp = sipp
        phone.registered("901")
        (contact,) = asterisk.registrations()
        self._contact = contact.uri
        self._port = int(contact.via.rpartition(":")[2])

    def call(self, scenario: Scenario, **options: Any) -> SippRun:
        return self._sipp.start(scenario, self._port, target=self._contact, callee="901", **options)


def test_a_call_with_sound_both_ways(asterisk: Asterisk, phones: Phones, sipp: Sipp, rtp: RtpEnd) -> None:
    with phones.provisioned("901", transport="udp", incoming=ANSWER) as phone:
        run = Line(asterisk, sipp, phone).call(caller.CALL, pause_s=4, rtp_port=rtp.port)
        incoming = phone.told("call.incoming")
        assert (incoming["caller"], incoming["caller_name"]) == ("sip:700@pbx.test", "SIPp")
        call = incoming["call"]
        phone.told("call.media", call=call, active=True)
        file = phone.records(call)
        phone.says(call, PROMPT, waits=False)
        rtp.play(run.remote_media(), speech_like(2, seed=2)).join()
        ended = phone.ended(call)
        assert (ended["reason"], ended["by"], ended["phase"]) == ("remote_hangup", "remote", "active")
        run.wait()
        assert sounds_like(PROMPT, rtp.heard())
        assert sounds_like(speech_like(2, seed=2), phone.heard_in(file))


def test_the_phone_ends_the_call(asterisk: Asterisk, phones: Phones, sipp: Sipp) -> None:
    with phones.provisioned("901", transport="udp", incoming=ANSWER) as phone:
        run = Line(asterisk, sipp, phone).call(caller.CALL_ENDED_BY_PHONE)
        call = phone.told("call.answered")["call"]
        run.wait_for("SIP/2.0 200")
        assert phone.hung_up(call)["by"] == "local"
        run.wait()


def test_a_late_offer(asterisk: Asterisk, phones: Phones, sipp: Sipp, rtp: RtpEnd) -> None:
    """The phone's 200 is the offer with all its codecs; the caller picks one in its ACK."""
    with phones.provisioned("901", transport="udp", incoming=ANSWER) as phone:
        run = Line(asterisk, sipp, phone).call(caller.LATE_OFFER, pause_s=3.5, rtp_port=rtp.port)
        call = phone.told("call.media", active=True)["call"]
        offer = run.wait_for("SIP/2.0 200")[0].body
        assert all(f" {name}/" in offer for name in ("opus", "G722", "PCMA", "PCMU", "telephone-event"))
        file = phone.records(call)
        rtp.play(run.remote_media(), PROMPT).join()
        assert phone.control.call(call)["codec"] == "PCMU"
        phone.ended(call)
        run.wait()
        assert sounds_like(PROMPT, phone.heard_in(file))


@pytest.mark.parametrize("scenario", [caller.CANCEL, caller.BYE_WHILE_RINGING], ids=lambda scenario: scenario.name)
def test_the_caller_gives_up_while_it_rings(asterisk: Asterisk, phones: Phones, sipp: Sipp, scenario: Scenario) -> None:
    with phones.provisioned("901", transport="udp") as phone:
        run = Line(asterisk, sipp, phone).call(scenario, pause_s=0.5)
        ended = phone.ended(phone.told("call.incoming")["call"])
        assert (ended["reason"], ended["by"], ended["phase"]) == ("cancelled", "remote", "incoming")
        run.wait()


@pytest.mark.parametrize(
    "scenario",
    [caller.BYE_AT_ONCE, caller.INVITE_REPEATED, caller.LATE_ACK],
    ids=lambda scenario: scenario.name,
)
def test_odd_ways_to_call_stay_one_call(asterisk: Asterisk, phones: Phones, sipp: Sipp, scenario: Scenario) -> None:
    with phones.provisioned("901", transport="udp", incoming=ANSWER_SOON) as phone:
        run = Line(asterisk, sipp, phone).call(scenario, pause_s=0.3)
        assert run.wait().successful == 1
        ended = phone.ended(phone.told("call.incoming")["call"])
        assert (ended["reason"], ended["phase"]) == ("remote_hangup", "active")
        assert len(phone.all("call.incoming")) == 1
        assert len(phone.all("call.answered")) == 1
        if scenario is caller.LATE_ACK:
            assert len(run.received("SIP/2.0 200 OK")) >= 3  # the 200 again and again, and the one to BYE


def test_a_digit_by_info(asterisk: Asterisk, phones: Phones, sipp: Sipp) -> None:
    with phones.provisioned("901", transport="udp", incoming=ANSWER) as phone:
        run = Line(asterisk, sipp, phone).call(caller.sends_info("7"))
        digit = phone.told("call.digit")
        assert (digit["digit"], digit["method"]) == ("7", "info")
        run.wait()


def test_digits_of_ours_by_info(asterisk: Asterisk, phones: Phones, sipp: Sipp) -> None:
    with phones.provisioned("901", transport="udp", incoming=ANSWER) as phone:
        run = Line(asterisk, sipp, phone).call(caller.ANSWERS_TWO_INFO)
        call = phone.told("call.media", active=True)["call"]
        phone.control.send_digits(call, "4#", method="info")
        run.wait()
        bodies = [message.body for message in run.received("INFO")]
        assert ["Signal=4" in bodies[0].replace(" ", ""), "Signal=#" in bodies[1].replace(" ", "")] == [True, True]
        phone.told("call.digits_sent", call=call)


def test_digits_in_the_media_stream(asterisk: Asterisk, phones: Phones, sipp: Sipp, rtp: RtpEnd) -> None:
    """RFC 4733, judged by our own RTP end: each digit once, in its length, three last packets."""
    with phones.provisioned("901", transport="udp", incoming=ANSWER) as phone:
        run = Line(asterisk, sipp, phone).call(caller.CALL, pause_s=4, rtp_port=rtp.port)
        call = phone.told("call.media", active=True)["call"]
        media = run.remote_media()
        rtp.play(media, speech_like(0.5)).join()
        phone.control.send_digits(call, "159#", duration_ms=120, pause_ms=80)
        for digit in "42*":
            rtp.send_digit(media, digit)
            phone.told("call.digit", call=call, digit=digit)
        phone.told("call.digits_sent", call=call)
        phone.ended(call)
        run.wait()
        assert "".join(event["digit"] for event in phone.all("call.digit")) == "42*"
        assert "".join(sent.digit for sent in rtp.digits()) == "159#"
        assert all(sent.duration_ms == pytest.approx(120, abs=25) for sent in rtp.digits())


@pytest.mark.parametrize("scenario", [caller.SOUND_ONLY, caller.REFUSES_INFO], ids=lambda scenario: scenario.name)
def test_where_nothing_else_is_known_digits_are_sound(
    asterisk: Asterisk, phones: Phones, sipp: Sipp, rtp: RtpEnd, scenario: Scenario
) -> None:
    """Both ways, with the automatic choice and detection; what we send is judged by the spectrum of what arrived."""
    with phones.provisioned("901", transport="udp", incoming=ANSWER) as phone:
        run = Line(asterisk, sipp, phone).call(scenario, pause_s=6, rtp_port=rtp.port)
        call = phone.told("call.media", active=True)["call"]
        playing = rtp.play(run.remote_media(), dialled("042*"))
        phone.control.send_digits(call, "159#", duration_ms=120, pause_ms=80)
        assert phone.told("call.digits_sent", call=call)["method"] == "inband"
        playing.join()
        phone.told("call.digit", call=call, count=4)
        phone.ended(call)
        run.wait()
        heard = phone.all("call.digit")
        assert "".join(event["digit"] for event in heard) == "042*"
        assert {event["method"] for event in heard} == {"inband"}
        assert rtp.digits() == []
        assert keys_in(rtp.heard()) == "159#"


def dialled(digits: str) -> Sound:
    """Digits as sound, 100 ms each with 100 ms between."""
    parts = [silence(0.3, 8000).samples]
    for digit in digits:
        low, high = (tone(hertz, 0.1, 8000, 0.2).samples for hertz in FREQUENCIES_HZ[digit])
        parts += [low + high, silence(0.1, 8000).samples]
    return Sound(np.concatenate(parts), 8000)


def keys_in(sound: Sound) -> str:
    """The keys whose tones are the two strongest of each stretch of sound that lasts 100 ms."""
    loud = [bool(np.abs(sound.samples[n : n + 80]).max() > 0.05) for n in range(0, len(sound.samples) - 80, 80)]
    found = []
    for start in [n for n in range(1, len(loud) - 10) if loud[n] and not loud[n - 1] and all(loud[n : n + 10])]:
        part = sound.samples[start * 80 : start * 80 + 800] * np.hanning(800)
        spectrum = np.abs(np.fft.rfft(part, 8000))  # a bin is 1 Hz
        heard = (int(spectrum[600:1050].argmax()) + 600, int(spectrum[1100:1750].argmax()) + 1100)
        found += [d for d, f in FREQUENCIES_HZ.items() if all(abs(a - b) <= 5 for a, b in zip(f, heard, strict=True))]
    return "".join(found)


def test_a_full_phone_is_busy(asterisk: Asterisk, phones: Phones, sipp: Sipp) -> None:
    with phones.provisioned("901", transport="udp", incoming=ANSWER, max_calls=1) as phone:
        line = Line(asterisk, sipp, phone)
        first = line.call(caller.CALL, pause_s=3)
        phone.told("call.answered")
        second = line.call(caller.CALL)
        second.wait_for("SIP/2.0 486")
        first.wait()


def test_twenty_callers_at_once(asterisk: Asterisk, phones: Phones, sipp: Sipp) -> None:
    with phones.provisioned("901", transport="udp", incoming=ANSWER, max_calls=20) as phone:
        run = Line(asterisk, sipp, phone).call(caller.CALL, pause_s=3, calls=20, timeout_s=30)
        phone.told("call.answered", count=20)
        assert phone.control.status()["calls"]["active"] == 20
        assert run.wait().successful == 20
        phone.told("call.ended", count=20, reason="remote_hangup")


def test_other_speech_is_not_taken_for_the_prompt() -> None:
    """What the proofs of sound in these tests rest on."""
    assert heard_share(PROMPT, speech_like(4, seed=2), part_s=0.25) == 0


def test_requests_that_no_call_is_about(asterisk: Asterisk, phones: Phones, sipp: Sipp) -> None:
    with phones.provisioned("901", transport="udp") as phone:
        Line(asterisk, sipp, phone).call(caller.UNKNOWN_REQUESTS).wait()
