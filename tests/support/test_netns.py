"""The networks that other tests stand on."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.netns import Namespace, Networks

ECHO = """
import socket, sys
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as end:
    end.bind(("0.0.0.0", 7777))
    print("ready", flush=True)
    while True:
        data, source = end.recvfrom(2000)
        end.sendto(source[0].encode(), source)
"""


@pytest.fixture
def net() -> Iterator[Networks]:
    with Networks() as networks:
        yield networks


def echo_server(namespace: Namespace) -> subprocess.Popen[bytes]:
    """Answers each datagram to port 7777 with the address that it came from."""
    server = namespace.popen([sys.executable, "-c", ECHO], stdout=subprocess.PIPE)
    assert server.stdout
    assert server.stdout.readline() == b"ready\n"
    return server


def seen_as(namespace: Namespace, server: str, tries: int = 1) -> list[str]:
    """What the echo server at `server` says of datagrams sent from `namespace`."""

    def ask() -> list[str]:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as end:
            end.settimeout(1.0)
            answers = []
            for _ in range(tries):
                end.sendto(b"who am I", (server, 7777))
            try:
                while len(answers) < tries:
                    answers.append(end.recv(100).decode())
            except TimeoutError:
                pass
            return answers

    return namespace.call(ask)


def test_phone_behind_nat_is_seen_as_its_router_and_cannot_be_called_from_outside(net: Networks) -> None:
    phone, nat, outside = net.namespace("phone"), net.namespace("nat"), net.namespace("outside")
    net.link(phone, "192.168.7.2/24", nat, "192.168.7.1/24")
    line = net.link(nat, "203.0.113.1/24", outside, "203.0.113.5/24")
    phone.default_route("192.168.7.1")
    outside.ip("route", "add", "192.168.7.0/24", "via", "203.0.113.1")
    echo_server(outside), echo_server(phone)
    assert seen_as(outside, "192.168.7.2") == ["203.0.113.5"]
    nat.masquerade(line.near)
    assert seen_as(phone, "203.0.113.5") == ["203.0.113.1"]
    assert seen_as(outside, "192.168.7.2") == []


def test_drop_loses_all_or_a_part_and_counts_until_it_is_lifted(net: Networks) -> None:
    one, two = net.namespace("one"), net.namespace("two")
    net.link(one, "10.9.0.1/24", two, "10.9.0.2/24")
    echo_server(two)
    with two.drop("udp dport 7777") as all_of_it:
        assert seen_as(one, "10.9.0.2", tries=3) == []
        assert all_of_it.packets == 3
    with two.drop("udp dport 7777", percent=30) as some:
        heard = seen_as(one, "10.9.0.2", tries=200)
        assert 20 <= some.packets <= 110
        assert len(heard) == 200 - some.packets
    assert len(seen_as(one, "10.9.0.2", tries=3)) == 3


def test_an_unplugged_cable_carries_nothing(net: Networks) -> None:
    one, two = net.namespace("one"), net.namespace("two")
    cable = net.link(one, "10.9.0.1/24", two, "10.9.0.2/24")
    echo_server(two)
    two.set_link(cable.far, False)
    assert seen_as(one, "10.9.0.2") == []
    two.set_link(cable.far, True)
    assert seen_as(one, "10.9.0.2") == ["10.9.0.1"]


def test_nothing_is_left_and_no_way_leads_out(net: Networks) -> None:
    with Networks() as networks:
        alone = networks.namespace("alone")
        server = echo_server(alone)
        with pytest.raises(OSError, match="unreachable"):
            alone.call(lambda: socket.create_connection(("192.0.2.1", 80), timeout=1.0))
        name = alone.name
    assert server.wait(timeout=5) != 0
    assert not Path("/run/netns", name).exists()


def test_what_a_killed_run_left_is_cleared_away() -> None:
    # A pid that is no process: this child's, once it has been waited for
    with subprocess.Popen([sys.executable, "-c", ""]) as child:
        pass
    left = f"softphone-{child.pid}-1-left"
    subprocess.run(["ip", "netns", "add", left], check=True)
    mine = f"softphone-{os.getpid()}-0-mine"
    subprocess.run(["ip", "netns", "add", mine], check=True)
    try:
        Networks()
        assert not Path("/run/netns", left).exists()
        assert Path("/run/netns", mine).exists()
    finally:
        subprocess.run(["ip", "netns", "del", mine], check=True)
