"""Transfers by REFER, message by message: blind, attended, refused, and of calls with a service."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sipmessage import URI, Request

from softphone.lab import Lab, LabOptions
from softphone.lab.sip.refer import Replaced, parse_refer
from tests.lab.phone import Phone, phone, sdp
from tests.lab.sound import Rtp, media_port

QUEUE = {"Refer-To": "<sip:903@pbx.lab.test>", "Referred-By": "<sip:901@pbx.lab.test>"}


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


async def connect(alice: Phone, bob: Phone, a_port: int = 4000, b_port: int = 4002) -> tuple[Any, Any]:
    """Alice calls Bob, he picks up; returns his INVITE and her 200."""
    await alice.invite(bob.user, sdp(a_port))
    invite = await bob.expect("INVITE")
    bob.reply(invite, 200, body=sdp(b_port))
    await bob.expect("ACK")
    ok = await alice.expect(200)
    alice.ack(ok)
    return invite, ok


async def progress(phone: Phone, code: int) -> Any:
    """A NOTIFY that tells of this code."""
    notify = await phone.expect("NOTIFY")
    phone.reply(notify, 200)
    assert notify.headers["Event"].startswith("refer")
    assert notify.body.startswith(b"SIP/2.0 %d " % code), notify.body
    assert ("terminated" in notify.headers["Subscription-State"]) == (code >= 200)
    return notify


async def taken_over(phone: Phone, rtp: Rtp) -> int:
    """The PBX re-INVITEs a phone that stays; returns where it wants the sound."""
    again = await phone.expect("INVITE")
    phone.reply(again, 200, body=sdp(rtp.port))
    await phone.expect("ACK")
    return media_port(again.body)


def test_blind() -> None:
    async def test(lab: Lab) -> None:
        async with (
            phone(lab, "901") as alice,
            phone(lab, "902", "tls") as bob,
            phone(lab, "903") as carol,
            Rtp() as b,
            Rtp() as c,
        ):
            await bob.register()
            await carol.register()
            invite, ok = await connect(alice, bob)
            alice.within(ok, "REFER", headers=QUEUE)
            assert (await alice.expect(202)).contact
            await progress(alice, 100)
            third = await carol.expect("INVITE")
            assert third.headers["Referred-By"] == QUEUE["Referred-By"]
            assert third.from_address.uri.user == "902"
            carol.reply(third, 180)
            carol.reply(third, 200, body=sdp(c.port))
            await carol.expect("ACK")
            port = await taken_over(bob, b)
            await progress(alice, 200)
            alice.within(ok, "BYE")
            await alice.expect(200)
            await lab.wait_for("call_transferred", to="903", by="caller", how="blind")
            await lab.wait_for("request", method="REFER")
            b.send(port, b"hello")
            assert (await c.receive())[12:] == b"hello"
            c.send(media_port(third.body), b"good day")
            assert (await b.receive())[12:] == b"good day"
            bob.within_theirs(invite, "BYE")
            await bob.expect(200)
            carol.reply(await carol.expect("BYE"), 200)
            await lab.wait_for("call_ended", cause="hangup")
            [record] = lab.calls
            assert [each.extension for each in record.parties] == ["901", "902", "903"]
            assert len(record.sip_call_ids) == 3

    in_lab(test)


def test_blind_and_gone_at_once() -> None:
    """The transferring phone does not wait for NOTIFY, and the callee transfers the caller."""

    async def test(lab: Lab) -> None:
        async with phone(lab, "901") as alice, phone(lab, "902") as bob, phone(lab, "903") as carol, Rtp() as a:
            await bob.register()
            await carol.register()
            invite, ok = await connect(alice, bob)
            bob.within_theirs(invite, "REFER", headers={"Refer-To": "sip:903@pbx.lab.test"})
            await bob.expect(202)
            bob.within_theirs(invite, "BYE")
            await bob.expect(200)
            third = await carol.expect("INVITE")
            assert third.from_address.uri.user == "901"
            assert alice.raw.empty()
            carol.reply(third, 200, body=sdp(4004))
            await carol.expect("ACK")
            await taken_over(alice, a)
            carol.within_theirs(third, "BYE")
            await carol.expect(200)
            alice.reply(await alice.expect("BYE"), 200)
            await lab.wait_for("call_ended")

    in_lab(test)


@pytest.mark.parametrize(("target", "code"), [("903", 486), ("904", 480), ("12345", 404)])
def test_a_refused_transfer_leaves_the_call_as_it_was(target: str, code: int) -> None:
    async def test(lab: Lab) -> None:
        async with (
            phone(lab, "901") as alice,
            phone(lab, "902") as bob,
            phone(lab, "903") as carol,
            Rtp() as a,
            Rtp() as b,
        ):
            await bob.register()
            await carol.register()
            _, ok = await connect(alice, bob, a.port, b.port)
            alice.within(ok, "REFER", headers={"Refer-To": f"<sip:{target}@pbx.lab.test>"})
            await alice.expect(202)
            await progress(alice, 100)
            if target == "903":
                carol.reply(await carol.expect("INVITE"), 486)
                await carol.expect("ACK")
            await progress(alice, code)
            assert bob.raw.empty()
            a.send(media_port(ok.body), b"still there")
            assert (await b.receive())[12:] == b"still there"
            alice.within(ok, "BYE")
            bob.reply(await bob.expect("BYE"), 200)
            await lab.wait_for("call_ended", by="caller")

    in_lab(test)


def test_attended() -> None:
    async def test(lab: Lab) -> None:
        async with (
            phone(lab, "901") as alice,
            phone(lab, "902") as bob,
            phone(lab, "903") as carol,
            Rtp() as b,
            Rtp() as c,
        ):
            await bob.register()
            await carol.register()
            invite, ok = await connect(alice, bob)
            alice.within(ok, "INVITE", body=sdp(4000) + b"a=sendonly\r\n")
            bob.reply(await bob.expect("INVITE"), 200, body=sdp(4002) + b"a=recvonly\r\n")
            await bob.expect("ACK")
            alice.ack(await alice.expect(200))
            assert lab.calls[0].state == "held"
            first = alice.call_id
            third, second = await connect(alice, carol)
            consulted, alice.call_id = alice.call_id, first
            replaces = f"{consulted};to-tag={second.to_address.parameters['tag']};from-tag=phone901"
            target = f"<sip:903@pbx.lab.test?Replaces={quote(replaces)}>"
            alice.within(ok, "REFER", headers={"Refer-To": target})
            await alice.expect(202)
            await progress(alice, 100)
            b_port = await taken_over(bob, b)
            c_port = await taken_over(carol, c)
            seen = {}
            while len(seen) < 2:  # the NOTIFY in the one call, the BYE of the other
                message = await alice.receive()
                if isinstance(message, Request):
                    alice.reply(message, 200)
                    seen[message.method] = message.headers["Call-ID"]
            assert seen == {"NOTIFY": first, "BYE": consulted}
            alice.call_id = first
            alice.within(ok, "BYE")
            b.send(b_port, b"hello")
            assert (await c.receive())[12:] == b"hello"
            c.send(c_port, b"good day")
            assert (await b.receive())[12:] == b"good day"
            await lab.wait_for("call_ended", callee="903", cause="transferred")
            carol.within_theirs(third, "BYE")
            await carol.expect(200)
            bob.reply(await bob.expect("BYE"), 200)
            await lab.wait_for("call_ended", callee="902")
            await lab.wait_for("call_transferred", to="903", how="attended")
            await lab.wait_for("call_resumed", by="caller")
            assert invite.headers["Call-ID"] in lab.calls[0].sip_call_ids
            assert third.headers["Call-ID"] in lab.calls[0].sip_call_ids

    in_lab(test)


def test_the_partner_of_a_service_gets_another_phone() -> None:
    """Blind, from the echo to Carol, who hears herself; and a phone to a service, attended."""

    async def test(lab: Lab) -> None:
        async with phone(lab, "901") as alice, phone(lab, "903") as carol, Rtp() as c:
            await carol.register()
            await alice.invite("9196", sdp(4000))
            ok = await alice.expect(200)
            alice.ack(ok)
            alice.within(ok, "REFER", headers=QUEUE)
            await alice.expect(202)
            third = await carol.expect("INVITE")
            carol.reply(third, 200, body=sdp(c.port))
            await carol.expect("ACK")
            await progress(alice, 100)
            await progress(alice, 200)
            alice.reply(await alice.expect("BYE", timeout_s=5), 200)
            await lab.wait_for("call_transferred", to="903")
            for _ in range(20):
                c.send(media_port(third.body), b"to myself")
                if not c.packets.empty():
                    break
                await asyncio.sleep(0.05)
            assert (await c.receive())[12:] == b"to myself"
            carol.within_theirs(third, "BYE")
            await carol.expect(200)
            await lab.wait_for("call_ended")

    in_lab(test)


def test_a_phone_is_sent_to_a_service() -> None:
    async def test(lab: Lab) -> None:
        async with phone(lab, "901") as alice, phone(lab, "902") as bob, Rtp() as b:
            await bob.register()
            invite, ok = await connect(alice, bob)
            alice.within(ok, "REFER", headers={"Refer-To": "<sip:9196@pbx.lab.test>"})
            port = await taken_over(bob, b)
            await alice.expect(202)
            await progress(alice, 100)
            await progress(alice, 200)
            alice.within(ok, "BYE")
            await alice.expect(200)
            for _ in range(20):
                b.send(port, b"to myself")
                if not b.packets.empty():
                    break
                await asyncio.sleep(0.05)
            assert (await b.receive())[12:] == b"to myself"
            bob.within_theirs(invite, "BYE")
            await bob.expect(200)
            await lab.wait_for("call_ended")

    in_lab(test)


@pytest.mark.parametrize(
    ("refer_to", "code", "options"),
    [
        ("<sip:903@pbx.lab.test>", 501, LabOptions(refer=False)),
        ("tel:+33123", 400, LabOptions()),
        ("", 400, LabOptions()),
        ("<sip:903@pbx.lab.test?Replaces=none%3Bto-tag%3Da%3Bfrom-tag%3Db>", 481, LabOptions()),
    ],
)
def test_transfers_that_cannot_be(refer_to: str, code: int, options: LabOptions) -> None:
    async def test(lab: Lab) -> None:
        async with phone(lab, "901") as alice:
            await alice.invite("9196", sdp(4000))
            ok = await alice.expect(200)
            alice.ack(ok)
            alice.within(ok, "REFER", headers={"Refer-To": refer_to} if refer_to else {})
            if code == 481:
                await progress(alice, 100)
                await progress(alice, 481)
            else:
                await alice.expect(code)
            alice.within(ok, "BYE")
            await lab.wait_for("call_ended", by="caller")

    in_lab(test, options)


def test_refer_to_is_read() -> None:
    request = Request("REFER", URI.parse("sip:lab@127.0.0.1"))
    request.headers.set("Refer-To", '"Carol" <sip:903@pbx.lab.test;x=1?Replaces=a%40b%3Bto-tag%3Dt%3Bfrom-tag%3Df>')
    target = parse_refer(request)
    assert (target.number, target.host) == ("903", "pbx.lab.test")
    assert target.replaces == Replaced("a@b", "t", "f")


@given(st.text(alphabet=st.characters(blacklist_characters="\r\n", codec="utf-8"), max_size=80))
def test_any_refer_to_is_survived(text: str) -> None:
    request = Request("REFER", URI.parse("sip:lab@127.0.0.1"))
    for value in (text, f"<sip:{text}>", f"<sip:a@b?Replaces={text}>"):
        request.headers.set("Refer-To", value)
        try:
            parse_refer(request)
        except ValueError:
            continue
