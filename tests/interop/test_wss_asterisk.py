"""What is special about an account over secure WebSocket, with Asterisk 22 (webrtc=yes); all else runs in the tests of
other transports too (fixture `line`)."""

from __future__ import annotations

import time
from typing import Any

import pytest

from softphone.testing.audio import read_wav, speech_like
from tests.interop.peers.asterisk import numbers
from tests.interop.peers.asterisk.server import Asterisk
from tests.interop.peers.relay import TcpRelay
from tests.interop.phone import Phone, Phones, sounds_like
from tests.interop.test_asterisk_control import hears, pair

ONE, HELD = "931", "939"
BACK_S = 20.0
"""How long a phone may take to be there again once the server is."""


def wss(phones: Phones, *extensions: str, **settings: Any) -> Phone:
    return phones.provisioned(*extensions, transport="wss", **settings)


def test_registered_as_rfc_7118_says_and_media_as_webrtc_wants_it(asterisk: Asterisk, phones: Phones) -> None:
    with wss(phones, ONE) as phone:
        phone.registered(ONE)
        (contact,) = (each for each in asterisk.registrations() if each.extension == ONE)
        assert ".invalid" in contact.uri
        assert "transport=ws" in contact.uri.lower()
        call = phone.connected(numbers.ECHO)
        media = phone.told("call.media", call=call, active=True, ice="completed")
        assert (media["codec"].lower(), media["srtp_keying"]) == ("opus", "dtls")
        said = speech_like(2, seed=4)
        assert sounds_like(said, phone.hears(call, said))
        phone.hung_up(call)
        asterisk.wait_for("Hangup")


def test_holds_and_is_held(asterisk: Asterisk, phones: Phones) -> None:
    """By re-INVITEs of both sides, in which ICE and DTLS stay as they are; one end after the other holds."""
    with wss(phones, ONE, HELD, incoming=[{"action": "answer"}]) as phone:
        phone.registered(ONE, HELD)
        out, came = pair(phone, ONE, HELD)
        phone.control.hold(out)  # while ICE still tells which path it found
        phone.told("call.hold", call=out, by="local", held=True)
        phone.told("call.hold", call=came, by="remote", held=True)
        assert phone.control.call(came)["direction_media"] == "recvonly"
        assert not hears(phone, out, came)
        phone.control.resume(out)
        phone.told("call.hold", call=out, by="local", held=False)
        phone.told("call.hold", call=came, by="remote", held=False)
        assert hears(phone, out, came)
        phone.control.hold(came)
        phone.told("call.hold", call=came, by="local", held=True)
        asterisk.wait_for("Hold", count=2)
        phone.control.resume(came)
        phone.told("call.hold", call=came, by="local", held=False)
        asterisk.wait_for("Unhold", count=2)
        assert hears(phone, came, out)
        phone.hung_up(out)
        phone.ended(came)


def test_ten_calls_at_once(asterisk: Asterisk, phones: Phones) -> None:
    with wss(phones, ONE, max_calls=10) as phone:
        phone.registered(ONE)
        calls = [phone.dial(numbers.ECHO) for _ in range(10)]
        for call in calls:
            phone.told("call.media", call=call, active=True)
        assert len(asterisk.channels()) == 10
        files = {call: phone.records(call) for call in calls}
        for seed, call in enumerate(calls):
            phone.says(call, speech_like(2, seed=seed), waits=False)
        phone.told("play.ended", count=10)
        time.sleep(1)
        for call in calls:
            phone.control.hang_up(call)
        phone.told("call.ended", count=10, reason="local_hangup")
        for seed, call in enumerate(calls):
            assert sounds_like(speech_like(2, seed=seed), read_wav(files[call], channel=0))


@pytest.mark.parametrize("away_s", [0.0, 6.0])
def test_the_server_is_restarted_in_mid_call(asterisk: Asterisk, phones: Phones, away_s: float) -> None:
    """The phone is there again in time; the call, of which the new server knows nothing, is over."""
    with wss(phones, ONE) as phone:
        phone.registered(ONE)
        call = phone.connected(numbers.ECHO)
        asterisk.stop()
        phone.told("account.connection_lost", within_s=5)
        assert phone.control.call(call)["state"] == "active", "the loss of the connection ends no call"
        time.sleep(away_s)
        asterisk.start()
        phone.told("account.registered", count=2, within_s=BACK_S)
        ended = phone.ended(call)
        assert (ended["by"], ended["code"]) == ("network", 481), ended
        phone.hung_up(phone.connected(numbers.ECHO))


def test_a_call_outlives_its_websocket(asterisk: Asterisk, phones: Phones) -> None:
    """The connection is cut while the call is up: sound goes on, and the PBX finds us by the new one."""
    with TcpRelay(asterisk.ports.wss) as relay, wss(phones, ONE, registrar=f"127.0.0.1:{relay.port}") as phone:
        phone.registered(ONE)
        asterisk.originate(ONE, numbers.ECHO)
        call = phone.told("call.incoming")["call"]
        phone.control.answer(call)
        phone.told("call.media", call=call, active=True)
        relay.reset()
        assert "cut" in phone.told("account.connection_lost")["cause"]
        phone.told("account.registered", count=2, within_s=BACK_S)
        said = speech_like(2, seed=6)
        assert sounds_like(said, phone.hears(call, said))
        asterisk.hang_up(ONE)
        assert phone.ended(call)["reason"] == "remote_hangup"


def test_a_wrong_path_is_told_in_words(asterisk: Asterisk, phones: Phones) -> None:
    with wss(phones, ONE, websocket_path="/") as phone:
        failed = phone.told("account.failed")
        assert failed["cause"].endswith("refuses the WebSocket: 404 Not Found")
        assert "websocket_path" in failed["advice"]
        assert phone.control.account(ONE)["cause"] == failed["cause"]
