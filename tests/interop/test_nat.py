"""Media through NAT: relayed by coturn, seen by STUN, agreed with Asterisk by ICE, and sent to where it comes from."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from softphone.addresses import HostPort
from softphone.config import Secret
from softphone.config.nat import Nat
from softphone.lab import Lab
from softphone.stacks.base import MediaServers
from softphone.testing.audio import read_wav, speech_like
from tests.interop.peers.asterisk import numbers
from tests.interop.peers.asterisk.server import Asterisk
from tests.interop.peers.coturn import PASSWORD, REALM, USER, Coturn
from tests.interop.peers.rtp import RtpEnd
from tests.interop.peers.sipp import called
from tests.interop.peers.sipp.run import Sipp
from tests.interop.phone import Json, Phone, Phones, sounds_like
from tests.support.netns import Namespace, Networks
from tests.support.phone import running

PROMPT = speech_like(2)
_INSIDE, _ROUTER_INSIDE = "192.168.7.2", "192.168.7.1"
_ROUTER, _PBX, _TURN = "203.0.113.1", "203.0.113.5", "203.0.113.6"


def servers(coturn: Coturn, transport: str = "udp", **turn: Any) -> Json:
    """`nat:` with this server for STUN and TURN."""
    port = coturn.tls_port if transport == "tls" else coturn.port
    tls = {"ca_file": str(coturn.ca_file), "server_name": REALM} if transport == "tls" else {}
    relay = {
        "server": f"{coturn.address}:{port}",
        "transport": transport,
        "username": USER,
        "password": {"env": "TURN_PASSWORD"},
        "tls": tls,
    }
    return {"stun": [f"{coturn.address}:{coturn.port}"], "turn": relay | turn}


def media_of(phone: Phone, call: str) -> Json:
    path: Json = phone.control.call(call)["path"]
    return path


# ---- TURN by each transport, on loopback


@pytest.fixture(scope="module")
def coturn(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Coturn]:
    with Coturn(tmp_path_factory.mktemp("turn")) as server:
        yield server


def towards(asterisk: Asterisk, phones: Phones, nat: Json, media: str, password: str = PASSWORD) -> Phone:
    account = {
        "username": "901",
        "password": {"env": "SIP_PASSWORD"},
        "domain": asterisk.domain,
        "transport": "udp",
        "registrar": f"127.0.0.1:{asterisk.udp_port}",
        "nat": {"media": media},
    }
    secrets = {"SIP_PASSWORD": asterisk.users["901"].password, "TURN_PASSWORD": password}
    return phones.configured({"accounts": [account], "nat": nat}, **secrets)


@pytest.mark.parametrize("transport", ["udp", "tcp", "tls"])
def test_media_goes_through_the_relay(asterisk: Asterisk, phones: Phones, coturn: Coturn, transport: str) -> None:
    with towards(asterisk, phones, servers(coturn, transport), "turn") as phone:
        phone.registered("901")
        told = phone.told("nat.server_ok", kind="turn")
        assert told["seen"].startswith("127.0.0.1:")
        before = len(coturn.relayed())
        call = phone.connected(numbers.ECHO)
        path = media_of(phone, call)
        assert (path["ice"], path["local_candidate"]) == ("", "relay")
        assert sounds_like(PROMPT, phone.hears(call, PROMPT))
        rtp = phone.hung_up(call)["quality"]
        assert rtp["rx_packets"] > 100
        relayed = relays_closed(coturn, before)
        # What coturn counts towards the peer: all RTP of the call, both ways, on one relay
        assert max(min(pair) for pair in relayed) >= 0.9 * rtp["rx_packets"]
        assert f"{PASSWORD}" not in phone.log()


def relays_closed(coturn: Coturn, before: int) -> list[tuple[int, int]]:
    """The packets of the relays of a call (RTP, RTCP), once both are given back."""
    deadline = time.monotonic() + 15
    while not any(min(pair) > 20 for pair in coturn.relayed()[before:]):
        assert time.monotonic() < deadline, f"no relay was used:\n{coturn.log[-3000:]}"
        time.sleep(0.05)
    return coturn.relayed()[before:]


@pytest.mark.parametrize("fault", ["password", "certificate"])
def test_a_relay_that_refuses_us_is_told_and_the_call_goes_on(
    asterisk: Asterisk, phones: Phones, coturn: Coturn, fault: str
) -> None:
    wrong_name = servers(coturn, "tls", tls={"ca_file": str(coturn.ca_file), "server_name": "other.test"})
    nat, secret = (servers(coturn), "wrong") if fault == "password" else (wrong_name, PASSWORD)
    with towards(asterisk, phones, nat | {"check_s": 0}, "turn", secret) as phone:
        phone.registered("901")
        call = phone.connected(numbers.ECHO)
        assert media_of(phone, call)["local_candidate"] == "host"
        failed = phone.told("nat.server_failed", kind="turn")
        cause = "refuses the user name or the password" if fault == "password" else "is not valid for 'other.test'"
        assert cause in failed["cause"]
        assert any(cause in problem for problem in phone.control.status()["problems"])
        phone.hung_up(call)


@pytest.mark.parametrize(("name", "way"), [(REALM, "relay"), ("other.test", "host")])
def test_a_call_judges_the_relays_certificate_itself(tmp_path: Path, coturn: Coturn, name: str, way: str) -> None:
    """What the look beforehand found is passed over: PJSIP's own connection is asked for the certificate's name."""
    tls = {"ca_file": str(coturn.ca_file), "server_name": name}
    relay = {"server": f"127.0.0.1:{coturn.tls_port}", "transport": "tls", "username": USER, "tls": tls}
    config = {"turn": relay | {"password": Secret(PASSWORD)}, "check_s": 0}

    async def run() -> None:
        async with Lab() as pbx:
            accounts = pbx.agent_config(["901"], nat={"media": "turn"})
            async with running(accounts | {"nat": config}, tmp_path) as phone:
                await phone.registered()
                await phone.told("nat.server_ok" if way == "relay" else "nat.server_failed")
                turn = Nat.model_validate(config).turn
                phone.agent._stack.use_servers(MediaServers(None, HostPort("127.0.0.1", coturn.tls_port), turn))
                call = await phone.connected("9196")
                assert phone.agent.call(call).path.local_candidate == way
                await phone.hung_up(call)

    asyncio.run(run())


# ---- behind a NAT, in namespaces


@dataclass
class World:
    """A phone's room behind a router; outside of it Asterisk and coturn."""

    room: Namespace
    router: Namespace
    pbx: Asterisk
    coturn: Coturn
    folder: Path
    phones: int = 0

    def phone(self, extension: str, media: str, nat: Json | None = None, **account_nat: Any) -> Phone:
        """A phone in the room; to be started by `with`, in `room.entered()`."""
        self.phones += 1
        folder = self.folder / f"phone-{self.phones}"
        folder.mkdir()
        account = {
            "username": extension,
            "password": {"env": "SIP_PASSWORD"},
            "domain": self.pbx.domain,
            "transport": "tcp",
            "registrar": f"{_PBX}:{self.pbx.tcp_port}",
            "nat": {"media": media} | account_nat,
        }
        config = {"accounts": [account], "sip": {"bind": "0.0.0.0"}, "nat": nat or {}}
        return Phone(config, folder, SIP_PASSWORD=self.pbx.users[extension].password, TURN_PASSWORD=PASSWORD)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("nat")
    with ExitStack() as stack:
        net = stack.enter_context(Networks())
        room, router, outside = net.namespace("room"), net.namespace("router"), net.namespace("outside")
        net.link(room, f"{_INSIDE}/24", router, f"{_ROUTER_INSIDE}/24")
        line = net.link(router, f"{_ROUTER}/24", outside, f"{_PBX}/24")
        outside.add_address(line.far, f"{_TURN}/24")
        room.default_route(_ROUTER_INSIDE)
        router.masquerade(line.near)
        with outside.entered():
            pbx = stack.enter_context(Asterisk(_PBX))
            coturn = stack.enter_context(Coturn(folder, _TURN, command=outside.command))
        yield World(room, router, pbx, coturn, folder)


