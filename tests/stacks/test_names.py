"""Names to places: SRV where no port is given, addresses in the system's order, errors that a person understands."""

from __future__ import annotations

import asyncio
import shutil
import socket
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from softphone.addresses import HostPort
from softphone.stacks import names
from softphone.stacks.names import LookupFailed, Names, Place, SrvRecord, in_order
from tests.support.dns import DnsServer, dns_server
from tests.support.netns import Networks

SRV = ("_sips._tcp.pbx.test", "SRV")


def found(
    hops: Sequence[str],
    records: dict[tuple[str, str], list[str]],
    *,
    srv: bool = True,
    transport: str = "tls",
    versions: tuple[int, ...] = (4,),
) -> tuple[list[Place], list[tuple[str, str]]]:
    """The places behind these hops, and what DNS was asked."""

    async def ask() -> tuple[list[Place], list[tuple[str, str]]]:
        async with dns_server(records) as server:
            asking = Names(server.resolver)
            try:
                places = await asking.find(
                    [HostPort.parse(hop) for hop in hops], transport, 5061, srv=srv, versions=versions
                )
                return places, server.asked
            finally:
                await asking.close()

    return asyncio.run(ask())


def place(port: int, rank: int = 0) -> Place:
    return Place("127.0.0.1", port, "localhost", rank)


def test_srv_says_host_and_port_by_priority() -> None:
    places, asked = found(["pbx.test"], {SRV: ["20 0 5072 localhost.", "10 0 5071 localhost."]})
    assert places == [place(5071), place(5072, rank=1)]
    assert asked == [SRV]


@pytest.mark.parametrize(("transport", "service"), [("tls", "_sips._tcp"), ("tcp", "_sip._tcp"), ("udp", "_sip._udp")])
def test_each_transport_has_its_service(transport: str, service: str) -> None:
    places, _ = found(["pbx.test"], {(f"{service}.pbx.test", "SRV"): ["1 1 5099 localhost."]}, transport=transport)
    assert places == [place(5099)]


@pytest.mark.parametrize(("hop", "srv"), [("localhost:5080", True), ("127.0.0.1", True), ("localhost", False)])
def test_a_port_an_address_or_a_configured_port_leave_srv_alone(hop: str, srv: bool) -> None:
    places, asked = found([hop], {}, srv=srv)
    assert [each.port for each in places] == [HostPort.parse(hop).port or 5061]
    assert asked == []


def test_without_srv_the_name_and_the_usual_port_do() -> None:
    assert found(["localhost"], {})[0] == [place(5061)]


def test_several_registrars_keep_their_order() -> None:
    records = {SRV: ["2 0 5072 localhost.", "1 0 5071 localhost."]}
    places, _ = found(["localhost:1", "pbx.test", "127.0.0.1:3"], records)
    assert [(each.port, each.rank) for each in places] == [(1, 0), (5071, 1), (5072, 2), (3, 3)]


def test_equals_share_a_rank() -> None:
    places, _ = found(["pbx.test"], {SRV: ["1 5 5071 localhost.", "1 5 5072 localhost."]})
    assert {each.rank for each in places} == {0}


def test_a_target_of_dot_means_no_such_service() -> None:
    with pytest.raises(LookupFailed, match="offers no SIP over TLS"):
        found(["pbx.test"], {SRV: ["0 0 0 ."]})


def test_a_name_that_fails_does_not_take_the_others_with_it() -> None:
    places, _ = found(["no-such-host.invalid:1", "localhost:2"], {})
    assert places == [Place("127.0.0.1", 2, "localhost", 1)]


def test_a_silent_dns_server_costs_a_deadline_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(names, "SRV_DEADLINE_S", 0.3)

    async def ask() -> list[Place]:
        async with dns_server({}) as server:
            server.silent = True
            return await Names(server.resolver).find([HostPort("localhost")], "tls", 5061, srv=True, versions=(4,))

    assert asyncio.run(ask()) == [place(5061)]


def test_answers_are_kept_for_their_time_to_live() -> None:
    async def ask() -> DnsServer:
        async with dns_server({SRV: ["1 1 5071 localhost."]}) as server:
            asking = Names(server.resolver)
            for _ in range(3):
                await asking.find([HostPort("pbx.test")], "tls", 5061, srv=True)
            return server

    assert asyncio.run(ask()).asked == [SRV]


# ---- RFC 2782


def record(priority: int, weight: int, target: str) -> SrvRecord:
    return SrvRecord(priority, weight, 5060, target)


