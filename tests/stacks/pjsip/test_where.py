"""Names looked up, the way there, and ports that are free."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import pytest

from softphone.stacks.pjsip import where


@pytest.mark.parametrize("address", ["192.0.2.7", "2001:db8::7", "127.0.0.1"])
def test_addresses_are_not_looked_up(address: str) -> None:
    assert asyncio.run(where.look_up(address)) == address


def test_a_name_of_this_machine() -> None:
    assert asyncio.run(where.look_up("localhost")) in ("127.0.0.1", "::1")


def answering(monkeypatch: pytest.MonkeyPatch, found: Any) -> None:
    """Makes the name service say this."""

    def getaddrinfo(*_: object, **__: object) -> Any:
        if isinstance(found, Exception):
            raise found
        return found

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)


def test_ipv4_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    six = (socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("2001:db8::1", 0, 0, 0))
    four = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("192.0.2.1", 0))
    answering(monkeypatch, [six, four])
    assert asyncio.run(where.look_up("both.example")) == "192.0.2.1"
    answering(monkeypatch, [six])
    assert asyncio.run(where.look_up("six.example")) == "2001:db8::1"


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
    with pytest.raises(where.LookupFailed) as failed:
        asyncio.run(where.look_up("pbx.example"))
    assert cause in failed.value.cause
    assert "pbx.example" in failed.value.cause
    assert advice in failed.value.advice


@pytest.mark.parametrize("name", ["a" * 64 + ".example", "..", "\x00", "é" * 300])
def test_no_name_is_too_strange(name: str) -> None:
    with pytest.raises(where.LookupFailed):
        asyncio.run(where.look_up(name))


def test_our_own_address_on_the_way() -> None:
    assert where.local_address("127.0.0.1", 5060) == "127.0.0.1"
    assert where.local_address("127.0.0.1", 0) == "127.0.0.1"


def test_no_way(monkeypatch: pytest.MonkeyPatch) -> None:
    def connect(*_: object) -> None:
        raise OSError("no route")

    monkeypatch.setattr(socket.socket, "connect", connect)
    assert where.local_address("192.0.2.1", 5060) == ""


def test_whether_a_port_is_free() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert not where.may_listen("127.0.0.1", port)
    assert where.may_listen("127.0.0.1", port)
    assert not where.may_listen("192.0.2.1", 0)