def test_stun_shows_the_pbx_our_address_outside(world: World) -> None:
    """The PBX sends to where the SDP says: without STUN nothing comes back."""
    with world.room.entered(), world.phone("922", "off") as phone:
        phone.registered("922")
        call = phone.connected(numbers.ECHO)
        phone.says(call, PROMPT)
        assert phone.hung_up(call)["quality"]["rx_packets"] == 0
    with world.room.entered(), world.phone("922", "stun", servers(world.coturn)) as phone:
        phone.registered("922")
        assert phone.told("nat.server_ok", kind="stun")["seen"].startswith(f"{_ROUTER}:")
        call = phone.connected(numbers.ECHO)
        path = media_of(phone, call)
        assert path["local_candidate"] == "srflx"
        assert path["local_address"].startswith(f"{_ROUTER}:")
        assert sounds_like(PROMPT, phone.hears(call, PROMPT))
        assert phone.hung_up(call)["quality"]["rx_packets"] > 100


def test_ice_with_asterisk_finds_the_way_through_the_nat(world: World) -> None:
    with world.room.entered(), world.phone("921", "ice", servers(world.coturn)) as phone:
        phone.registered("921")
        phone.told("nat.server_ok", kind="turn")
        call = phone.connected(numbers.ECHO)
        told = phone.told("call.media", call=call, ice="completed")
        assert told["local_candidate"] in ("srflx", "prflx", "host")
        assert told["remote_candidate"] == "host"
        assert media_of(phone, call)["remote_address"].startswith(f"{_PBX}:")
        assert sounds_like(PROMPT, phone.hears(call, PROMPT))
        phone.hung_up(call)


