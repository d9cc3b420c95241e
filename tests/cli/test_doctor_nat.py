"""What the doctor says of STUN and TURN servers."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from softphone.addresses import HostPort
from softphone.cli.doctor import nat
from softphone.config import Config, Secret
from tests.nat.stunserver import stun_server


@pytest.fixture
def server() -> Iterator[HostPort]:
    """A STUN server in a thread of its own, as the doctor's checks run in theirs."""
    ready, stop = threading.Event(), threading.Event()
    found: list[HostPort] = []

    async def serve() -> None:
        async with stun_server() as running:
            found.append(running.address)
            ready.set()
            await asyncio.to_thread(stop.wait)

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    assert ready.wait(10)
    yield found[0]
    stop.set()
    thread.join()


def config(**servers: Any) -> Config:
    return Config.model_validate({"nat": servers, "sip": {"bind": "127.0.0.1"}})


def test_no_servers_no_findings() -> None:
    assert list(nat.check_nat(config())) == []


def test_a_server_that_answers_and_one_that_is_not_there(server: HostPort) -> None:
    good, bad = nat.check_nat(config(stun=[str(server), "127.0.0.1:9"]))
    assert (good.area, good.title, good.state) == ("NAT", "STUN", "ok")
    assert good.text == f"{server} sees us as 127.0.0.1"
    assert (bad.state, bad.text) == ("warn", "the STUN server 127.0.0.1:9: nothing listens there")
    assert bad.cure


def test_a_turn_server_that_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nat, "NETWORK_LIMIT_S", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        place = f"127.0.0.1:{silent.getsockname()[1]}"
        turn = {"server": place, "transport": "tls", "username": "u", "password": Secret("hunter2")}
        (found,) = nat.check_nat(config(turn=turn))
    assert (found.title, found.state) == ("TURN", "warn")
    assert found.text == f"the TURN server {place} over TLS does not answer within 0.3 s"
    assert "hunter2" not in str(found)
