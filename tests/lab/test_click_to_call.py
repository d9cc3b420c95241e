"""Calls that the PBX makes between two ends, as its API asks for them; calls killed; several tenants."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from softphone.errors import Conflict, NotFound
from softphone.lab import Lab, LabOptions
from softphone.lab.directory import Tenant
from softphone.lab.media.g711 import TRANSCODED
from softphone.lab.media.srtp import SdesKey
from tests.lab.phone import Phone, phone, sdp
from tests.lab.sound import Rtp, fields, media_port

SECURE = """v=0
o=phone 1 1 IN IP4 127.0.0.1
s=-
c=IN IP4 127.0.0.1
t=0 0
m=audio {port} RTP/SAVP 0
a=crypto:KEY
"""
PCMA_ONLY = """v=0
o=phone 1 1 IN IP4 127.0.0.1
s=-
c=IN IP4 127.0.0.1
t=0 0
m=audio {port} RTP/AVP 8 101
a=rtpmap:8 PCMA/8000
a=rtpmap:101 telephone-event/8000
"""


def in_lab(test: Callable[[Lab], Awaitable[None]], options: LabOptions | None = None) -> None:
    async def run() -> None:
        async with Lab(options) as lab:
            await test(lab)
            for _ in range(200):
                if not lab.switch.endpoint.legs:
                    break
                await asyncio.sleep(0.01)
            assert lab.switch.endpoint.legs == 0, "a dialog was left behind"

    asyncio.run(run())


async def settle(lab: Lab, call: str) -> None:
    await lab.wait_for("call_ended", call=call)


def test_src_rings_first_and_is_connected_with_the_destination() -> None:
    async def test(lab: Lab) -> None:
        async with phone(lab, "901", "tls") as src, phone(lab, "902") as dst, Rtp() as a, Rtp() as b:
            await src.register()
            await dst.register()
            tenant = lab.switch.tenants.first
            record = lab.switch.click_to_call(tenant, "901", "902", auto_answer=True, src_cid_number="5550123")
            invite = await src.expect("INVITE")
            assert invite.headers["Call-Info"] == f"<sip:{lab.domain}>;answer-after=0"
            assert invite.from_address.uri.user == "5550123"
            assert invite.headers["X-Call-UUID"] == record.uuid
            assert dst.raw.empty()
            src.reply(invite, 200, body=sdp(a.port))
            await src.expect("ACK")
            theirs = await dst.expect("INVITE")
            assert theirs.from_address.uri.user == "901"
            assert theirs.headers.get("Call-Info") is None
            dst.reply(theirs, 180)
            assert len(await a.receive()) == 172  # ringback
            assert record.state == "ringing"
            dst.reply(theirs, 200, body=sdp(b.port, PCMA_ONLY))
            await dst.expect("ACK")
            await lab.wait_for("call_answered", call=record.uuid)
            a.send(media_port(invite.body), b"\x80\x81")
            payload_type, *_, payload = fields(await b.receive())
            assert (payload_type, payload) == (8, b"\x80\x81".translate(TRANSCODED["PCMU", "PCMA"]))
            b.send(media_port(theirs.body), b"\x06\x00\x01\x40", pt=101)
            while fields(data := await a.receive())[0] != 101:
                pass
            assert data[12:] == b"\x06\x00\x01\x40"
            dst.within_theirs(theirs, "INVITE", body=sdp(b.port, PCMA_ONLY) + b"a=sendonly\r\n")
            dst.ack(await dst.expect(200))
            assert record.state == "held"
            dst.within_theirs(theirs, "INVITE", body=sdp(b.port, PCMA_ONLY))
            dst.ack(await dst.expect(200))
            assert record.state == "active"
            dst.within_theirs(theirs, "BYE")
            src.reply(await src.expect("BYE"), 200)
            ended = await lab.wait_for("call_ended", call=record.uuid)
            assert (ended["by"], ended["cause"]) == ("callee", "hangup")
            assert [(each.extension, each.direction, each.number) for each in record.parties] == [
                ("901", "outbound", "902"),
                ("902", "inbound", "901"),
            ]
            assert record.sip_call_ids == [invite.headers["Call-ID"], theirs.headers["Call-ID"]]
            assert record.talk_s > 0

    in_lab(test, LabOptions(call_uuid_header="X-Call-UUID"))


def test_src_is_connected_with_a_service_and_with_an_uri() -> None:
    async def test(lab: Lab) -> None:
        async with phone(lab, "901") as src, Rtp() as rtp:
            await src.register()
            for destination in ("9196", f"sip:9196@{lab.domain}", "+33123456789", "sip:bob@example.org"):
                record = lab.switch.click_to_call(lab.switch.tenants.first, "901", destination)
                invite = await src.expect("INVITE")
                src.reply(invite, 200, body=sdp(rtp.port))
                await src.expect("ACK")
                rtp.send(media_port(invite.body), b"hello")
                assert (await rtp.receive())[12:] == b"hello"
                src.within_theirs(invite, "BYE")
                await src.expect(200)
                await lab.wait_for("call_ended", call=record.uuid, by="caller", rtp_received=1)

    in_lab(test, LabOptions(outside={"+33123456789": "9196", "sip:bob@example.org": "9196"}))


def test_a_destination_that_refuses_ends_the_call() -> None:
    async def test(lab: Lab) -> None:
        async with phone(lab, "901") as src, phone(lab, "902") as dst:
            await src.register()
            await dst.register()
            record = lab.switch.click_to_call(lab.switch.tenants.first, "901", "902")
            src.reply(await src.expect("INVITE"), 200, body=sdp(4000))
            await src.expect("ACK")
            dst.reply(await dst.expect("INVITE"), 486)
            await dst.expect("ACK")
            src.reply(await src.expect("BYE"), 200)
            await lab.wait_for("call_ended", call=record.uuid, cause="rejected", code=486, by="callee")
            assert record.answered_at is None

    in_lab(test)


def test_phones_that_insist_on_srtp_get_it() -> None:
    """Each end refuses the plain offer, and is rung once more with keys."""

    async def test(lab: Lab) -> None:
        async with phone(lab, "901", "tls") as src, phone(lab, "902", "tls") as dst, Rtp() as a, Rtp() as b:
            await src.register()
            await dst.register()
            record = lab.switch.click_to_call(lab.switch.tenants.first, "901", "902")
            for ua, rtp in ((src, a), (dst, b)):
                plain = await ua.expect("INVITE")
                if ua is src:
                    assert b"RTP/AVP" in plain.body
                    ua.reply(plain, 488)
                    await ua.expect("ACK")
                    plain = await ua.expect("INVITE")
                assert b"RTP/SAVP" in plain.body
                key = str(SdesKey.new("AES_CM_128_HMAC_SHA1_80"))
                ua.reply(plain, 200, body=sdp(rtp.port, SECURE.replace("KEY", key)))
                await ua.expect("ACK")
            await lab.wait_for("call_answered", call=record.uuid, srtp=True)
            lab.switch.kill(record.uuid)
            for ua in (src, dst):
                ua.reply(await ua.expect("BYE"), 200)
            await lab.wait_for("call_ended", call=record.uuid, cause="killed")

    in_lab(test)


def test_click_to_call_that_cannot_begin() -> None:
    async def test(lab: Lab) -> None:
        tenant = lab.switch.tenants.first
        with pytest.raises(NotFound):
            lab.switch.click_to_call(tenant, "999", "902")
        with pytest.raises(Conflict):
            lab.switch.click_to_call(tenant, "901", "902")
        for destination in ("12345", "sip:902@elsewhere.test", "sip:", ""):
            with pytest.raises(NotFound):
                lab.switch.click_to_call(tenant, "901", destination)
        assert lab.calls == []

    in_lab(test)


def test_kill_while_src_rings() -> None:
    async def test(lab: Lab) -> None:
        async with phone(lab, "901") as src:
            await src.register()
            record = lab.switch.click_to_call(lab.switch.tenants.first, "901", "9196")
            invite = await src.expect("INVITE")
            src.reply(invite, 180)
            await lab.wait_for("call_ringing", call=record.uuid)
            lab.switch.kill(record.uuid)
            src.reply(await src.expect("CANCEL"), 200)
            src.reply(invite, 487)
            await src.expect("ACK")
            await lab.wait_for("call_ended", call=record.uuid, cause="killed", by="pbx")
            with pytest.raises(NotFound):
                lab.switch.kill(record.uuid)

    in_lab(test)


def test_kill_hangs_up_both_legs() -> None:
    async def test(lab: Lab) -> None:
        async with phone(lab, "901") as alice, phone(lab, "902") as bob:
            await bob.register()
            await alice.invite("902", sdp(4000))
            invite = await bob.expect("INVITE")
            bob.reply(invite, 200, body=sdp(4002))
            await bob.expect("ACK")
            alice.ack(await alice.expect(200))
            await lab.wait_for("call_answered")
            [record] = lab.calls
            lab.switch.kill(record.uuid)
            alice.reply(await alice.expect("BYE"), 200)
            bob.reply(await bob.expect("BYE"), 200)
            await lab.wait_for("call_ended", cause="killed", by="pbx", count=1)

    in_lab(test)


def test_kill_while_a_phone_of_a_caller_rings() -> None:
    async def test(lab: Lab) -> None:
        async with phone(lab, "901") as alice, phone(lab, "902") as bob:
            await bob.register()
            await alice.invite("902", sdp(4000))
            invite = await bob.expect("INVITE")
            bob.reply(invite, 180)
            await alice.expect(180)
            lab.switch.kill(lab.calls[0].uuid)
            alice.ack(await alice.expect(480), branch=alice.branch)
            bob.reply(await bob.expect("CANCEL"), 200)
            bob.reply(invite, 487)
            await bob.expect("ACK")
            await lab.wait_for("call_ended", cause="killed", by="pbx")

    in_lab(test)


def test_the_same_number_in_two_tenants() -> None:
    async def test(lab: Lab) -> None:
        second = Tenant("two.lab.test")
        for number in ("901", "902"):
            second.add(number)
        lab.switch.tenants.add(second)

        def of_second(number: str) -> Phone:
            password = second.get(number).password
            return Phone(user=number, domain=second.domain, port=lab.sip_udp_port, password=password)

        async with phone(lab, "902") as first_902, of_second("901") as alice, of_second("902") as bob:
            await first_902.register()
            await bob.register()
            await alice.register()
            await lab.wait_for("registered", extension="901", domain=second.domain)
            await alice.invite("902", sdp(4000))
            invite = await bob.expect("INVITE")
            assert str(invite.from_address.uri) == "sip:901@two.lab.test"
            bob.reply(invite, 200, body=sdp(4002))
            await bob.expect("ACK")
            ok = await alice.expect(200)
            alice.ack(ok)
            alice.within(ok, "BYE")
            bob.reply(await bob.expect("BYE"), 200)
            await lab.wait_for("call_ended", domain=second.domain)
            assert first_902.raw.empty()
            with pytest.raises(NotFound):
                lab.switch.click_to_call(second, "903", "902")
        stranger = Phone(user="901", domain=lab.domain, port=lab.sip_udp_port, password=second.get("901").password)
        async with stranger:
            await stranger.register(expect=403)
            await lab.wait_for("registration_failed", extension="901", domain=lab.domain, code=403)

    in_lab(test)
