"""Rubbish that our PJSIP survives by patches of our own (native/patches): each ended the process, or stole a call."""

from __future__ import annotations

import asyncio
import random
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from tests.e2e.test_hostile import SEED, account
from tests.support import hostile
from tests.support.besieged import besieged
from tests.support.daemon import Daemon
from tests.support.hostile import Peer, Stranger
from tests.support.until import until

ANSWERS = {
    "a hundred service routes": "Service-Route: <sip:a@b;lr>\r\n" * 100,
    "an empty service route": "Service-Route: \r\n",
    "service routes that are no SIP URIs": "Service-Route: <tel:+1>\r\nService-Route: x\r\n",
    "contact star": "Contact: *\r\n",
    "no URI in contact": "Contact: <>\r\n",
    "two hundred contacts": "".join(f"Contact: <sip:{n}@192.0.2.1>;expires={n}\r\n" for n in range(200)),
    "expires beyond all numbers": "Expires: 4294967295\r\nContact: <sip:901@x>;expires=99999999999999999999\r\n",
    "a hundred challenges": 'WWW-Authenticate: Digest realm="peer.test", nonce="x"\r\n' * 100,
    "a challenge of nothing": "WWW-Authenticate: Digest\r\n",
    "a nonce of 8000 characters": f'WWW-Authenticate: Digest realm="peer.test", nonce="{"n" * 8000}"\r\n',
}


@pytest.mark.parametrize("status", ["200 OK", "401 Unauthorized", "423 Interval Too Brief"])
def test_a_registrar_that_answers_with_rubbish(tmp_path: Path, status: str) -> None:
    async def play() -> None:
        peer = await Peer.start("REGISTER", lambda _: None)
        async with Daemon(tmp_path, {"accounts": [account(tmp_path, peer, register=True)]}) as daemon:
            for fault, extra in ANSWERS.items():
                peer.respond = lambda text, e=extra: hostile.response(text, status, extra=e)
                asked = peer.asked
                await daemon.ask("POST", "/v1/accounts/901/register")
                await until(lambda a=asked: peer.asked > a)
                assert (await daemon.ask("GET", "/healthz")).status_code == 200, fault
            peer.respond = lambda text: hostile.response(text, "200 OK", extra="Expires: 60\r\n")
            await daemon.ask("POST", "/v1/accounts/901/register")
            await until(lambda: "account.registered" in {event["type"] for event in daemon.events})
            assert daemon.alive
            assert await daemon.stop() == 0
        peer.close()

    asyncio.run(play())


def test_rtp_from_strangers_neither_stops_nor_steals_a_call(tmp_path: Path) -> None:
    """Packets by the hundred from another address, between two of the far end's own; the judge hears the echo go on."""
    dice = random.Random(SEED)
    kinds = [b"\x80\x00", b"\x80\x65", b"\x81\xc8\x00\x0c", b"\x80\xc9\x00\x01", b"\x8f\xca\xff\xff", b"\x90\x00", b""]

    async def play() -> None:
        async with AsyncExitStack() as held, besieged(tmp_path) as target:
            stranger = await Stranger.at("127.0.0.1", target.sip)
            held.callback(stranger.close)
            for number in range(3000):
                packet = dice.choice(kinds) + dice.randbytes(dice.choice([10, 170, 1200]))
                stranger.send(packet, target.media[number % 2])
                if number % 50 == 0:
                    await asyncio.sleep(0.005)
            assert [packet for packet in stranger.received if not 200 <= packet[1] <= 204] == []  # RTCP may follow

    asyncio.run(play())


NO_ADDRESS = "v=0\r\no=x 1 9 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\nm=audio 0 RTP/AVP 0\r\n"


def test_an_offer_without_any_address_from_a_stranger(tmp_path: Path) -> None:
    """Its only media is off, so it may come without one. One such message of anybody could end the process."""

    async def play() -> None:
        async with AsyncExitStack() as held, besieged(tmp_path) as target:
            stranger = await Stranger.at("127.0.0.1", target.sip)
            held.callback(stranger.close)
            assert await stranger.answered(stranger.ask(body=NO_ADDRESS)) >= 400
            assert await stranger.answered(stranger.ask(body=NO_ADDRESS + "a=inactive\r\n")) >= 400
            await target.goes_on()

    asyncio.run(play())


@pytest.mark.parametrize("method", ["INVITE", "UPDATE"])
def test_an_offer_without_any_address_within_a_call(tmp_path: Path, method: str) -> None:
    """The same within a call."""

    async def play() -> None:
        async with besieged(tmp_path) as target:
            call = await target.daemon.dial("9196", account="902")
            [leg] = [leg for leg in target.lab.switch.endpoint._legs.values() if leg.extension.number == "902"]
            await asyncio.gather(*(each.acked for each in leg._invites.values()))
            headers = [("Content-Type", "application/sdp")]
            if method == "INVITE":
                response, invite = await leg.reinvite(headers=headers, body=NO_ADDRESS.encode())
                if invite is not None:
                    leg.ack(invite)
            else:
                response = await leg.request(method, headers=headers, body=NO_ADDRESS.encode())
            assert response.code not in (408, 503), "no answer"
            await target.goes_on()
            await target.daemon.ask("DELETE", f"/v1/calls/{call}")
            await target.daemon.told("call.ended", call=call)

    asyncio.run(play())
