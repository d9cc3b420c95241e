"""The way to an address, and ports that are free."""

from __future__ import annotations

import socket

import pytest

from softphone.stacks.pjsip import where


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
