"""Kamailio as registrar and proxy, rtpengine for the sound: NAT, outbound flows, fail-over, IPv6.

The phone runs in the test's own process, with two accounts that call each other by way of Kamailio.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest

from softphone.testing.audio import heard_share, read_wav, speech_like, write_wav
from tests.interop.peers.kamailio.server import Kamailio
from tests.support.netns import Networks
from tests.support.phone import Phone, running

ONE, TWO = "901@pbx.test", "902@pbx.test"
SAYS_S, WAY_S = 1.5, 1.0
ALL_DIGITS = "1234567890*#ABCD"
Play = Callable[..., None]


@pytest.fixture(scope="module")
def running_kamailio() -> Iterator[Kamailio]:
    with Kamailio(["127.0.0.1", "::1"]) as server:
        yield server


@pytest.fixture
def kamailio(running_kamailio: Kamailio) -> Kamailio:
    """The one of this file, without any contact."""
    running_kamailio.forget()
    return running_kamailio


@pytest.fixture
def other(running_kamailio: Kamailio) -> Iterator[Kamailio]:
    """A second one, which the test may break."""
    with Kamailio(twin=running_kamailio) as server:
        yield server


@pytest.fixture
def play(tmp_path: Path) -> Play:
    """Runs a scene with a phone: play(scene, registrars, users=..., password=..., sip=..., **account settings)."""

    def run(
        scene: Callable[[Phone], Coroutine[Any, Any, None]],
        server: Kamailio,
        *registrars: str,
        transport: str = "tls",
        users: tuple[str, ...] = ("901", "902"),
        password: str = "",
        sip: dict[str, Any] | None = None,
        **account: Any,
    ) -> None:
        def entry(user: str) -> dict[str, Any]:
            secret = tmp_path / f"secret-{user}"
            secret.touch(mode=0o600)
            secret.write_text(password or f"secret-{user}")
            return {
                "username": user,
                "password": {"file": str(secret)},
                "domain": server.domain,
                "transport": transport,
                "registrar": list(registrars) or server.place(transport),
                "tls": {"ca_file": str(server.ca_file)},
                "websocket_path": "/ws",
                "incoming": [{"action": "answer"}],
            } | account

        async def act() -> None:
            config = {"accounts": [entry(user) for user in users], "sip": sip or {}}
            async with running(config, tmp_path) as phone:
                await scene(phone)

        asyncio.run(act())

    return run


async def both_hear_each_other(phone: Phone, folder: Path, server: Kamailio) -> None:
    """901 calls 902; each says something of its own, and the other hears it."""
    call = phone.agent.dial("902", account=ONE)
    other = (await phone.told("call.incoming", account=TWO, count=len(phone.all("call.dialing"))))["call"]
    ends = (call.id, other)
    for end in ends:
        await phone.told("call.answered", call=end)
        media = await phone.told("call.media", call=end, active=True)
        assert int(media["remote"].rpartition(":")[2]) in server.media, "the sound goes through rtpengine"
    said = {end: speech_like(SAYS_S, seed=n + 1) for n, end in enumerate(ends)}
    heard = {end: folder / f"heard-{end}.wav" for end in ends}
    for end in ends:
        await phone.agent.record(end, str(heard[end]), mode="stereo", max_duration_s=SAYS_S + WAY_S, overwrite=True)
    for end in ends:
        write_wav(folder / f"says-{end}.wav", said[end])
        await phone.agent.play(end, str(folder / f"says-{end}.wav"))
    for end, far in (ends, reversed(ends)):
        await phone.told("record.ended", call=end, reason="max_duration")
        assert heard_share(said[far], read_wav(heard[end], channel=0), part_s=0.25) >= 0.4
    await phone.hung_up(call.id)
    assert (await phone.told("call.ended", call=other))["reason"] == "remote_hangup"


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
@pytest.mark.parametrize("transport", ["udp", "tcp", "tls", "wss"])
def test_a_call_between_two_of_ours(
    play: Play, kamailio: Kamailio, tmp_path: Path, transport: str, address: str
) -> None:
    async def scene(phone: Phone) -> None:
        await phone.registered(2)
        assert {contact.user for contact in kamailio.contacts()} == {"901", "902"}
        await both_hear_each_other(phone, tmp_path, kamailio)

    play(scene, kamailio, kamailio.place(transport, address), transport=transport, sip={"bind": address})


def test_all_digits(play: Play, kamailio: Kamailio) -> None:
    """rtpengine holds back what comes ahead of its time: a clock that gains with each digit loses the later ones."""

    async def scene(phone: Phone) -> None:
        await phone.registered(2)
        call = phone.agent.dial("902", account=ONE).id
        other = (await phone.told("call.incoming", account=TWO))["call"]
        for end in (call, other):
            await phone.told("call.answered", call=end)
            await phone.told("call.media", call=end, active=True)
            phone.agent.send_digits(end, ALL_DIGITS)
        for end in (call, other):
            await phone.told("call.digit", call=end, count=len(ALL_DIGITS))
            assert "".join(told["digit"] for told in phone.all("call.digit", call=end)) == ALL_DIGITS
        await phone.hung_up(call)
        await phone.told("call.ended", call=other)

    play(scene, kamailio)


def test_a_wrong_password(play: Play, kamailio: Kamailio) -> None:
    async def scene(phone: Phone) -> None:
        failed = await phone.told("account.failed")
        assert "password" in failed["cause"]
        assert not kamailio.contacts()

    play(scene, kamailio, users=("901",), password="guessed", transport="udp")


def test_leaving_takes_the_contact_back(play: Play, kamailio: Kamailio) -> None:
    async def scene(phone: Phone) -> None:
        await phone.registered(1)
        phone.agent.unregister("901")
        await phone.told("account.unregistered")
        assert not kamailio.contacts("901")

    play(scene, kamailio, users=("901",))


# ---- two registrars

FAST = {"register_timeout_s": 1.5, "probe_s": 0.5, "probe_timeout_s": 1, "failback_s": 0.5}


@pytest.mark.parametrize(
    ("transport", "fault"),
    [(each, fault) for each in ("udp", "tls") for fault in ("killed", "frozen", "503")] + [("wss", "frozen")],
)
def test_the_second_takes_over_and_the_first_comes_back(
    play: Play, kamailio: Kamailio, other: Kamailio, transport: str, fault: str
) -> None:
    breaks, mends = {
        "killed": (other.kill, other.start),
        "frozen": (other.freeze, other.thaw),
        "503": (lambda: other.set_out_of_order(True), lambda: other.set_out_of_order(False)),
    }[fault]

    async def scene(phone: Phone) -> None:
        await phone.told("account.registered", address=other.place(transport))
        assert other.contacts("901")
        breaks()
        if fault == "503":
            phone.agent.register("901")  # as the next refresh would
        failed = await phone.told("account.registrar_failed", address=other.place(transport))
        assert failed["code"] == (503 if fault == "503" else 0), failed
        await phone.told("account.registered", address=kamailio.place(transport), preferred=False)
        assert kamailio.contacts("901")
        mends()
        await phone.told("account.registered", address=other.place(transport), preferred=True, count=2)
        assert other.contacts("901")

    places = other.place(transport), kamailio.place(transport)
    play(scene, kamailio, *places, users=("901",), transport=transport, sip=FAST)


def test_a_certificate_that_we_do_not_trust_is_passed_over(play: Play, kamailio: Kamailio) -> None:
    async def scene(phone: Phone) -> None:
        failed = await phone.told("account.registrar_failed", address=stranger.place("tls"))
        assert "certificate" in failed["cause"]
        await phone.told("account.registered", address=kamailio.place("tls"))

    with Kamailio() as stranger:
        play(scene, kamailio, stranger.place("tls"), kamailio.place("tls"), users=("901",))


# ---- NAT


@pytest.mark.parametrize("transport", ["udp", "tcp", "tls"])
def test_a_phone_behind_nat_can_be_called(play: Play, tmp_path: Path, transport: str) -> None:
    with Networks() as net:
        phone_side, nat, pbx = net.namespace("phone"), net.namespace("nat"), net.namespace("pbx")
        net.link(phone_side, "192.168.7.2/24", nat, "192.168.7.1/24")
        outside = net.link(nat, "203.0.113.1/24", pbx, "203.0.113.5/24")
        phone_side.default_route("192.168.7.1")
        nat.masquerade(outside.near)
        with Kamailio(["203.0.113.5"], pbx.command) as server:

            async def scene(phone: Phone) -> None:
                await phone.registered(2)
                for contact in server.contacts():
                    assert "203.0.113.1:" in contact.uri + contact.received, "the way back is the NAT's address"
                await both_hear_each_other(phone, tmp_path, server)

            with phone_side.entered():
                play(scene, server, transport=transport, sip={"bind": "0.0.0.0"})


# ---- outbound (RFC 5626)

INSTANCE = "8a0f4e6c-3f0b-4d57-9c1e-2f6f0a7b9d10"


@pytest.mark.parametrize("transport", ["tcp", "tls", "wss"])
def test_one_flow_follows_the_other(play: Play, kamailio: Kamailio, transport: str) -> None:
    """The registrar knows the phone by its instance, so a new connection takes the place of the old one."""

    async def scene(phone: Phone) -> None:
        await phone.registered(1)
        assert phone.agent.account("901").outbound
        (first,) = kamailio.contacts("901")
        assert (first.instance, first.reg_id) == (f"<urn:uuid:{INSTANCE}>", 1)
        assert ";ob" in first.uri
        carrier = phone.agent._accounts.get("901").carrier
        assert carrier is not None
        carrier.reset_connection()  # as a NAT does that has forgotten it, but at once
        await phone.told("account.connection_lost", account=ONE)
        await phone.told("account.registered", account=ONE, count=2)
        (second,) = kamailio.contacts("901")
        assert (second.uri, second.received) != (first.uri, first.received)

    sip = {"instance_id": INSTANCE}
    play(scene, kamailio, users=("901",), transport=transport, sip=sip)


def test_without_outbound(play: Play, kamailio: Kamailio) -> None:
    async def scene(phone: Phone) -> None:
        await phone.registered(1)
        assert not phone.agent.account("901").outbound
        (contact,) = kamailio.contacts("901")
        assert not contact.instance
        assert ";ob" not in contact.uri

    play(scene, kamailio, users=("901",), outbound="off")


def test_a_registrar_without_outbound_where_it_must_be(play: Play, kamailio: Kamailio) -> None:
    async def scene(phone: Phone) -> None:
        failed = await phone.told("account.failed")
        assert "RFC 5626" in failed["cause"]

    play(scene, kamailio, users=("901",), outbound="on", transport="udp")