def test_weights_are_chances() -> None:
    two = [record(1, 1, "light"), record(1, 3, "heavy")]
    firsts = [in_order(two, lambda top, lot=lot: min(lot, top))[0].target for lot in range(5)]  # type: ignore[misc]
    assert firsts == ["light", "light", "heavy", "heavy", "heavy"]


def test_all_come_out_once_and_priorities_stay_apart() -> None:
    many = [record(p, w, f"{p}-{w}-{n}") for p in (3, 1, 2) for w in (0, 7) for n in range(3)]
    order = in_order(many)
    assert sorted(order, key=str) == sorted(many, key=str)
    assert [each.priority for each in order] == sorted(each.priority for each in many)


# ---- addresses


@pytest.mark.parametrize("address", ["192.0.2.7", "127.0.0.1"])
def test_addresses_are_not_looked_up(address: str) -> None:
    assert [each.address for each in found([address], {})[0]] == [address]


def answering(monkeypatch: pytest.MonkeyPatch, said: Any) -> None:
    """Makes the name service say this."""

    def getaddrinfo(*_: object, **__: object) -> Any:
        if isinstance(said, Exception):
            raise said
        return said

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)


SIX = (socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("2001:db8::1", 0, 0, 0))
FOUR = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("192.0.2.1", 0))


def test_the_system_says_which_family_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    for said in ([SIX, FOUR], [FOUR, SIX]):
        answering(monkeypatch, said)
        places, _ = found(["both.example:1"], {}, versions=(4, 6))
        assert [each.address for each in places] == [each[4][0] for each in said]


def test_only_what_can_be_used_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    answering(monkeypatch, [SIX, FOUR])
    assert [each.address for each in found(["both.example:1"], {}, versions=(4,))[0]] == ["192.0.2.1"]
    answering(monkeypatch, [SIX])
    with pytest.raises(LookupFailed, match="no IPv4 address"):
        found(["six.example:1"], {}, versions=(4,))


@pytest.mark.parametrize(
    ("answer", "cause", "advice"),
    [
        (socket.gaierror(socket.EAI_NONAME, "x"), "not known to DNS", "spelling"),
        (socket.gaierror(socket.EAI_AGAIN, "x"), "no DNS server answers", "network connection"),
        (UnicodeError("label too long"), "not known to DNS", "spelling"),
        ([], "has no address", "domain or registrar"),
    ],
)
def test_a_name_that_leads_nowhere(monkeypatch: pytest.MonkeyPatch, answer: Any, cause: str, advice: str) -> None:
    answering(monkeypatch, answer)
    with pytest.raises(LookupFailed) as failed:
        found(["pbx.example"], {}, srv=False)
    assert cause in failed.value.cause
    assert "pbx.example" in failed.value.cause
    assert advice in failed.value.advice


@pytest.mark.parametrize("name", ["a" * 64 + ".example", "..", "\x00", "é" * 300])
def test_no_name_is_too_strange(name: str) -> None:
    async def ask() -> None:
        async with dns_server({}) as server:
            await Names(server.resolver).find([HostPort(name)], "tls", 5061, srv=True)

    with pytest.raises(LookupFailed):
        asyncio.run(ask())


_IN_A_NETWORK = """
import asyncio
from softphone.addresses import HostPort
from softphone.stacks.names import Names
from tests.support.netns import Networks
from tests.support.dns import dns_server

RECORDS = {
    ("_sip._tcp.pbx.test", "SRV"): ["1 1 5071 sip.pbx.test."],
    ("sip.pbx.test", "A"): ["192.0.2.5"],
    ("sip.pbx.test", "AAAA"): ["2001:db8::5"],
}

async def ask():
    async with dns_server(RECORDS, port=53):
        names = Names()
        for place in await names.find([HostPort("pbx.test")], "tcp", 5060, srv=True):
            print(HostPort(place.address, place.port))
        await names.close()

asyncio.run(ask())
"""


def test_the_machines_own_dns_server_is_asked() -> None:
    with Networks() as net:
        here = net.namespace("here")
        folder = Path("/etc/netns", here.name)  # what `ip netns exec` puts over /etc
        folder.mkdir(parents=True)
        try:
            (folder / "resolv.conf").write_text("nameserver 127.0.0.1\n")
            said = here.run([sys.executable, "-c", _IN_A_NETWORK], capture_output=True, text=True)
        finally:
            shutil.rmtree(folder)
    assert sorted(said.stdout.split()) == ["192.0.2.5:5071", "[2001:db8::5]:5071"], said.stderr
