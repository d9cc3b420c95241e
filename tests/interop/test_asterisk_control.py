"""Call control through Asterisk 22, judged by the PBX or by what is heard: hold, transfers both ways, conferences."""

import time

import pytest

from softphone.testing.audio import level_dbfs, read_wav, strongest_tone, tone
from tests.interop.peers.asterisk import numbers
from tests.interop.peers.asterisk.server import Asterisk
from tests.interop.phone import TLS_LINE, WSS_LINE, Line, Phone, Phones, over_tls

ANSWER = [{"from": "*", "action": "answer"}]
HEARD_HZ = 600


def accounts(*extensions: str) -> list[str]:
    return [f"{extension}@{numbers.DOMAIN}" for extension in extensions]


def pair(phone: Phone, caller: str, callee: str) -> tuple[str, str]:
    """Two of the phone's extensions talk through the PBX: the caller's call, the callee's."""
    out = phone.connected(callee, caller)
    came = phone.told("call.incoming", account=f"{callee}@{numbers.DOMAIN}")["call"]
    phone.told("call.media", call=came, active=True)
    return out, came


def all_over(phone: Phone) -> None:
    """Hangs up whatever is left, so that the daemon need not wait for it."""
    for call in phone.control.calls():
        phone.control.hang_up(call["id"])
    for call in {event["call"] for event in [*phone.all("call.dialing"), *phone.all("call.incoming")]}:
        phone.ended(call)


def hears(phone: Phone, said_by: str, listener: str) -> bool:
    """Whether a tone that one call says is heard in another."""
    file = phone.records(listener)
    phone.says(said_by, tone(HEARD_HZ, 1.5))
    time.sleep(0.5)  # what is on its way
    phone.control.stop_record(listener)
    recording = read_wav(file, channel=0)
    file.unlink()
    return level_dbfs(recording) > -60 and abs(strongest_tone(recording).frequency_hz - HEARD_HZ) < 10


@over_tls
def test_hold_and_resume(asterisk: Asterisk, phones: Phones, line: Line) -> None:
    with phones.provisioned(line.first, line.second, incoming=ANSWER, transport=line.transport) as phone:
        phone.registered(line.first, line.second)
        mine, theirs = pair(phone, line.first, line.second)
        phone.control.hold(mine)
        phone.told("call.hold", call=mine, by="local", held=True)
        asterisk.wait_for("Hold")
        assert phone.control.call(mine)["direction_media"] == "sendonly"
        assert not hears(phone, mine, theirs)
        phone.control.resume(mine)
        phone.told("call.hold", call=mine, by="local", held=False)
        asterisk.wait_for("Unhold")
        assert hears(phone, mine, theirs)
        assert hears(phone, theirs, mine)
        all_over(phone)


def test_a_blind_transfer(asterisk: Asterisk, phones: Phones, line: Line) -> None:
    with phones.provisioned(line.first, line.second, line.third, incoming=ANSWER, transport=line.transport) as phone:
        phone.registered(line.first, line.second, line.third)
        mine, theirs = pair(phone, line.first, line.second)
        phone.control.transfer(mine, line.third, headers={"X-Queue": "7"})
        assert (
            phone.told("call.transfer", call=mine, state="requested")["target"] == f"sip:{line.third}@{numbers.DOMAIN}"
        )
        phone.told("call.transfer", call=mine, state="done")
        assert phone.ended(mine)["reason"] == "transferred"
        third = phone.told("call.incoming", account=f"{line.third}@{numbers.DOMAIN}")["call"]
        phone.told("call.media", call=third, active=True)
        assert phone.control.call(theirs)["state"] == "active"
        assert hears(phone, theirs, third)
        assert hears(phone, third, theirs)
        all_over(phone)


