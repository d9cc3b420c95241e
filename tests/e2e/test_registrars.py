"""Several registrars: the next takes over at once, whatever is wrong with the first, which is gone back to later."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from softphone.lab import Lab, LabOptions
from softphone.stacks.names import Names
from softphone.stacks.pjsip import stack
from tests.support import dns as dns_support
from tests.support.dns import dns_server
from tests.support.phone import Phone, running

pytestmark = pytest.mark.e2e

OPTIONS = LabOptions(passwords={"901": "same-at-both"})
TRANSPORTS = ("udp", "tcp")


def address(lab: Lab) -> str:
    return f"127.0.0.1:{lab.sip_udp_port}"


def config(lab: Lab, *registrars: str, transport: str = "tcp", **sip: Any) -> dict[str, Any]:
    made = lab.agent_config(["901"], transport=transport, registrar=list(registrars))  # type: ignore[arg-type]
    return made | {"sip": {"register_timeout_s": 1.5, "failback_s": 0} | sip}


@asynccontextmanager
async def two_labs() -> AsyncIterator[tuple[Lab, Lab]]:
    async with Lab(OPTIONS) as first, Lab(OPTIONS) as second:
        yield first, second


@pytest.fixture
def act(tmp_path: Path) -> Callable[..., None]:
    """Runs a scene with two labs; it starts the phone itself, by `with phone(config)`."""

    def run(scene: Callable[..., Coroutine[Any, Any, None]], *args: Any) -> None:
        async def play() -> None:
            async with two_labs() as (first, second):
                await scene(first, second, lambda config: running(config, tmp_path), *args)

        asyncio.run(play())

    return run


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_silent_registrar_is_passed_over(act: Callable[..., None], transport: str) -> None:
    async def scene(first: Lab, second: Lab, start: Any, transport: str) -> None:
        first.freeze()
        async with start(config(first, address(first), address(second), transport=transport)) as phone:
            failed = await phone.told("account.registrar_failed", address=address(first))
            assert "no answer" in failed["cause"]
            assert failed["others"] == 1
            told = await phone.told("account.registered")
            assert (told["address"], told["preferred"]) == (address(second), False)
            assert phone.agent.account("901").registrar_address == address(second)
            assert second.registrations("901")
            assert not first.registrations("901")
            await hears_itself(phone)

    act(scene, transport)


async def hears_itself(phone: Phone) -> None:
    """A call by way of the registrar in use."""
    call = await phone.connected("9196")
    assert (await phone.hung_up(call))["reason"] == "local_hangup"


def test_a_port_where_nothing_listens(act: Callable[..., None]) -> None:
    async def scene(first: Lab, second: Lab, start: Any) -> None:
        with socket.socket() as bound:
            bound.bind(("127.0.0.1", 0))
            dead = f"127.0.0.1:{bound.getsockname()[1]}"
            async with start(config(first, dead, address(second))) as phone:
                failed = await phone.told("account.registrar_failed", address=dead)
                assert "refused" in failed["cause"]
                await phone.told("account.registered", address=address(second))

    act(scene)


def test_when_all_fail_the_delays_begin_and_the_first_comes_first(act: Callable[..., None]) -> None:
    async def scene(first: Lab, second: Lab, start: Any) -> None:
        first.freeze()
        second.freeze()
        sip = {"retry_min_s": 0.1, "register_timeout_s": 0.5}
        async with start(config(first, address(first), address(second), **sip)) as phone:
            await phone.told("account.registrar_failed", address=address(first))
            failed = await phone.told("account.failed", address=address(second))
            assert failed["retry_in_s"] > 0
            await phone.told("account.registrar_failed", address=address(first), count=2)
            first.thaw()
            told = await phone.told("account.registered")
            assert (told["address"], told["preferred"]) == (address(first), True)

    act(scene)


def test_one_that_dies_in_service_is_replaced_and_gone_back_to(act: Callable[..., None]) -> None:
    async def scene(first: Lab, second: Lab, start: Any) -> None:
        sip = {"probe_s": 0.3, "probe_timeout_s": 0.5, "register_timeout_s": 0.5, "failback_s": 0.3}
        async with start(config(first, address(first), address(second), **sip)) as phone:
            await phone.told("account.registered", address=address(first), preferred=True)
            first.freeze()
            await phone.told("account.connection_lost")
            await phone.told("account.registered", address=address(second), preferred=False)
            first.thaw()
            await phone.told("account.registered", address=address(first), preferred=True, count=2)
            await hears_itself(phone)

    act(scene)


def test_a_refusal_is_not_carried_from_door_to_door(act: Callable[..., None]) -> None:
    async def scene(first: Lab, second: Lab, start: Any) -> None:
        first.set_password("901", "another")
        async with start(config(second, address(first), address(second))) as phone:
            failed = await phone.told("account.failed")
            assert (failed["code"], failed["address"]) == (403, address(first))
            assert not second.registrations("901")

    act(scene)


def test_srv_records_say_where(act: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> None:
    async def scene(first: Lab, second: Lab, start: Any) -> None:
        records = [f"{priority} 0 {lab.sip_tcp_port} localhost." for priority, lab in ((2, second), (1, first))]
        async with dns_server({(f"_sip._tcp.{first.domain}", "SRV"): records}) as server:
            monkeypatch.setattr(stack, "Names", lambda: Names(server.resolver))
            by_name = config(first)
            by_name["accounts"][0] |= {"registrar": None}
            first.freeze()
            async with start(by_name) as phone:
                await phone.told("account.registrar_failed", address=address(first))
                await phone.told("account.registered", address=address(second), preferred=False)

    act(scene)


def test_a_pbx_whose_address_changed_is_found(act: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> None:
    """It moves without a word: the old place falls silent, and the name leads to another one once its TTL is over."""

    def records(lab: Lab) -> dict[tuple[str, str], list[str]]:
        return {("_sip._tcp.pbx.lab.test", "SRV"): [f"1 0 {lab.sip_tcp_port} localhost."]}

    async def scene(first: Lab, second: Lab, start: Any) -> None:
        assert first.domain == "pbx.lab.test"
        async with dns_server(records(first)) as server:
            monkeypatch.setattr(stack, "Names", lambda: Names(server.resolver))
            quick = {"probe_s": 0.3, "probe_timeout_s": 0.5, "retry_min_s": 0.2, "retry_max_s": 0.5}
            by_name = config(first, **quick)
            by_name["accounts"][0] |= {"registrar": None}
            async with start(by_name) as phone:
                await phone.told("account.registered", address=address(first))
                server.records = records(second)
                first.freeze()
                await phone.told("account.connection_lost")
                await phone.told("account.registered", address=address(second))
                await hears_itself(phone)

    monkeypatch.setattr(dns_support, "TTL_S", 1)
    act(scene)


def test_a_call_may_be_asked_for_before_the_first_hop_is_known(
    act: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An account that does not register looks its first hop up at start; a call does not have to wait for that."""

    async def scene(first: Lab, second: Lab, start: Any) -> None:
        monkeypatch.setenv("SIP_PASSWORD", OPTIONS.passwords["901"])
        made = config(first, address(first), transport="udp")
        static = {"username": "901", "password": {"env": "SIP_PASSWORD"}, "domain": first.domain, "register": False}
        made["accounts"] = [{k: v for k, v in made["accounts"][0].items() if k != "extensions"} | static]
        made.pop("provider")
        async with start(made) as phone:
            call = phone.agent.dial("9196").id
            await phone.told("call.answered", call=call)
            await phone.hung_up(call)
            soon = phone.agent.dial("9196").id
            phone.agent.hang_up(soon)
            assert (await phone.told("call.ended", call=soon))["reason"] in ("cancelled", "local_hangup")

    act(scene)
