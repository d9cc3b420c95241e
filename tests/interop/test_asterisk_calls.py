"""Calls through Asterisk 22: sound proven from recordings on both sides, digits, refusals, every way to end."""

import time

import pytest

from softphone.testing.audio import Sound, heard_share, read_wav, silence_share, speech_like
from tests.interop.peers.asterisk import numbers, sounds
from tests.interop.peers.asterisk.server import Asterisk
from tests.interop.phone import Line, Phones, over_tls, sounds_like

ANSWER = [{"from": "*", "action": "answer"}]
ALL_DIGITS = "1234567890*#ABCD"
REFUSALS = {
    403: "rejected",
    404: "not_found",
    410: "not_found",
    480: "no_answer",
    484: "not_found",
    486: "busy",
    488: "no_common_media",
    500: "failed",
    503: "failed",
    603: "rejected",
}
CAUSES = {486: "17", 603: "21", 480: "19", 404: "1"}  # Q.850, as the PBX understands our refusals


def prompt(seed: int = 1) -> Sound:
    return speech_like(2, seed=seed)


def pbx_heard(asterisk: Asterisk, name: str) -> Sound:
    """What the PBX recorded of a caller, once the call has ended there."""
    asterisk.wait_for("Hangup", Exten=numbers.RECORD)
    return read_wav(asterisk.recording(name))


# --- sound ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("codec", "name", "srtp"),
    [
        ("opus", "opus", "off"),
        ("g722", "g722", "off"),
        ("pcma", "alaw", "off"),
        ("pcmu", "ulaw", "off"),
        ("opus", "opus", "mandatory"),
        ("pcma", "alaw", "mandatory"),
    ],
)
def test_the_echo_comes_back(asterisk: Asterisk, phones: Phones, codec: str, name: str, srtp: str) -> None:
    extension = "901" if srtp == "off" else "911"
    with phones.provisioned(extension, codecs=[codec], srtp=srtp) as phone:
        phone.registered(extension)
        call = phone.connected(numbers.ECHO)
        (media,) = asterisk.wait_for("Media", Caller=extension)
        assert name in media["Format"]
        assert media["Secure"] == ("0" if srtp == "off" else "1")
        view = phone.control.call(call)
        assert (view["codec"].lower(), bool(view["srtp"])) == (codec, srtp != "off")
        assert sounds_like(prompt(), phone.hears(call, prompt()))
        ended = phone.hung_up(call)
        assert ended["quality"]["rx_packets"] > 100
        assert ended["quality"]["rx_lost"] == 0


@over_tls
def test_the_pbx_hears_the_phone_and_the_phone_the_pbx(asterisk: Asterisk, phones: Phones, line: Line) -> None:
    with phones.provisioned(line.first, transport=line.transport) as phone:
        phone.registered(line.first)
        call = phone.connected(numbers.RECORD, headers={"X-Recording": "hello"})
        phone.says(call, prompt())
        phone.hung_up(call)
        assert sounds_like(prompt(), pbx_heard(asterisk, "hello"))

        call = phone.connected(numbers.ANNOUNCEMENT)
        file = phone.records(call)
        ended = phone.ended(call)
        assert (ended["reason"], ended["by"]) == ("remote_hangup", "remote")
        phone.told("record.ended", call=call, reason="call_ended")
        assert sounds_like(sounds.announcement(), read_wav(file, channel=0))
        assert silence_share(read_wav(file, channel=1)) == 1


def test_a_silent_far_end_is_silence(asterisk: Asterisk, phones: Phones) -> None:
    with phones.provisioned("901") as phone:
        phone.registered("901")
        call = phone.connected(numbers.SILENT)
        assert silence_share(phone.hears(call, prompt())) == 1
        phone.hung_up(call)


def test_a_call_in_the_clear_where_the_pbx_wants_srtp(asterisk: Asterisk, phones: Phones) -> None:
    with phones.provisioned("911", srtp="off") as phone:
        phone.registered("911")
        ended = phone.ended(phone.dial(numbers.ECHO))
        assert (ended["reason"], ended["code"]) == ("no_common_media", 488)
        assert "encryption" in ended["cause"]


def test_srtp_preferred_where_the_pbx_has_none(asterisk: Asterisk, phones: Phones) -> None:
    with phones.provisioned("901", srtp="prefer") as phone:
        phone.registered("901")
        call = phone.connected(numbers.ECHO)
        phone.told("call.unencrypted", call=call)
        assert asterisk.wait_for("Media")[0]["Secure"] == "0"
        assert sounds_like(prompt(), phone.hears(call, prompt()))
        phone.hung_up(call)


