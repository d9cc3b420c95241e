"""The phone calls SIPp, which answers as no friendly PBX does."""

import time

import pytest

from softphone.testing.audio import speech_like
from tests.interop.peers.asterisk.server import Asterisk
from tests.interop.peers.ports import free_port
from tests.interop.peers.rtp import RtpEnd
from tests.interop.peers.sipp import called
from tests.interop.peers.sipp.run import Sipp
from tests.interop.phone import Phone, Phones, sounds_like

PROMPT = speech_like(2)


REFUSALS = [
    (called.BUSY, 486, "busy"),
    (called.NOT_FOUND, 404, "not_found"),
    (called.MOVED, 302, "redirected"),
    (called.UNAVAILABLE, 480, "no_answer"),
    (called.OVERLOADED, 503, "failed"),
    (called.refuses(600, "Busy Everywhere"), 600, "busy"),
    (called.refuses(699, "Not Today, Thanks"), 699, "failed"),
]


def phone_towards(phones: Phones, port: int, transport: str = "udp") -> Phone:
    """A phone whose account does not register; all it sends goes to SIPp."""
    return phones.static("12", "secret", port, register=False, codecs=["pcmu"], transport=transport)


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_refusals(phones: Phones, sipp: Sipp, transport: str) -> None:
    port = free_port()
    with phone_towards(phones, port, transport) as phone:
        for scenario, code, reason in REFUSALS:
            run = sipp.start(scenario, transport=transport, port=port)
            ended = phone.ended(phone.dial("555"))
            assert (ended["code"], ended["reason"], ended["by"]) == (code, reason, "remote")
            assert ended["sip_reason"]
            assert ended["cause"]
            run.wait()


@pytest.mark.parametrize("answers_late_s", [0.0, 2.5])
def test_an_answer_and_sound_both_ways(phones: Phones, sipp: Sipp, rtp: RtpEnd, answers_late_s: float) -> None:
    run = sipp.start(called.ANSWERS, pause_s=answers_late_s, rtp_port=rtp.port)
    with phone_towards(phones, run.port) as phone:
        call = phone.dial("555")
        phone.told("call.progress", call=call, code=180)
        phone.told("call.answered", call=call)
        phone.told("call.media", call=call, active=True)
        file = phone.records(call)
        phone.says(call, PROMPT, waits=False)
        rtp.play(run.remote_media(), speech_like(2, seed=2)).join()
        phone.told("play.ended", call=call, reason="finished")
        time.sleep(0.5)  # what waits in the jitter buffer
        phone.hung_up(call)
        run.wait()
        assert sounds_like(PROMPT, rtp.heard())
        assert sounds_like(speech_like(2, seed=2), phone.heard_in(file))


def test_an_answer_and_a_hang_up_at_once(phones: Phones, sipp: Sipp) -> None:
    run = sipp.start(called.ANSWERS_AND_HANGS_UP)
    with phone_towards(phones, run.port) as phone:
        ended = phone.ended(phone.dial("555"))
        assert (ended["reason"], ended["by"], ended["phase"]) == ("remote_hangup", "remote", "active")
        run.wait()


def test_an_answer_that_comes_twice_is_acknowledged_twice(phones: Phones, sipp: Sipp) -> None:
    run = sipp.start(called.ANSWERS_TWICE)
    with phone_towards(phones, run.port) as phone:
        call = phone.dial("555")
        assert phone.ended(call)["reason"] == "remote_hangup"
        run.wait()
        assert len(run.received("ACK")) == 2
        assert len(phone.all("call.answered", call=call)) == 1


def test_early_media(phones: Phones, sipp: Sipp, rtp: RtpEnd) -> None:
    run = sipp.start(called.EARLY_MEDIA, pause_s=2.5, rtp_port=rtp.port)
    with phone_towards(phones, run.port) as phone:
        call = phone.dial("555")
        assert phone.told("call.progress", call=call, code=183)["early_media"]
        phone.told("call.media", call=call, active=True)
        file = phone.records(call)
        rtp.play(run.remote_media(), PROMPT).join()
        assert phone.all("call.answered") == []
        phone.told("call.answered", call=call)
        phone.hung_up(call)
        run.wait()
        assert sounds_like(PROMPT, phone.heard_in(file))


def test_nobody_answers_and_the_phone_gives_up(phones: Phones, sipp: Sipp) -> None:
    run = sipp.start(called.NO_ANSWER)
    with phone_towards(phones, run.port) as phone:
        ended = phone.ended(phone.dial("555", ring_timeout_s=1.5))
        assert (ended["reason"], ended["by"], ended["phase"]) == ("ring_timeout", "local", "ringing")
        run.wait()


def test_the_phone_cancels(phones: Phones, sipp: Sipp) -> None:
    run = sipp.start(called.NO_ANSWER)
    with phone_towards(phones, run.port) as phone:
        call = phone.dial("555")
        phone.told("call.progress", call=call, code=180)
        ended = phone.hung_up(call)
        assert (ended["reason"], ended["by"], ended["code"]) == ("cancelled", "local", 487)
        run.wait()


def test_a_bye_before_the_answer_ends_the_call(phones: Phones, sipp: Sipp) -> None:
    """RFC 3261 15 forbids it to the called side; it is taken for what it means, and the next call is as any."""
    run = sipp.start(called.BYE_BEFORE_ANSWER, pause_s=0.3)
    with phone_towards(phones, run.port) as phone:
        ended = phone.ended(phone.dial("555"))
        assert (ended["by"], ended["phase"], ended["duration_s"]) == ("remote", "ringing", 0)
        run.wait()
        again = sipp.start(called.BUSY, port=run.port)
        assert phone.ended(phone.dial("555"))["reason"] == "busy"
        again.wait()


def test_a_deaf_far_end_is_given_up(phones: Phones, sipp: Sipp) -> None:
    """Not even a 100: timer B of the transaction ends the call after 32 s (RFC 3261 17.1.1.2)."""
    run = sipp.start(called.DEAF, pause_s=40, timeout_s=60)
    with phone_towards(phones, run.port) as phone:
        call = phone.dial("555")
        ended = phone.ended(call, within_s=40)
        assert (ended["reason"], ended["by"], ended["cause"]) == (
            "unreachable",
            "network",
            "no answer from the PBX",
        )
        assert len(run.received("INVITE")) >= 4


@pytest.mark.parametrize(
    ("code", "reason", "header", "words"),
    [
        (403, "Forbidden", "", "password"),
        (404, "Not Found", "", "does not know this extension"),
        (503, "Service Unavailable", "Retry-After: 3", "overloaded"),
    ],
)
def test_a_registrar_that_refuses(
    asterisk: Asterisk, phones: Phones, sipp: Sipp, code: int, reason: str, header: str, words: str
) -> None:
    run = sipp.start(called.refuses_registration(code, reason, header), calls=1)
    with phones.static("12", "secret", run.port) as phone:
        failed = phone.told("account.failed")
        assert (failed["code"], failed["reason"]) == (code, reason)
        assert words in failed["cause"]
        assert failed["advice"]
        account = phone.control.account("12")
        assert (account["state"], account["code"], account["cause"]) == ("failed", code, failed["cause"])
        assert not phone.control.status()["ready"]
        run.wait()
