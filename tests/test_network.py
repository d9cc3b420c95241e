"""The machine's addresses: what the kernel says, and that its changes are noticed."""

from __future__ import annotations

import asyncio
import socket
import struct
from typing import Any

import pytest

from softphone import network
from softphone.network import Addresses, AddressWatch, parse_address, read_addresses
from tests.support.netns import Networks


def told(address: str, *, scope: int = 0, flags: int = 0, attribute: int = 2) -> bytes:
    """The body of an RTM_NEWADDR."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    raw = socket.inet_pton(family, address)
    body = struct.pack("=BBBBI", family, 24, 0, scope, 1)
    for kind, value in ((8, struct.pack("=I", flags)), (attribute, raw)):
        body += struct.pack("=HH", 4 + len(value), kind) + value
    return body


@pytest.mark.parametrize(
    ("body", "address"),
    [
        (told("192.0.2.7"), "192.0.2.7"),
        (told("2001:db8::7", attribute=1), "2001:db8::7"),
        (told("127.0.0.1", scope=254), ""),
        (told("fe80::1", scope=253), ""),
        (told("2001:db8::7", flags=0x40), ""),  # not yet known to be ours alone
        (told("192.0.2.7")[:-2], ""),
        (told("192.0.2.7")[:5], ""),
        (b"", ""),
    ],
)
def test_what_counts_as_an_address(body: bytes, address: str) -> None:
    assert parse_address(body) == address


def test_addresses_and_routes_of_a_machine() -> None:
    with Networks() as net:
        here, there = net.namespace("here"), net.namespace("there")
        assert here.call(read_addresses) == Addresses()
        net.link(here, "192.0.2.2/24", there, "192.0.2.1/24")
        net.link(here, "2001:db8:2::2/64", there, "2001:db8:2::1/64")
        assert here.call(read_addresses).all == ("192.0.2.2", "2001:db8:2::2")
        here.default_route("2001:db8:2::1")
        assert here.call(read_addresses).out == ("192.0.2.2", "2001:db8:2::2")


def test_many_messages_are_one_change(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(network, "SETTLE_S", 0.3)

    async def watch(here: Any, cable: Any) -> list[tuple[Addresses, Addresses]]:
        changes: list[tuple[Addresses, Addresses]] = []
        happened = asyncio.Event()

        def changed(before: Addresses, after: Addresses) -> None:
            changes.append((before, after))
            happened.set()

        watching = AddressWatch(changed)
        watching.start()
        try:
            for number in range(2, 7):
                here.add_address(cable.near, f"198.51.100.{number}/24")
            here.del_address(cable.near, "198.51.100.6/24")
            async with asyncio.timeout(10):
                while not changes or changes[-1][1].all[-1:] != ("198.51.100.5",):
                    happened.clear()
                    await happened.wait()
        finally:
            watching.close()
        return changes

    with Networks() as net:
        here, there = net.namespace("here"), net.namespace("there")
        cable = net.link(here, "", there, "")
        with here.entered():
            changes = asyncio.run(watch(here, cable))
    assert changes[0][0] == Addresses()
    assert len(changes) <= 2  # a slow machine may take longer over them than one look waits


def test_without_netlink_nothing_is_told(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    def refused() -> Addresses:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(network, "read_addresses", refused)

    async def watch() -> None:
        watching = AddressWatch(lambda before, after: None)
        watching.start()
        watching.close()

    asyncio.run(watch())
    assert "go unnoticed" in caplog.text