@over_tls
def test_a_transfer_that_fails_leaves_the_call_as_it_was(asterisk: Asterisk, phones: Phones, line: Line) -> None:
    with phones.provisioned(line.first, line.second, incoming=ANSWER, transport=line.transport) as phone:
        phone.registered(line.first, line.second)
        mine, theirs = pair(phone, line.first, line.second)
        phone.control.transfer(mine, "no-such-number")
        failed = phone.told("call.transfer", call=mine, state="failed")
        assert failed["code"] >= 400
        assert phone.control.call(mine)["state"] == "active"
        assert hears(phone, mine, theirs)
        assert phone.hung_up(mine)["reason"] == "local_hangup"
        all_over(phone)


def test_an_attended_transfer(asterisk: Asterisk, phones: Phones, line: Line) -> None:
    """902 calls 901, who asks 903 while 902 is held, and then connects the two."""
    with phones.provisioned(line.first, line.second, line.third, incoming=ANSWER, transport=line.transport) as phone:
        phone.registered(line.first, line.second, line.third)
        theirs, mine = pair(phone, line.second, line.first)
        phone.control.hold(mine)
        phone.told("call.hold", call=mine, by="local", held=True)
        consulting, third = pair(phone, line.first, line.third)
        phone.control.transfer_to(mine, consulting)
        done = phone.told("call.transfer", call=mine, state="done")
        assert done["consulted"] == consulting
        assert {phone.ended(call)["reason"] for call in (mine, consulting)} == {"transferred"}
        asterisk.wait_for("AttendedTransfer", Result="Success")
        assert hears(phone, theirs, third)
        assert hears(phone, third, theirs)
        all_over(phone)


@pytest.mark.parametrize(
    ("line", "policy"), [(TLS_LINE, "accept"), (TLS_LINE, "domain"), (WSS_LINE, "domain")], ids=str
)
def test_the_pbx_sends_us_elsewhere(asterisk: Asterisk, phones: Phones, line: Line, policy: str) -> None:
    with phones.provisioned(line.first, transfers=policy, transport=line.transport) as phone:
        phone.registered(line.first)
        call = phone.connected(numbers.SENDS_TO_THE_TONE)
        asked = phone.told("call.transfer_asked", call=call, accepted=True)
        second = asked["new_call"]
        phone.told("call.answered", call=second)
        asterisk.wait_for("Transferred", Status="SUCCESS")
        assert phone.ended(call)["reason"] == "remote_hangup"
        file = phone.records(second)
        time.sleep(1)
        phone.control.stop_record(second)
        assert abs(strongest_tone(read_wav(file, channel=0)).frequency_hz - 1004) < 10
        assert phone.hung_up(second)["reason"] == "local_hangup"
        all_over(phone)


@over_tls
def test_a_transfer_asked_by_the_pbx_is_refused_by_default(asterisk: Asterisk, phones: Phones, line: Line) -> None:
    with phones.provisioned(line.first, transport=line.transport) as phone:
        phone.registered(line.first)
        call = phone.connected(numbers.SENDS_TO_THE_TONE)
        asked = phone.told("call.transfer_asked", call=call, accepted=False)
        assert (asked["target"], asked["new_call"]) == (f"sip:9197@{numbers.DOMAIN}", "")
        asterisk.wait_for("Transferred", Status="FAILURE")
        assert len(phone.control.calls()) == 1
        phone.ended(call)
        all_over(phone)


@over_tls
def test_a_conference_of_ours_between_two_callers(asterisk: Asterisk, phones: Phones, line: Line) -> None:
    with phones.provisioned(line.first, line.second, line.third, incoming=ANSWER, transport=line.transport) as phone:
        phone.registered(line.first, line.second, line.third)
        first, theirs = pair(phone, line.first, line.second)
        second, third = pair(phone, line.first, line.third)
        assert not hears(phone, theirs, third)
        made = phone.control.start_conference([first, second], local=False)
        assert hears(phone, theirs, third)
        assert hears(phone, third, theirs)
        phone.control.end_conference(made["id"])
        phone.told("conference.ended", conference=made["id"])
        assert not hears(phone, theirs, third)
        all_over(phone)
