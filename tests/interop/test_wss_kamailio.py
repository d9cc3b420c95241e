"""Accounts over secure WebSocket with Kamailio, whose dialogs go from phone to phone, and rtpengine for their media."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from softphone.testing.audio import heard_share, read_wav, speech_like, write_wav
from tests.interop.peers.kamailio.server import Kamailio
from tests.interop.peers.relay import TcpRelay
from tests.support.phone import Phone, running
from tests.support.until import until

ONE, TWO, THREE = "901@pbx.test", "902@pbx.test", "903@pbx.test"
DIGITS = "123A456B789C*0#D"  # rtpengine holds back what comes ahead of its time, which adds up with every digit
BACK_S = 20.0
REPORTS_S = 40.0
"""They come every five seconds, and some of them before there is anything to tell."""


@pytest.fixture(scope="module")
def running_kamailio() -> Iterator[Kamailio]:
    with Kamailio() as server:
        yield server


@pytest.fixture
def kamailio(running_kamailio: Kamailio) -> Kamailio:
    running_kamailio.forget()
    return running_kamailio


@asynccontextmanager
async def phone_of(
    server: Kamailio, folder: Path, place: str = "", rings: str = "", **transports: str
) -> AsyncIterator[Phone]:
    """Accounts that have registered: phone_of(..., u901="wss", u902="tls"). `place`: where 902 finds the registrar.
    `rings`: the user that does not answer by itself."""

    def entry(name: str, transport: str) -> dict[str, Any]:
        user = name.removeprefix("u")
        secret = folder / f"secret-{user}"
        secret.touch(mode=0o600)
        secret.write_text(f"secret-{user}")
        return {
            "username": user,
            "password": {"file": str(secret)},
            "domain": server.domain,
            "transport": transport,
            "registrar": place if place and user == "902" else server.place(transport),
            "websocket_path": "/ws",
            "tls": {"ca_file": str(server.ca_file)},
            "incoming": [{"action": "answer"}] if user != rings else [],
            "rtcp_xr": True,
            "transfers": "domain",
            "max_calls": 10,
        }

    accounts = [entry(name, transport) for name, transport in transports.items()]
    async with running({"accounts": accounts, "calls": {"follow_redirects": True}}, folder) as phone:
        await phone.registered(len(accounts))
        yield phone


async def pair(phone: Phone, caller: str = ONE, callee: str = TWO, nth: int = 1) -> tuple[str, str]:
    out = phone.agent.dial(callee.partition("@")[0], account=caller)
    came = (await phone.told("call.incoming", account=callee, count=nth))["call"]
    for call in (out.id, came):
        await phone.told("call.answered", call=call)
        await phone.told("call.media", call=call, active=True)
    return out.id, came


async def hears(phone: Phone, folder: Path, said_by: str, listener: str) -> bool:
    said, heard = speech_like(1.5, seed=5), folder / f"heard-{said_by}-{listener}-{len(phone.events)}.wav"
    await phone.agent.record(listener, str(heard), mode="stereo", max_duration_s=2.5)
    write_wav(folder / "says.wav", said)
    await phone.agent.play(said_by, str(folder / "says.wav"))
    await phone.told("record.ended", call=listener, file=str(heard))
    return heard_share(said, read_wav(heard, channel=0), part_s=0.25) >= 0.4


def test_a_webrtc_phone_and_one_over_tls_hear_each_other(kamailio: Kamailio, tmp_path: Path) -> None:
    async def scene() -> None:
        async with phone_of(kamailio, tmp_path, u901="wss", u902="tls") as phone:
            for caller, callee in ((ONE, TWO), (TWO, ONE)):
                out, came = await pair(phone, caller, callee)
                keyings = {phone.all("call.media", call=call, active=True)[-1]["srtp_keying"] for call in (out, came)}
                assert keyings == {"dtls", ""}
                assert await hears(phone, tmp_path, out, came)
                assert await hears(phone, tmp_path, came, out)
                await phone.hung_up(came)
                await phone.told("call.ended", call=out, reason="remote_hangup")

    asyncio.run(scene())


def test_hold_and_be_held_digits_and_a_blind_transfer(kamailio: Kamailio, tmp_path: Path) -> None:
    async def scene() -> None:
        async with phone_of(kamailio, tmp_path, u901="wss", u902="wss", u903="wss") as phone:
            mine, theirs = await pair(phone)
            for held in (True, False):
                (phone.agent.hold if held else phone.agent.resume)(mine)
                await phone.told("call.hold", call=mine, by="local", held=held)
                await phone.told("call.hold", call=theirs, by="remote", held=held)
            assert await hears(phone, tmp_path, mine, theirs)
            for sender in (mine, theirs):
                phone.agent.send_digits(sender, DIGITS)
            for receiver in (mine, theirs):
                await phone.told("call.digit", call=receiver, count=len(DIGITS))
                got = phone.all("call.digit", call=receiver)
                assert "".join(each["digit"] for each in got) == DIGITS
                assert {each["method"] for each in got} == {"rfc4733"}
            phone.agent.transfer(theirs, "903")
            await phone.told("call.transfer", call=theirs, state="done")
            third = (await phone.told("call.incoming", account=THREE))["call"]
            await phone.told("call.media", call=third, active=True)
            second = (await phone.told("call.transfer_asked", call=mine, accepted=True))["new_call"]
            await phone.told("call.media", call=second, active=True)
            assert await hears(phone, tmp_path, second, third)

    asyncio.run(scene())


def test_redirects_both_ways_and_what_each_end_reports(kamailio: Kamailio, tmp_path: Path) -> None:
    """A 302 of ours that another phone of ours follows; then figures of the far end, RTCP-XR (RFC 3611) among them."""

    async def scene() -> None:
        async with phone_of(kamailio, tmp_path, rings="902", u901="wss", u902="wss", u903="wss") as phone:
            out = phone.agent.dial("902", account=ONE).id
            phone.agent.redirect((await phone.told("call.incoming", account=TWO))["call"], "903")
            await phone.told("call.ended", account=TWO, reason="redirected", code=302)
            assert (await phone.told("call.redirected", call=out))["target"] == f"sip:{THREE}"
            third = (await phone.told("call.incoming", account=THREE))["call"]
            for call in (out, third):
                await phone.told("call.media", call=call, active=True)
            await until(lambda: all(reported(phone, call) for call in (out, third)), within_s=REPORTS_S)

    asyncio.run(scene())


def reported(phone: Phone, call: str) -> bool:
    """Whether the far end has told how it hears us, in sender's or receiver's reports and in extended ones."""
    found = phone.agent.quality(call)
    return found is not None and found["tx_jitter_ms"] is not None and found["xr"] is not None


def test_an_attended_transfer(kamailio: Kamailio, tmp_path: Path) -> None:
    async def scene() -> None:
        async with phone_of(kamailio, tmp_path, u901="wss", u902="wss", u903="wss") as phone:
            theirs, mine = await pair(phone, TWO, ONE)
            phone.agent.hold(mine)
            await phone.told("call.hold", call=mine, by="local", held=True)
            consulting, third = await pair(phone, ONE, THREE)
            phone.agent.transfer_to(mine, consulting)
            await phone.told("call.transfer", call=mine, state="done")
            joined = (await phone.told("call.transfer_asked", call=theirs, accepted=True))["new_call"]
            await phone.told("call.media", call=joined, active=True)
            assert await hears(phone, tmp_path, joined, third)

    asyncio.run(scene())


def test_a_call_outlives_its_websocket(kamailio: Kamailio, tmp_path: Path) -> None:
    """Kamailio sends a dialog's requests to the connection that the last one came from: ours tells of the new one."""

    async def scene() -> None:
        with TcpRelay(kamailio.ports.wss) as relay:
            async with phone_of(kamailio, tmp_path, f"127.0.0.1:{relay.port}", u901="wss", u902="wss") as phone:
                out, came = await pair(phone)
                relay.reset()
                await phone.told("account.connection_lost", account=TWO)
                await phone.told("account.registered", account=TWO, count=2, within_s=BACK_S)
                assert await hears(phone, tmp_path, out, came)
                await phone.hung_up(out)
                await phone.told("call.ended", call=came, reason="remote_hangup")

    asyncio.run(scene())


def test_ten_calls_at_once_outlive_a_restart_of_the_proxy(tmp_path: Path) -> None:
    """rtpengine goes on, and so does the sound. What a phone says then is for a connection of the other that is gone:
    Kamailio knows phones within a dialog by their ports, so each end has to hang up by itself."""

    async def scene(server: Kamailio) -> None:
        async with phone_of(server, tmp_path, u901="wss", u902="wss") as phone:
            for each in range(5):
                await pair(phone, nth=each + 1)
            assert len(phone.agent.calls()) == 10
            server.restart_proxy()
            await phone.told("account.connection_lost", account=ONE)
            await phone.told("account.connection_lost", account=TWO)
            for account in (ONE, TWO):
                await phone.told("account.registered", account=account, count=2, within_s=BACK_S)
            first = phone.all("call.dialing")[0]["call"]
            assert await hears(phone, tmp_path, first, phone.all("call.incoming")[0]["call"])
            for call in phone.agent.calls():
                phone.agent.hang_up(call.id)
            await phone.told("call.ended", count=10)

    with Kamailio() as server:
        asyncio.run(scene(server))
