"""IPv6: registration and calls over each transport, and the other family where one leads nowhere."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path
from typing import Any

import pytest

from softphone.lab import Lab, LabOptions
from tests.support.echo import echoes
from tests.support.phone import running

pytestmark = pytest.mark.e2e

BOTH = {"bind": ["127.0.0.1", "::1"]}


@pytest.mark.parametrize("transport", ["udp", "tcp", "tls"])
def test_a_call_over_ipv6(tmp_path: Path, transport: Any) -> None:
    async def scene() -> None:
        async with Lab(LabOptions(host="::1")) as lab:
            config = lab.agent_config(["901"], transport=transport)
            async with running(config | {"sip": {"bind": "::1"}}, tmp_path) as phone:
                told = await phone.told("account.registered")
                assert told["address"].startswith("[::1]:")
                (binding,) = lab.registrations("901")
                assert "[::1]" in str(binding.uri)
                call = await phone.connected("9196")
                assert await echoes(phone, call, tmp_path)
                assert phone.all("call.media")[0]["remote"].startswith("[::1]:")
                await phone.hung_up(call)

    asyncio.run(scene())


def test_the_pbx_calls_over_ipv6(tmp_path: Path) -> None:
    async def scene() -> None:
        async with Lab(LabOptions(host="::1")) as lab:
            config = lab.agent_config(["901"], transport="udp", incoming=[{"action": "answer"}])
            async with running(config | {"sip": BOTH}, tmp_path) as phone:
                await phone.registered()
                lab.call("901")
                call = (await phone.told("call.answered"))["call"]
                await phone.told("call.media", active=True)
                assert await echoes(phone, call, tmp_path)
                await phone.hung_up(call)

    asyncio.run(scene())


@pytest.mark.parametrize(("first", "second"), [("::1", "127.0.0.1"), ("127.0.0.1", "::1")])
def test_an_address_that_is_dead_gives_way_to_the_other_family(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, first: str, second: str
) -> None:
    async def scene() -> None:
        async with Lab(LabOptions(host=second)) as lab:

            def getaddrinfo(host: str, port: Any, *args: Any, **kwargs: Any) -> Any:
                if host != "both.test":
                    return real(host, port, *args, **kwargs)
                return [(_family(each), socket.SOCK_STREAM, 6, "", (each, 0)) for each in (first, second)]

            real = socket.getaddrinfo
            monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
            config = lab.agent_config(["901"], transport="tcp", registrar=f"both.test:{lab.sip_tcp_port}")
            async with running(config | {"sip": BOTH}, tmp_path) as phone:
                failed = await phone.told("account.registrar_failed")
                assert first in failed["address"]
                told = await phone.told("account.registered")
                assert second in told["address"]
                assert told["preferred"], "addresses of one server are as good as each other"
                call = await phone.connected("9196")
                assert await echoes(phone, call, tmp_path)
                await phone.hung_up(call)

    asyncio.run(scene())


def _family(address: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def test_registrars_of_both_families_take_over_from_each_other(tmp_path: Path) -> None:
    async def scene() -> None:
        options = LabOptions(passwords={"901": "same-at-both"})
        async with Lab(options) as four, Lab(LabOptions(host="::1", passwords=options.passwords)) as six:
            places = [f"127.0.0.1:{four.sip_udp_port}", f"[::1]:{six.sip_udp_port}"]
            config = four.agent_config(["901"], transport="udp", registrar=places)
            sip = BOTH | {"register_timeout_s": 1, "failback_s": 0.3}
            four.freeze()
            async with running(config | {"sip": sip}, tmp_path) as phone:
                await phone.told("account.registered", address=places[1])
                call = await phone.connected("9196")
                assert await echoes(phone, call, tmp_path)
                await phone.hung_up(call)
                four.thaw()
                await phone.told("account.registered", address=places[0])
                call = await phone.connected("9196")
                assert await echoes(phone, call, tmp_path)
                await phone.hung_up(call)

    asyncio.run(scene())


def test_fixed_ports_serve_both_families(tmp_path: Path) -> None:
    async def scene() -> None:
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as probe:
            probe.bind(("::", 0))
            port = probe.getsockname()[1]
        async with Lab(LabOptions(host="::1")) as lab:
            config = lab.agent_config(["901"], transport="udp")
            sip = {"bind": ["0.0.0.0", "::"], "udp_port": port, "tcp_port": port}
            async with running(config | {"sip": sip}, tmp_path) as phone:
                await phone.registered()
                (binding,) = lab.registrations("901")
                assert binding.uri.port == port

    asyncio.run(scene())