@pytest.mark.parametrize("transport", ["tcp", "udp"])
def test_the_other_transports(asterisk: Asterisk, phones: Phones, transport: str) -> None:
    with phones.provisioned("901", transport=transport) as phone:
        phone.registered("901")
        call = phone.connected(numbers.ECHO)
        assert sounds_like(prompt(), phone.hears(call, prompt()))
        phone.hung_up(call)


def test_a_pbx_that_insists_on_prack(asterisk: Asterisk, phones: Phones) -> None:
    with phones.provisioned("917") as phone:
        phone.registered("917")
        call = phone.connected(numbers.RING_THEN_ECHO)
        assert sounds_like(prompt(), phone.hears(call, prompt()))
        phone.hung_up(call)


# --- being called ----------------------------------------------------------------------------------


@pytest.mark.parametrize("srtp", ["off", "mandatory"])
def test_is_called_and_both_hear_each_other(asterisk: Asterisk, phones: Phones, srtp: str) -> None:
    extension = "901" if srtp == "off" else "911"
    with phones.provisioned(extension, srtp=srtp) as phone:
        phone.registered(extension)
        asterisk.originate(extension, numbers.ECHO, caller_id="Reception <700>")
        incoming = phone.told("call.incoming")
        assert incoming["caller"].startswith("sip:700@")
        assert incoming["caller_name"] == "Reception"
        call = incoming["call"]
        asterisk.wait_for("Newstate", ChannelStateDesc="Ringing")
        phone.control.answer(call)
        assert phone.told("call.answered", call=call)["by"] == "local"
        phone.told("call.media", call=call, active=True)
        assert sounds_like(prompt(), phone.hears(call, prompt()))
        assert phone.hung_up(call)["reason"] == "local_hangup"
        asterisk.wait_for("Hangup")


def test_a_rule_answers_and_the_announcement_is_heard(asterisk: Asterisk, phones: Phones) -> None:
    with phones.provisioned("901", incoming=ANSWER) as phone:
        phone.registered("901")
        asterisk.originate("901", numbers.ANNOUNCEMENT)
        call = phone.told("call.answered")["call"]
        file = phone.records(call)
        assert phone.ended(call)["reason"] == "remote_hangup"
        phone.told("record.ended", call=call)
        assert sounds_like(sounds.announcement(), read_wav(file, channel=0))


@over_tls
def test_headers_of_the_caller_arrive(asterisk: Asterisk, phones: Phones, line: Line) -> None:
    with phones.provisioned(line.first, transport=line.transport) as phone:
        phone.registered(line.first)
        asterisk.originate(line.first, numbers.ECHO, **{"PJSIP_HEADER(add,X-Ticket)": "4711"})
        incoming = phone.told("call.incoming")
        assert incoming["headers"]["X-Ticket"] == ["4711"]
        phone.control.reject(incoming["call"])
        phone.ended(incoming["call"])


def test_rejecting_with_a_code(asterisk: Asterisk, phones: Phones, line: Line) -> None:
    with phones.provisioned(line.first, transport=line.transport) as phone:
        phone.registered(line.first)
        for count, (code, cause) in enumerate(CAUSES.items(), start=1):
            asterisk.originate(line.first, numbers.ECHO)
            call = phone.told("call.incoming", count=count)["call"]
            phone.control.reject(call, code)
            ended = phone.ended(call)
            assert (ended["by"], ended["code"]) == ("local", code)
            assert asterisk.wait_for("Hangup", count=count)[-1]["Cause"] == cause


@over_tls
def test_the_caller_gives_up(asterisk: Asterisk, phones: Phones, line: Line) -> None:
    with phones.provisioned(line.first, transport=line.transport) as phone:
        phone.registered(line.first)
        asterisk.originate(line.first, numbers.ECHO)
        call = phone.told("call.incoming")["call"]
        asterisk.wait_for("Newstate", ChannelStateDesc="Ringing")
        asterisk.hang_up(line.first)
        ended = phone.ended(call)
        assert (ended["reason"], ended["by"], ended["phase"]) == ("cancelled", "remote", "incoming")


