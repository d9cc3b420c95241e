"""Live events: the handshake, pings, and frames that follow real calls."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import time
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus

from softphone.lab import Lab, LabOptions
from softphone.lab.service_options import ServiceOptions, TenantOptions
from tests.lab.phone import Phone, phone, sdp
from tests.lab.service import Client, Live, with_service
from tests.lab.sound import Rtp


def options(**service: Any) -> LabOptions:
    return LabOptions(service=ServiceOptions(**service))


async def talk(caller: Phone, callee: Phone, number: str) -> Any:
    """A call that is answered; returns the INVITE that the callee got."""
    await caller.invite(number, sdp(4000))
    invite = await callee.expect("INVITE")
    for _ in range(2):
        callee.reply(invite, 180)
        await caller.expect(180)
    callee.reply(invite, 200, body=sdp(4002))
    response = await caller.expect(200)
    caller.ack(response)
    await callee.expect("ACK")
    return invite


def test_both_sides_of_a_call() -> None:
    async def test(api: Client) -> None:
        async with api.live(901) as mine, api.live(901, 902) as ours:
            async with phone(api.lab, "901") as caller, phone(api.lab, "902") as callee:
                await caller.register()
                await callee.register()
                invite = await talk(caller, callee, "902")
                callee.within_theirs(invite, "INVITE", body=sdp(4002) + b"a=sendonly\r\n")
                caller.reply(await caller.expect("INVITE"), 200, body=sdp(4000) + b"a=recvonly\r\n")
                callee.ack(await callee.expect(200))
                await api.lab.wait_for("call_held")
                callee.within_theirs(invite, "BYE")
                caller.reply(await caller.expect("BYE"), 200)
            states = [await mine.call() for _ in range(4)]
            (record,) = api.lab.calls
            assert [each["state"] for each in states] == ["ringing", "active", "held", "finished"]
            assert states[0] == {
                "callUuid": record.uuid,
                "state": "ringing",
                "direction": "outbound",
                "number": "902",
                "presenceId": "901@contact.pbx.lab.test",
                "createdEpoch": int(record.started_at),
                "answeredEpoch": 0,
                "duration": 0,
            }
            assert record.answered_at is not None
            assert states[3]["answeredEpoch"] == int(record.answered_at)
            both = [await ours.call() for _ in range(8)]
            inbound = [each for each in both if each["presenceId"].startswith("902@")]
            assert [each["state"] for each in inbound] == ["ringing", "active", "held", "finished"]
            assert {(each["direction"], each["number"]) for each in inbound} == {("inbound", "901")}

    with_service(test)


def test_click_to_call_and_kill_by_the_api() -> None:
    async def test(api: Client) -> None:
        call, kill = "/api/pbx/v1/active_call/call", "/api/pbx/v1/active_call/kill"
        async with (
            api.live(902) as theirs_only,
            api.live(901, 902) as live,
            phone(api.lab, "901") as src,
            phone(api.lab, "902") as dst,
            Rtp() as rtp,
        ):
            unregistered = await api.post(call, src="901", destination="902")
            assert (unregistered.status_code, unregistered.json()["message"]) == (422, "-ERR USER_NOT_REGISTERED")
            await src.register()
            await dst.register()
            nowhere = await api.post(call, src="901", destination="33612345678")
            assert (nowhere.status_code, nowhere.json()["message"]) == (422, "-ERR NO_ROUTE_DESTINATION")
            invalid = await api.post(call, src="555", destination="902")
            assert invalid.status_code == 422
            assert invalid.json() == {"error": True, "message": "src invalid", "validationErrors": {}}
            empty = await api.post(call, destination="902")
            assert empty.json()["validationErrors"] == {"src": "The src field is required."}
            answer = await api.post(call, src="901", destination="902", auto_answer="true", src_cid_number="5550")
            uuid = answer.json().pop("call_uuid")
            assert answer.json() | {"call_uuid": ""} == {
                "success": True,
                "message": "Action completed successfully",
                "call_uuid": "",
                "recording": "+OK",
            }
            invite = await src.expect("INVITE")
            assert "answer-after=0" in invite.headers["Call-Info"]
            assert invite.from_address.uri.user == "5550"
            src.reply(invite, 180)
            await api.lab.wait_for("call_ringing", call=uuid)
            with pytest.raises(TimeoutError):  # it is the caller's own phone that rings
                await theirs_only.call(0.2)
            src.reply(invite, 200, body=sdp(rtp.port))
            await src.expect("ACK")
            theirs = await dst.expect("INVITE")
            dst.reply(theirs, 180)
            dst.reply(theirs, 200, body=sdp(rtp.port))
            await dst.expect("ACK")
            await api.lab.wait_for("call_answered", call=uuid)
            foreign = Client(api.lab, api.http, api.lab.directory.tenant("b.test"))
            assert (await foreign.post(kill, call_uuid=uuid)).json()["message"] == "-ERR No such channel!"
            assert (await api.post(kill, call_uuid=uuid)).json()["success"] is True
            for each in (src, dst):
                each.reply(await each.expect("BYE"), 200)
            await api.lab.wait_for("call_ended", call=uuid)
            assert (await api.post(kill, call_uuid=uuid)).json()["message"] == "-ERR No such channel!"
            frames = [await live.call() for _ in range(6)]
            assert [(each["presenceId"][:3], each["direction"], each["state"]) for each in frames] == [
                ("901", "outbound", "ringing"),
                ("902", "inbound", "ringing"),
                ("901", "outbound", "active"),
                ("902", "inbound", "active"),
                ("901", "outbound", "finished"),
                ("902", "inbound", "finished"),
            ]

    with_service(test, LabOptions(tenants=(TenantOptions("b.test", extensions=("901",)),)))


async def states(live: Live, count: int) -> list[tuple[str, str]]:
    """Extension and state of the next frames."""
    frames = [await live.call() for _ in range(count)]
    return [(each["presenceId"].split("@")[0], each["state"]) for each in frames]


def test_who_transfers_is_out_and_who_takes_over_is_in() -> None:
    async def test(api: Client) -> None:
        async with (
            api.live(901, 902, 903) as live,
            phone(api.lab, "901") as alice,
            phone(api.lab, "902") as bob,
            phone(api.lab, "903") as carol,
        ):
            for each in (alice, bob, carol):
                await each.register()
            invite = await talk(alice, bob, "902")
            assert [state for _, state in await states(live, 4)] == ["ringing", "ringing", "active", "active"]
            bob.within_theirs(invite, "REFER", headers={"Refer-To": "<sip:903@pbx.lab.test>"})
            await bob.expect(202)
            bob.reply(await bob.expect("NOTIFY"), 200)
            third = await carol.expect("INVITE")
            carol.reply(third, 200, body=sdp(4004))
            await carol.expect("ACK")
            alice.reply(await alice.expect("INVITE"), 200, body=sdp(4000))
            await alice.expect("ACK")
            assert await states(live, 3) == [("902", "finished"), ("903", "ringing"), ("903", "active")]
            carol.within_theirs(third, "BYE")
            await carol.expect(200)
            alice.reply(await alice.expect("BYE"), 200)
            assert await states(live, 2) == [("901", "finished"), ("903", "finished")]
            await api.lab.wait_for("call_ended")
            bob.reply(await bob.expect("NOTIFY"), 200)

    with_service(test)


def test_a_mailbox_is_not_the_extension() -> None:
    async def test(api: Client) -> None:
        async with api.live(901, 902) as live, phone(api.lab, "901") as one, phone(api.lab, "902") as two, Rtp() as rtp:
            await one.register()
            await two.register()
            await one.invite("902", sdp(rtp.port))
            invite = await two.expect("INVITE")
            two.reply(invite, 180)
            two.reply(invite, 486)
            await two.expect("ACK")
            ok = await one.expect(200)
            one.ack(ok)
            assert await states(live, 4) == [
                ("901", "ringing"),
                ("902", "ringing"),
                ("901", "active"),
                ("902", "finished"),
            ]
            one.within(ok, "BYE")
            await one.expect(200)
            assert await states(live, 1) == [("901", "finished")]
            await api.lab.wait_for("call_ended")

    with_service(test, LabOptions(voicemail=True))


HANDSHAKES = [
    ("", 406, "&t parameter is missing"),
    ("?ext=901", 406, "&t parameter is missing"),
    ("?t={token}", 406, "&ext parameter is missing"),
    ("?t={token}&ext=", 406, "&ext parameter is missing"),
    ("?t=wrong&ext=901", 401, "Invalid token"),
    ("?t={token}&ext=901,902", 401, "Invalid token"),
]


@pytest.mark.parametrize(("query", "status", "text"), HANDSHAKES)
def test_refused_handshakes(query: str, status: int, text: str) -> None:
    async def by_status(api: Client) -> None:
        token = (await api.acquire(901))["token"]
        with pytest.raises(InvalidStatus) as refused:
            await connect(f"{api.lab.live_url}/calls{query.format(token=token)}")
        assert refused.value.response.status_code == status
        assert refused.value.response.body == text.encode()

    async def by_frame(api: Client) -> None:
        token = (await api.acquire(901))["token"]
        async with connect(f"{api.lab.live_url}/calls{query.format(token=token)}") as socket:
            assert await socket.recv() == f'{{"event":"error","data":{{"message":"{text}"}}}}'
            with pytest.raises(ConnectionClosed):
                await socket.recv()

    with_service(by_status)
    with_service(by_frame, options(live_errors="frame"))


def test_pings_want_pongs() -> None:
    async def test(api: Client) -> None:
        async with api.live(901) as live:
            for _ in range(3):
                ping = await live.frame()
                assert ping["event"] == "ping"
                assert abs(ping["data"]["sentStamp"] / 1000 - time.time()) < 60
                assert 200 < ping["data"]["expiresInSec"] <= 300
                await live.socket.send('{"event":"pong","data":' + str(ping["data"]).replace("'", '"') + "}")
            await live.frame()
            await live.socket.send('{"event":"pong","data":{"sentStamp":1,"expiresInSec":1}}')
            with pytest.raises(ConnectionClosed):
                await live.frame()
            await api.lab.wait_for("live_strange_frame")
            await api.lab.wait_for("live_closed", cause="no pong")

    with_service(test, options(live_ping_s=0.05, live_pong_s=1.0))


def test_the_end_of_the_token_is_the_end_of_the_stream() -> None:
    async def test(api: Client) -> None:
        token = await api.acquire(901)
        async with api.live(901, token=token["token"]) as live:
            assert (await api.auth("revoke-access", bearer=token["token"])).status_code == 200
            assert await live.frame() == {"event": "error", "data": {"message": "Invalid token"}}
            with pytest.raises(ConnectionClosed):
                await live.frame()

    with_service(test)


async def rings(api: Client, number: str, times: int) -> None:
    """Calls that nobody can take: two frames each for the caller."""
    async with phone(api.lab, number) as caller:
        await caller.register()
        for _ in range(times):
            await caller.invite("9486", sdp(4000))
            caller.ack(await caller.expect(486))


@pytest.mark.parametrize(
    ("kind", "states"),
    [
        ("lose", ["finished", "ringing", "finished"]),
        ("duplicate", ["ringing", "ringing", "finished", "ringing", "finished"]),
        ("reorder", ["finished", "ringing", "ringing", "finished"]),
    ],
)
def test_faults_in_the_stream(kind: str, states: list[str]) -> None:
    async def test(api: Client) -> None:
        async with api.live(901) as live:
            fault = api.lab.fault("live", kind, times=1, path="901")
            await rings(api, "901", 2)
            assert [(await live.call())["state"] for _ in states] == states
            assert fault.struck == 1

    with_service(test)


def test_a_connection_that_breaks_and_frames_that_are_none() -> None:
    async def test(api: Client) -> None:
        async with api.live(901) as live:
            api.lab.fault("live", "garbage", times=1)
            await rings(api, "901", 1)
            with pytest.raises(ValueError, match="Expecting"):
                await live.frame()
            assert (await live.call())["state"] == "ringing"
            api.lab.fault("live", "drop", times=1)
            await rings(api, "901", 1)
            with pytest.raises(ConnectionClosed):
                await live.until_closed()
        api.lab.fault("live", "refuse", status=503, times=1)
        with pytest.raises(InvalidStatus, match="503"):
            async with api.live(901):
                pass
        async with api.live(901):
            await api.lab.wait_for("live_opened", count=2)

    with_service(test)


def test_over_tls() -> None:
    async def run() -> None:
        async with Lab(LabOptions(api_https=True)) as lab:
            trusting = ssl.create_default_context(cafile=str(lab.ca_file))
            async with httpx.AsyncClient(base_url=lab.api_url, verify=trusting) as http:
                token = (await Client(lab, http).acquire(901))["token"]
            address = f"{lab.live_url}/calls?t={token}&ext=901"
            assert address.startswith("wss://")
            async with connect(address, ssl=trusting):
                await lab.wait_for("live_opened", domain=lab.domain, extensions=["901"])
            await lab.wait_for("live_closed", cause="client left")

    asyncio.run(run())


def test_clients_that_come_back_at_once_do_not_hold_up_the_end() -> None:
    async def come_back(address: str) -> None:
        while True:
            with contextlib.suppress(ConnectionClosed, InvalidHandshake, OSError):
                async with connect(address, open_timeout=1) as socket:
                    await socket.recv()

    async def run() -> None:
        async with Lab() as lab, httpx.AsyncClient(base_url=lab.api_url) as http:
            token = (await Client(lab, http).acquire(901))["token"]
            clients = [asyncio.create_task(come_back(f"{lab.live_url}/calls?t={token}&ext=901")) for _ in range(5)]
            await lab.wait_for("live_opened", count=5)
        assert len(lab.events.find("live_opened")) == 5
        for client in clients:
            client.cancel()
        await asyncio.gather(*clients, return_exceptions=True)

    asyncio.run(run())


@pytest.mark.parametrize(("style", "value"), [("zero", 0), ("null", None), ("missing", ...)])
def test_the_time_of_the_answer_before_it(style: str, value: Any) -> None:
    async def test(api: Client) -> None:
        async with api.live(901) as live:
            await rings(api, "901", 1)
            assert (await live.call()).get("answeredEpoch", ...) == value

    with_service(test, options(live_unanswered=style))


def test_tenants_see_their_own_calls() -> None:
    async def test(api: Client) -> None:
        other = Client(api.lab, api.http, api.lab.directory.tenant("b.test"))
        async with api.live(901) as live, other.live(901) as theirs:
            await rings(api, "901", 1)
            assert (await live.call())["state"] == "ringing"
            with pytest.raises(TimeoutError):
                await theirs.call(0.2)

    with_service(test, LabOptions(tenants=(TenantOptions("b.test", extensions=("901",)),)))
