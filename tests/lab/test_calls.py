"""Calls between two extensions, message by message."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from softphone.lab import Lab, LabOptions
from softphone.lab.options import SipTimers
from tests.lab.phone import Phone, phone, sdp
from tests.lab.sound import Rtp, media_port


def in_lab(test: Callable[[Lab], Awaitable[None]], options: LabOptions | None = None) -> None:
    async def run() -> None:
        async with Lab(options) as lab:
            await test(lab)
            for _ in range(200):  # the last answer may still be on its way
                if not lab.switch.endpoint.legs:
                    break
                await asyncio.sleep(0.01)
            assert lab.switch.endpoint.legs == 0, "a dialog was left behind"

    asyncio.run(run())


async def connect(alice: Phone, bob: Phone, a_port: int = 4000, b_port: int = 4002) -> tuple[object, object]:
    """Alice calls Bob, he picks up; returns his INVITE and her 200."""
    await alice.invite("902", sdp(a_port))
    invite = await bob.expect("INVITE")
    bob.reply(invite, 180)
    bob.reply(invite, 200, body=sdp(b_port))
    await bob.expect("ACK")
    await alice.expect(180)
    ok = await alice.expect(200)
    alice.ack(ok)
    return invite, ok


@pytest.mark.parametrize(("one", "two"), [("udp", "udp"), ("tls", "tcp"), ("udp", "tls")])
def test_call_sound_and_hangup_by_caller(one: str, two: str) -> None:
    async def test(lab: Lab) -> None:
        async with phone(lab, "901", one) as alice, phone(lab, "902", two) as bob, Rtp() as a, Rtp() as b:
            await bob.register()
            invite, ok = await connect(alice, bob, a.port, b.port)
            assert invite.from_address.uri.user == "901"
            assert "127.0.0.1" in invite.body.decode()
            a.send(media_port(ok.body), b"hello")
            assert (await b.receive())[12:] == b"hello"
            b.send(media_port(invite.body), b"good day")
            assert (await a.receive())[12:] == b"good day"
            alice.within(ok, "BYE", headers={"Reason": 'SIP;cause=200;text="Enough"'})
            await alice.expect(200)
            bye = await bob.expect("BYE")
            assert bye.headers["Reason"].endswith('"Enough"')
            bob.reply(bye, 200)
            event = await lab.wait_for("call_ended", caller="901", callee="902", by="caller")
            assert event["rtp_received"] == 2
            names = [each.name for each in lab.events if each.name.startswith("call_")]
            assert names == ["call_started", "call_ringing", "call_answered", "call_ended"]

    in_lab(test)


def test_hangup_by_callee() -> None:
    async def test(lab: Lab) -> None:
        async with phone(lab, "901") as alice, phone(lab, "902", "tls") as bob:
            await bob.register()
            invite, _ = await connect(alice, bob)
            bob.within_theirs(invite, "BYE")
            await bob.expect(200)
            alice.reply(await alice.expect("BYE"), 200)
            await lab.wait_for("call_ended", by="callee", cause="hangup")

    in_lab(test)


def test_sound_follows_where_the_packets_come_from() -> None:
    async def test(lab: Lab) -> None:
        async with phone(lab, "901") as alice, phone(lab, "902") as bob, Rtp() as a, Rtp() as b:
            await bob.register()
            invite, ok = await connect(alice, bob, 9, b.port)  # port 9: a lie, as from behind a NAT
            a.send(media_port(ok.body), b"here I am")
            await b.receive()
            b.send(media_port(invite.body), b"found")
            assert (await a.receive())[12:] == b"found"
            alice.within(ok, "BYE")
            bob.reply(await bob.expect("BYE"), 200)
            await lab.wait_for("call_ended")

    in_lab(test)


def test_direct_media_passes_the_description_untouched() -> None:
    async def test(lab: Lab) -> None:
        async with phone(lab, "901") as alice, phone(lab, "902") as bob:
            await bob.register()
            invite, ok = await connect(alice, bob, 4000, 4002)
            assert (invite.body, ok.body) == (sdp(4000), sdp(4002))
            alice.within(ok, "BYE")
            bob.reply(await bob.expect("BYE"), 200)
            await lab.wait_for("call_ended")

    in_lab(test, LabOptions(media="direct"))


@pytest.mark.parametrize("code", [486, 603, 302, 503])
def test_refusal_is_passed_on(code: int) -> None:
    async def test(lab: Lab) -> None:
        async with phone(lab, "901") as alice, phone(lab, "902") as bob:
            await bob.register()
            await alice.invite("902", sdp(4000))
            invite = await bob.expect("INVITE")
            bob.reply(invite, code, headers={"Retry-After": "7"})
            await bob.expect("ACK")
            response = await alice.expect(code)
            assert response.headers["Retry-After"] == "7"
            assert bool(response.contact) == (code == 302)
            alice.ack(response, branch=alice.branch)
            await lab.wait_for("call_ended", code=code, by="callee", cause="rejected")

    in_lab(test)


def test_cancel_reaches_the_callee() -> None:
    async def test(lab: Lab) -> None:
        async with phone(lab, "901") as alice, phone(lab, "902") as bob:
            await bob.register()
            await alice.invite("902", sdp(4000))
            invite = await bob.expect("INVITE")
            bob.reply(invite, 180)
            await alice.expect(180)
            alice.cancel()
            alice.ack(await alice.expect(487), branch=alice.branch)
            bob.reply(await bob.expect("CANCEL"), 200)
            bob.reply(invite, 487)
            await bob.expect("ACK")
            await lab.wait_for("call_ended", cause="cancelled", by="caller", code=487)

    in_lab(test)


def test_cancel_that_crosses_the_answer_ends_with_bye() -> None:
    async def test(lab: Lab) -> None:
        async with phone(lab, "901") as alice, phone(lab, "902") as bob:
            await bob.register()
            await alice.invite("902", sdp(4000))
            invite = await bob.expect("INVITE")
            bob.reply(invite, 180)
            await alice.expect(180)
            alice.cancel()
            bob.reply(await bob.expect("CANCEL"), 481)
            bob.reply(invite, 200, body=sdp(4002))
            await bob.expect("ACK")
            bob.reply(await bob.expect("BYE"), 200)
            alice.ack(await alice.expect(487), branch=alice.branch)

    in_lab(test)


def test_no_answer_is_480() -> None:
    async def test(lab: Lab) -> None:
        async with phone(lab, "901") as alice, phone(lab, "902") as bob:
            await bob.register()
            await alice.invite("902", sdp(4000))
            invite = await bob.expect("INVITE")
            bob.reply(invite, 180)
            alice.ack(await alice.expect(480), branch=alice.branch)
            bob.reply(await bob.expect("CANCEL"), 200)
            bob.reply(invite, 487)
            await bob.expect("ACK")
            await lab.wait_for("call_ended", cause="no answer", code=480)

    in_lab(test, LabOptions(no_answer_s=0.3))


@pytest.mark.parametrize(
    ("number", "code", "cause"),
    [("903", 480, "not registered"), ("909", 480, "not registered"), ("555", 404, "no such number")],
)
def test_nobody_there(number: str, code: int, cause: str) -> None:
    async def test(lab: Lab) -> None:
        async with phone(lab, "901") as alice:
            await alice.invite(number, sdp(4000))
            alice.ack(await alice.expect(code), branch=alice.branch)
            await lab.wait_for("call_ended", callee=number, code=code, cause=cause)

    in_lab(test)


def test_all_contacts_ring_and_the_first_answer_wins() -> None:
    async def test(lab: Lab) -> None:
        async with (
            phone(lab, "901") as alice,
            phone(lab, "902") as desk,
            phone(lab, "902", "tls") as mobile,
        ):
            await desk.register()
            await mobile.register()
            await alice.invite("902", sdp(4000))
            at_desk, at_mobile = await desk.expect("INVITE"), await mobile.expect("INVITE")
            desk.reply(at_desk, 180)
            mobile.reply(at_mobile, 180)
            mobile.reply(at_mobile, 200, body=sdp(4002))
            await mobile.expect("ACK")
            cancel = await desk.expect("CANCEL")
            assert "elsewhere" in cancel.headers["Reason"]
            desk.reply(cancel, 200)
            desk.reply(at_desk, 487)
            await desk.expect("ACK")
            ok = await alice.expect(200)
            alice.ack(ok)
            alice.within(ok, "BYE")
            mobile.reply(await mobile.expect("BYE"), 200)
            await lab.wait_for("call_ended", by="caller", cause="hangup")

    in_lab(test)


def test_the_best_refusal_of_several_phones_wins() -> None:
    async def test(lab: Lab) -> None:
        async with phone(lab, "901") as alice, phone(lab, "902") as desk, phone(lab, "902", "tls") as mobile:
            await desk.register()
            await mobile.register()
            await alice.invite("902", sdp(4000))
            desk.reply(await desk.expect("INVITE"), 503)
            await desk.expect("ACK")
            mobile.reply(await mobile.expect("INVITE"), 486)
            await mobile.expect("ACK")
            alice.ack(await alice.expect(486), branch=alice.branch)
            await lab.wait_for("call_ended", code=486)

    in_lab(test)


def test_early_media_passes() -> None:
    async def test(lab: Lab) -> None:
        async with phone(lab, "901") as alice, phone(lab, "902") as bob, Rtp() as a, Rtp() as b:
            await bob.register()
            await alice.invite("902", sdp(a.port))
            invite = await bob.expect("INVITE")
            bob.reply(invite, 183, body=sdp(b.port))
            progress = await alice.expect(183)
            b.send(media_port(invite.body), b"ring ring")
            assert (await a.receive())[12:] == b"ring ring"
            assert media_port(progress.body) != b.port
            bob.reply(invite, 486)
            await bob.expect("ACK")
            alice.ack(await alice.expect(486), branch=alice.branch)
            await lab.wait_for("call_ended")

    in_lab(test)


def test_late_offer_travels_in_200_and_ack() -> None:
    async def test(lab: Lab) -> None:
        async with phone(lab, "901") as alice, phone(lab, "902") as bob:
            await bob.register()
            await alice.invite("902", b"")
            invite = await bob.expect("INVITE")
            assert invite.body == b""
            bob.reply(invite, 200, body=sdp(4002))
            ok = await alice.expect(200)
            assert media_port(ok.body) != 4002
            alice.ack(ok, body=sdp(4000))
            ack = await bob.expect("ACK")
            assert media_port(ack.body) not in (4000, 0)
            alice.within(ok, "BYE")
            bob.reply(await bob.expect("BYE"), 200)
            await lab.wait_for("call_ended", by="caller")

    in_lab(test)


def test_reinvite_update_and_info_are_passed_on() -> None:
    async def test(lab: Lab) -> None:
        async with phone(lab, "901") as alice, phone(lab, "902") as bob:
            await bob.register()
            invite, ok = await connect(alice, bob)
            hold = sdp(4000) + b"a=sendonly\r\n"
            alice.within(ok, "INVITE", body=hold)
            again = await bob.expect("INVITE")
            assert b"a=sendonly" in again.body
            assert media_port(again.body) == media_port(invite.body)
            bob.reply(again, 200, body=sdp(4002) + b"a=recvonly\r\n")
            await bob.expect("ACK")
            held = await alice.expect(200)
            assert b"a=recvonly" in held.body
            alice.ack(held)

            bob.within_theirs(invite, "UPDATE", body=sdp(4010))
            update = await alice.expect("UPDATE")
            assert media_port(update.body) == media_port(ok.body)
            alice.reply(update, 200, body=sdp(4000))
            assert (await bob.expect(200)).body

            kind = {"Content-Type": "application/dtmf-relay", "X-Note": "seven"}
            alice.within(ok, "INFO", body=b"Signal=7\r\nDuration=100\r\n", headers=kind)
            info = await bob.expect("INFO")
            assert info.body == b"Signal=7\r\nDuration=100\r\n"
            assert info.headers["X-Note"] == "seven"
            bob.reply(info, 200)
            await alice.expect(200)

            alice.within(ok, "BYE")
            bob.reply(await bob.expect("BYE"), 200)
            await lab.wait_for("call_ended")

    in_lab(test)


def test_refused_reinvite_leaves_the_call_up() -> None:
    async def test(lab: Lab) -> None:
        async with phone(lab, "901") as alice, phone(lab, "902") as bob:
            await bob.register()
            _, ok = await connect(alice, bob)
            branch = "z9hG4bKagain"
            alice.within(ok, "INVITE", body=sdp(4000), branch=branch)
            bob.reply(await bob.expect("INVITE"), 488)
            await bob.expect("ACK")
            alice.target = str(ok.contact[0].uri)
            alice.ack(await alice.expect(488), branch=branch)
            alice.within(ok, "BYE")
            bob.reply(await bob.expect("BYE"), 200)
            await lab.wait_for("call_ended", by="caller")

    in_lab(test)


def test_crossing_reinvites_get_491() -> None:
    async def test(lab: Lab) -> None:
        async with phone(lab, "901") as alice, phone(lab, "902") as bob:
            await bob.register()
            invite, ok = await connect(alice, bob)
            alice.within(ok, "INVITE", body=sdp(4000))
            theirs = await bob.expect("INVITE")
            bob.within_theirs(invite, "INVITE", body=sdp(4002), branch="z9hG4bKglare")
            refused = await bob.expect(491)
            bob.target = str(invite.contact[0].uri)
            bob.send(
                bob.request(
                    "ACK",
                    bob.target,
                    to=refused.headers["To"],
                    from_=refused.headers["From"],
                    branch="z9hG4bKglare",
                    cseq=refused.cseq.sequence,
                )
            )
            bob.reply(theirs, 200, body=sdp(4002))
            await bob.expect("ACK")
            alice.ack(await alice.expect(200))
            alice.within(ok, "BYE")
            bob.reply(await bob.expect("BYE"), 200)
            await lab.wait_for("call_ended")

    in_lab(test)


def test_crypto_in_a_plain_offer_is_488() -> None:
    async def test(lab: Lab) -> None:
        line = b"a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj\r\n"
        async with phone(lab, "901") as alice, phone(lab, "902") as bob:
            await bob.register()
            for number in ("9196", "902"):
                await alice.invite(number, sdp(4000) + line)
                alice.ack(await alice.expect(488), branch=alice.branch)
            await lab.wait_for("call_ended", code=488, count=2)

    in_lab(test)


def test_mandatory_srtp_refuses_plain_calls() -> None:
    async def test(lab: Lab) -> None:
        async with phone(lab, "901") as alice:
            await alice.invite("9196", sdp(4000))
            alice.ack(await alice.expect(488), branch=alice.branch)

    in_lab(test, LabOptions(srtp="mandatory"))


QUICK = LabOptions(timers=SipTimers(t1_s=0.05, t2_s=0.2, t4_s=0.2))


def test_answers_are_repeated_until_acknowledged() -> None:
    async def test(lab: Lab) -> None:
        async with phone(lab, "901") as alice:
            await alice.invite("9486", sdp(4000))
            await alice.expect(486)
            again = await alice.expect(486)
            alice.ack(again, branch=alice.branch)
            await alice.invite("9196", sdp(4000))
            await alice.expect(200)
            ok = await alice.expect(200)
            alice.ack(ok)
            alice.within(ok, "BYE")
            await alice.expect(200)

    in_lab(test, QUICK)


def test_an_answer_that_is_never_acknowledged_ends_the_call() -> None:
    async def test(lab: Lab) -> None:
        async with phone(lab, "901") as alice:
            await alice.invite("9196", sdp(4000))
            await alice.expect(200)
            alice.reply(await alice.expect("BYE", timeout_s=5), 200)
            await lab.wait_for("call_ended", by="pbx", cause="no ACK")

    in_lab(test, QUICK)


def test_a_repeated_request_gets_the_same_answer_and_rings_once() -> None:
    async def test(lab: Lab) -> None:
        async with phone(lab, "901") as alice:
            await alice.invite("9196", sdp(4000))
            ok = await alice.expect(200)
            data = alice.request("BYE", str(ok.contact[0].uri), to=ok.headers["To"])
            alice.ack(ok)
            alice.send(data)
            alice.send(data)
            first, second = await alice.expect(200), await alice.expect(200)
            assert bytes(first) == bytes(second)
            assert len(lab.events.find("call_ended")) == 1

    in_lab(test)


def test_invite_to_a_silent_phone_is_repeated_then_given_up() -> None:
    async def test(lab: Lab) -> None:
        async with phone(lab, "901") as alice, phone(lab, "902") as bob:
            await bob.register()
            await alice.invite("902", sdp(4000))
            first, second = await bob.expect("INVITE"), await bob.expect("INVITE")
            assert bytes(first) == bytes(second)
            alice.ack(await alice.expect(480, timeout_s=5), branch=alice.branch)
            await lab.wait_for("call_ended", cause="unreachable", code=480)

    in_lab(test, QUICK)


def test_a_lost_connection_ends_the_ringing_at_once() -> None:
    async def test(lab: Lab) -> None:
        async with phone(lab, "901") as alice, phone(lab, "902", "tls") as bob:
            await bob.register()
            await alice.invite("902", sdp(4000))
            await bob.expect("INVITE")
            lab.drop_connections()
            response = await alice.expect(503)
            alice.ack(response, branch=alice.branch)

    in_lab(test)


def test_the_pbx_calls_an_extension() -> None:
    async def test(lab: Lab) -> None:
        async with phone(lab, "901", "tls") as ua, Rtp() as rtp:
            await ua.register()
            lab.call("901", "9197", caller="0123456789", caller_name="Doorbell", headers=[("X-Kind", "test")])
            invite = await ua.expect("INVITE")
            assert invite.from_address.name == "Doorbell"
            assert invite.from_address.uri.user == "0123456789"
            assert invite.headers["X-Kind"] == "test"
            ua.reply(invite, 180)
            ua.reply(invite, 200, body=sdp(rtp.port))
            await ua.expect("ACK")
            assert len(await rtp.receive()) == 172
            ua.within_theirs(invite, "BYE")
            await ua.expect(200)
            await lab.wait_for("call_ended", caller="0123456789", callee="901", by="callee")

    in_lab(test)


def test_the_pbx_gives_up_when_nobody_answers() -> None:
    async def test(lab: Lab) -> None:
        async with phone(lab, "901") as ua:
            await ua.register()
            lab.call("901")
            invite = await ua.expect("INVITE")
            ua.reply(invite, 180)
            ua.reply(await ua.expect("CANCEL"), 200)
            ua.reply(invite, 487)
            await ua.expect("ACK")
            await lab.wait_for("call_ended", callee="901")

    in_lab(test, LabOptions(no_answer_s=0.2))


def test_cancel_while_a_service_rings() -> None:
    async def test(lab: Lab) -> None:
        async with phone(lab, "901") as alice:
            for number in ("9180", "9183", "9480"):
                await alice.invite(number, sdp(4000))
                await alice.expect(183 if number == "9183" else 180)
                alice.cancel()
                alice.ack(await alice.expect(487), branch=alice.branch)
                await lab.wait_for("call_ended", callee=number, cause="cancelled", by="caller")

    in_lab(test)


def test_a_moved_phone_keeps_its_call() -> None:
    """The connection breaks, the phone registers anew: the PBX's BYE finds the new one."""

    async def test(lab: Lab) -> None:
        async with phone(lab, "901") as alice, phone(lab, "902", "tls") as bob:
            await bob.register()
            _, ok = await connect(alice, bob)
            lab.drop_connections()
            async with phone(lab, "902", "tls") as again:
                await again.register()
                alice.within(ok, "BYE")
                again.reply(await again.expect("BYE"), 200)
                await lab.wait_for("call_ended", by="caller")

    in_lab(test)