def test_ice_goes_by_the_relay_where_the_direct_way_is_shut(world: World) -> None:
    with (
        world.router.drop(f"ip daddr {_PBX} meta l4proto udp", chain="forward") as shut,
        world.room.entered(),
        world.phone("921", "ice", servers(world.coturn)) as phone,
    ):
        phone.registered("921")
        phone.told("nat.server_ok", kind="turn")
        before = len(world.coturn.relayed())
        call = phone.connected(numbers.ECHO)
        phone.told("call.media", call=call, ice="completed", local_candidate="relay")
        assert sounds_like(PROMPT, phone.hears(call, PROMPT))
        phone.hung_up(call)
        assert shut.packets > 0
        relays_closed(world.coturn, before)


@pytest.mark.parametrize(("rewrite", "address"), [(True, _ROUTER), (False, _INSIDE)])
def test_the_address_that_is_registered(world: World, rewrite: bool, address: str) -> None:
    with world.room.entered(), world.phone("922", "off", contact_rewrite=rewrite) as phone:
        phone.registered("922")
        deadline = time.monotonic() + 10
        while not any(f"@{address}:" in kept.uri for kept in world.pbx.registrations()):
            assert time.monotonic() < deadline, world.pbx.registrations()
            time.sleep(0.05)


# ---- RTP


def phone_towards(phones: Phones, port: int, **account: Any) -> Phone:
    return phones.static("12", "secret", port, register=False, codecs=["pcmu"], **account)


@pytest.mark.parametrize("symmetric", [True, False])
def test_media_goes_to_where_it_comes_from(phones: Phones, sipp: Sipp, rtp: RtpEnd, symmetric: bool) -> None:
    """The peer answers with an address where nobody is, and sends from its own."""
    with RtpEnd() as nobody:
        run = sipp.start(called.ANSWERS, rtp_port=nobody.port)
        with phone_towards(phones, run.port, nat={"symmetric_rtp": symmetric}) as phone:
            call = phone.dial("555")
            phone.told("call.media", call=call, active=True)
            file = phone.records(call)
            rtp.play(run.remote_media(), speech_like(1, seed=2)).join()
            phone.says(call, PROMPT)
            time.sleep(0.5)  # what is on its way
            phone.hung_up(call)
            assert sounds_like(PROMPT, (rtp if symmetric else nobody).heard())
            assert not sounds_like(PROMPT, (nobody if symmetric else rtp).heard())
            heard = read_wav(file, channel=0)
        run.wait()
    assert heard.seconds > 0
    assert sounds_like(speech_like(1, seed=2), heard)


@pytest.mark.parametrize("keepalive_s", [1, 0])
def test_a_phone_that_may_not_speak_keeps_the_way_open(
    phones: Phones, sipp: Sipp, rtp: RtpEnd, keepalive_s: int
) -> None:
    run = sipp.start(called.HOLDS, rtp_port=rtp.port)
    with phone_towards(phones, run.port, nat={"rtp_keepalive_s": keepalive_s}) as phone:
        call = phone.dial("555")
        phone.told("call.media", call=call, direction="recvonly")
        if keepalive_s:
            packets = rtp.wait_packets(3)
            assert {packet.payload for packet in packets} == {b""}
        else:
            time.sleep(2.5)
            assert rtp.packets() == []
        phone.hung_up(call)
    run.wait()
