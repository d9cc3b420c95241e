"""NAT, as far as loopback goes: servers that do not help, ICE between two phones, and calls that go on in time."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from softphone.addresses import HostPort
from softphone.config import Secret
from softphone.lab import Lab
from softphone.stacks.pjsip.account import PjAccount
from tests.interop.peers.ports import free_port
from tests.support.daemon import Daemon
from tests.support.phone import Phone, running
from tests.support.until import until

IN_TIME_S = 5.0
"""Servers may cost a call a second; without the limit the quickest of these would cost eight."""


def turn(port: int, transport: str = "udp") -> dict[str, Any]:
    return {"server": f"127.0.0.1:{port}", "transport": transport, "username": "u", "password": Secret("p")}


@contextmanager
def silent(kind: int) -> Iterator[int]:
    """A port where somebody listens and never says a word."""
    with socket.socket(socket.AF_INET, kind) as end:
        end.bind(("127.0.0.1", 0))
        if kind == socket.SOCK_STREAM:
            end.listen(50)
        yield end.getsockname()[1]


def play(folder: Path, scene: Callable[[Lab, Phone], Awaitable[None]], nat: dict[str, Any], media: str) -> None:
    """A scene with a lab and a phone with 901 and 902, whose calls are to use these servers."""

    async def run() -> None:
        async with Lab() as pbx:
            config = pbx.agent_config(["901", "902"], nat={"media": media}, incoming=[{"action": "answer"}])
            async with running(config | {"nat": nat}, folder) as phone:
                await phone.registered(2)
                await scene(pbx, phone)

    asyncio.run(run())


async def connects_in_time(phone: Phone, target: str) -> str:
    async with asyncio.timeout(IN_TIME_S):
        return await phone.connected(target, account="901")


@pytest.mark.parametrize(
    ("media", "server", "kind"),
    [
        ("stun", "stun", socket.SOCK_DGRAM),
        ("turn", "udp", socket.SOCK_DGRAM),
        ("turn", "tcp", socket.SOCK_STREAM),
        ("ice", "tls", socket.SOCK_STREAM),
    ],
)
def test_a_server_that_never_answers_costs_a_call_a_second_and_is_left_out_then(
    tmp_path: Path, media: str, server: str, kind: int
) -> None:
    async def scene(lab: Lab, phone: Phone) -> None:
        call = await connects_in_time(phone, "9196")
        assert phone.agent.call(call).sip_call_id
        assert phone.agent.call(call).path.local_candidate == "host"
        failed = await phone.told("nat.server_failed")
        assert "does not answer within 2 s" in failed["cause"]
        assert any("does not answer within 2 s" in problem for problem in phone.agent.status().problems)
        assert [view.state for view in phone.agent.status().nat] == ["failed"]
        await phone.hung_up(call)
        await phone.hung_up(await connects_in_time(phone, "9196"))  # left out by now

    with silent(kind) as port:
        nat = {"stun": [f"127.0.0.1:{port}"]} if server == "stun" else {"turn": turn(port, server)}
        play(tmp_path, scene, nat, media)


def test_both_ends_of_a_call_answer_in_time_with_dead_servers(tmp_path: Path) -> None:
    async def scene(lab: Lab, phone: Phone) -> None:
        async with asyncio.timeout(2 * IN_TIME_S):
            phone.agent.dial("902", account="901")
            await phone.told("call.answered", count=2)
            await phone.told("call.media", active=True, count=2)

    with silent(socket.SOCK_DGRAM) as stun, silent(socket.SOCK_STREAM) as relay:
        play(tmp_path, scene, {"stun": [f"127.0.0.1:{stun}"], "turn": turn(relay, "tcp")}, "ice")


def test_hanging_up_while_the_servers_are_asked(tmp_path: Path) -> None:
    async def scene(lab: Lab, phone: Phone) -> None:
        for _ in range(3):
            call = phone.agent.dial("9196", account="901")
            await asyncio.sleep(0.05)
            ended = await phone.hung_up(call.id)
            assert ended["reason"] == "cancelled"
        await connects_in_time(phone, "9196")

    with silent(socket.SOCK_DGRAM) as stun:
        play(tmp_path, scene, {"stun": [f"127.0.0.1:{stun}"], "check_s": 0, "timeout_s": 60}, "stun")


def test_nobody_there_is_told_before_the_first_call(tmp_path: Path) -> None:
    async def scene(lab: Lab, phone: Phone) -> None:
        failed = await phone.told("nat.server_failed", kind="turn")
        assert failed["cause"].endswith("nothing listens there")
        await connects_in_time(phone, "9196")

    play(tmp_path, scene, {"turn": turn(free_port(), "tcp")}, "turn")


def direct(username: str, host: str, port: int, other: int, **nat: Any) -> dict[str, Any]:
    """A phone that knows no PBX: what it sends goes to the other phone's port."""
    account = {
        "username": username,
        "password": {"env": "PW"},
        "domain": "pbx.test",
        "transport": "udp",
        "register": False,
        "outbound_proxy": str(HostPort(host, other)),
        "incoming": [{"action": "answer"}],
        "nat": {"media": "ice"} | nat,
    }
    return {"accounts": [account], "sip": {"bind": host, "udp_port": port, "probe_s": 0}}


@pytest.mark.parametrize(
    ("host", "nat"),
    [
        ("127.0.0.1", {}),
        ("127.0.0.1", {"nomination": "aggressive"}),
        ("127.0.0.1", {"trickle": "half"}),
        ("127.0.0.1", {"trickle": "full"}),
        ("::1", {}),
    ],
    ids=lambda each: str(each),
)
def test_two_phones_agree_by_ice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, host: str, nat: dict[str, Any]
) -> None:
    async def run() -> None:
        near, far = free_port(), free_port()
        folder = tmp_path / "far"
        folder.mkdir()
        async with (
            Daemon(folder, direct("902", host, far, near, **nat)) as other,
            running(direct("901", host, near, far, **nat), tmp_path) as phone,
        ):
            account = phone.agent._accounts.get("901").carrier
            assert isinstance(account, PjAccount)
            await until(lambda: account._registrars.current)  # before that there is nowhere to send to
            call = await phone.connected("902")
            told = await phone.told("call.media", call=call, ice="completed")
            assert (told["local_candidate"], told["remote_candidate"]) == ("host", "host")
            theirs = await other.told("call.media", ice="completed")
            path = phone.agent.call(call).path
            view = await other.get(f"/v1/calls/{theirs['call']}")
            assert view["path"]["ice"] == path.ice == "completed"
            assert view["path"]["local_address"] == path.remote_address == told["remote"]
            assert view["path"]["remote_address"] == path.local_address
            await phone.hung_up(call)
            await other.told("call.ended")

    monkeypatch.setenv("PW", "secret")
    asyncio.run(run())


def test_ice_with_a_peer_that_knows_none_is_an_ordinary_call(tmp_path: Path) -> None:
    async def scene(lab: Lab, phone: Phone) -> None:
        call = await connects_in_time(phone, "9196")
        path = phone.agent.call(call).path
        assert (path.ice, path.local_candidate) == ("", "host")
        await phone.hung_up(call)

    play(tmp_path, scene, {}, "ice")