def test_one_extension_calls_the_other(asterisk: Asterisk, phones: Phones, line: Line) -> None:
    """Two extensions of one daemon, through the PBX: each hears what the other says."""
    with phones.provisioned(line.first, line.second, transport=line.transport) as phone:
        phone.registered(line.first, line.second)
        ours = phone.dial(line.second, line.first)
        theirs = phone.told("call.incoming", account=f"{line.second}@pbx.test")["call"]
        phone.told("call.progress", call=ours, code=180)
        phone.control.answer(theirs)
        for call in (ours, theirs):
            phone.told("call.media", call=call, active=True)
        heard_by_them, heard_by_us = phone.records(theirs), phone.records(ours)
        phone.says(ours, prompt(1))
        phone.says(theirs, prompt(2))
        time.sleep(0.5)
        phone.hung_up(ours)
        assert phone.ended(theirs)["reason"] == "remote_hangup"
        assert sounds_like(prompt(1), read_wav(heard_by_them, channel=0))
        assert sounds_like(prompt(2), read_wav(heard_by_us, channel=0))


@over_tls
def test_a_busy_extension_is_busy_for_the_other(asterisk: Asterisk, phones: Phones, line: Line) -> None:
    with phones.provisioned(
        line.first, line.second, incoming=[{"from": "*", "action": "reject", "code": 486}], transport=line.transport
    ) as phone:
        phone.registered(line.first, line.second)
        ended = phone.ended(phone.dial(line.second, line.first))
        assert (ended["reason"], ended["code"], ended["by"]) == ("busy", 486, "remote")


# --- how calls fare --------------------------------------------------------------------------------


def test_refusals(asterisk: Asterisk, phones: Phones, line: Line) -> None:
    with phones.provisioned(line.first, transport=line.transport) as phone:
        phone.registered(line.first)
        for code, reason in REFUSALS.items():
            ended = phone.ended(phone.dial(numbers.refuses_with(code)))
            assert (ended["code"], ended["reason"], ended["by"]) == (code, reason, "remote")
            assert ended["cause"]


def test_headers_of_ours_arrive(asterisk: Asterisk, phones: Phones) -> None:
    with phones.provisioned("901") as phone:
        phone.registered("901")
        phone.ended(phone.dial(numbers.TELL_HEADER, headers={"X-Softphone-Test": "a b; c=1"}))
        (told,) = asterisk.wait_for("Header")
        assert (told["Caller"], told["Value"]) == ("901", "a b; c=1")


def test_cancelling_while_it_rings(asterisk: Asterisk, phones: Phones, line: Line) -> None:
    with phones.provisioned(line.first, transport=line.transport) as phone:
        phone.registered(line.first)
        call = phone.dial(numbers.RING_FOR_EVER)
        phone.told("call.progress", call=call, code=180)
        ended = phone.hung_up(call)
        assert (ended["reason"], ended["by"], ended["phase"]) == ("cancelled", "local", "ringing")
        asterisk.wait_for("Hangup")
        assert asterisk.channels() == []


def test_the_ring_timeout_cancels(asterisk: Asterisk, phones: Phones) -> None:
    with phones.provisioned("901") as phone:
        phone.registered("901")
        ended = phone.ended(phone.dial(numbers.RING_FOR_EVER, ring_timeout_s=1))
        assert (ended["reason"], ended["by"], ended["phase"]) == ("ring_timeout", "local", "ringing")
        asterisk.wait_for("Hangup")


def test_early_media_is_heard_before_the_answer(asterisk: Asterisk, phones: Phones, line: Line) -> None:
    with phones.provisioned(line.first, transport=line.transport) as phone:
        phone.registered(line.first)
        call = phone.dial(numbers.EARLY_MEDIA_THEN_ECHO)
        assert phone.told("call.progress", call=call, code=183)["early_media"]
        phone.told("call.media", call=call, active=True)
        file = phone.records(call)
        phone.told("call.answered", call=call)
        phone.control.stop_record(call)
        assert heard_share(sounds.notice(), read_wav(file, channel=0)) >= 0.6
        assert sounds_like(prompt(), phone.hears(call, prompt()))
        phone.hung_up(call)


def test_early_media_then_a_refusal(asterisk: Asterisk, phones: Phones) -> None:
    with phones.provisioned("901") as phone:
        phone.registered("901")
        call = phone.dial(numbers.EARLY_MEDIA_THEN_403)
        phone.told("call.media", call=call, active=True)
        file = phone.records(call)
        ended = phone.ended(call)
        assert (ended["reason"], ended["code"], ended["duration_s"]) == ("rejected", 403, 0)
        phone.told("record.ended", call=call)
        assert heard_share(sounds.notice(), read_wav(file, channel=0)) >= 0.6


