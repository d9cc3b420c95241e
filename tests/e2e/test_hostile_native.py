"""Rubbish that our PJSIP survives by a patch of our own (native/patches): some of it ended the process."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.e2e.test_hostile import account
from tests.support import hostile
from tests.support.daemon import Daemon
from tests.support.hostile import Peer
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