def test_the_pbx_hangs_up(asterisk: Asterisk, phones: Phones, line: Line) -> None:
    with phones.provisioned(line.first, transport=line.transport) as phone:
        phone.registered(line.first)
        call = phone.connected(numbers.hangs_up_after(2))
        ended = phone.ended(call)
        assert (ended["reason"], ended["by"], ended["phase"]) == ("remote_hangup", "remote", "active")
        # Asterisk's Answer() waits up to half a second for the first sound, which DTLS lets it hear later
        assert 1.6 <= ended["duration_s"] <= 2.9


def test_the_phone_hangs_up(asterisk: Asterisk, phones: Phones) -> None:
    with phones.provisioned("901") as phone:
        phone.registered("901")
        call = phone.connected(numbers.ECHO)
        ended = phone.hung_up(call)
        assert (ended["reason"], ended["by"], ended["code"]) == ("local_hangup", "local", 200)
        asterisk.wait_for("Hangup")
        assert asterisk.channels() == []


def test_a_stopped_daemon_leaves_no_call_behind(asterisk: Asterisk, phones: Phones, line: Line) -> None:
    with phones.provisioned(line.first, transport=line.transport) as phone:
        phone.registered(line.first)
        phone.connected(numbers.ECHO)
        assert phone.stop() == 0
    asterisk.wait_for("Hangup")
    assert asterisk.channels() == []
    assert asterisk.registrations() == []


# --- digits --------------------------------------------------------------------------------------


def test_all_digits(asterisk: Asterisk, phones: Phones, line: Line) -> None:
    with phones.provisioned(line.first, transport=line.transport) as phone:
        phone.registered(line.first)
        call = phone.connected(numbers.DTMF_SEND)
        phone.told("call.digit", call=call, count=len(ALL_DIGITS))
        digits = phone.all("call.digit", call=call)
        assert "".join(event["digit"] for event in digits) == ALL_DIGITS
        phone.hung_up(call)

        call = phone.connected(numbers.TONE)
        phone.says(call, speech_like(0.3))  # Asterisk learns the clock of digits from the sound before them
        phone.control.send_digits(call, ALL_DIGITS, duration_ms=120)
        phone.told("call.digits_sent", call=call)
        seen = asterisk.wait_for("DTMFEnd", count=len(ALL_DIGITS), Direction="Received")
        assert "".join(event["Digit"] for event in seen) == ALL_DIGITS
        assert all(int(event["DurationMs"]) == pytest.approx(120, abs=40) for event in seen)
        phone.hung_up(call)


# --- many ----------------------------------------------------------------------------------------


def test_twenty_calls_at_once(asterisk: Asterisk, phones: Phones) -> None:
    """All are up at the PBX together, and in each one its own prompt comes back."""
    with phones.provisioned("901", max_calls=20) as phone:
        phone.registered("901")
        calls = [phone.dial(numbers.ECHO) for _ in range(20)]
        for call in calls:
            phone.told("call.media", call=call, active=True)
        asterisk.wait_for("Media", count=20)
        assert len(asterisk.channels()) == 20
        files = {call: phone.records(call) for call in calls}
        for seed, call in enumerate(calls):
            phone.says(call, prompt(seed), waits=False)
        phone.told("play.ended", count=20)
        time.sleep(1)
        for call in calls:
            phone.control.hang_up(call)
        phone.told("call.ended", count=20, reason="local_hangup")
        asterisk.wait_for("Hangup", count=20)
        for seed, call in enumerate(calls):
            assert sounds_like(prompt(seed), read_wav(files[call], channel=0))


@over_tls
def test_three_in_a_conference(asterisk: Asterisk, phones: Phones, line: Line) -> None:
    with phones.provisioned(line.first, line.second, line.third, transport=line.transport) as phone:
        phone.registered(line.first, line.second, line.third)
        calls = {name: phone.connected(numbers.CONFERENCE, name) for name in (line.first, line.second, line.third)}
        files = {name: phone.records(call) for name, call in calls.items()}
        phone.says(calls[line.first], prompt())
        time.sleep(1)
        for call in calls.values():
            phone.hung_up(call)
        assert sounds_like(prompt(), read_wav(files[line.second], channel=0))
        assert sounds_like(prompt(), read_wav(files[line.third], channel=0))
        assert silence_share(read_wav(files[line.first], channel=0)) > 0.9
