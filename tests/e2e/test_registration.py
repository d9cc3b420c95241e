"""Registration against the lab: by every transport, refused, cut, silent, and taken back."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from softphone.lab import Lab, LabOptions
from tests.support.phone import Phone, running

QUICK = {"retry_min_s": 0.2, "retry_max_s": 0.5, "probe_s": 0.3, "probe_timeout_s": 0.5}


@pytest.mark.parametrize("transport", ["tls", "tcp", "udp"])
def test_it_registers_and_leaves_again(act: Any, transport: str) -> None:
    async def scene(lab: Lab, phone: Phone) -> None:
        assert {binding.extension.number for binding in lab.registrations()} == {"901", "902"}
        assert phone.agent.ready
        await phone.agent.stop()
        assert lab.registrations() == []
        assert {e["account"] for e in phone.all("account.unregistered")} == {f"90{n}@{lab.domain}" for n in (1, 2)}

    act(scene, transport=transport)


@pytest.mark.parametrize("algorithm", ["MD5", "SHA-256"])
def test_both_digests(act: Any, algorithm: Any) -> None:
    async def scene(lab: Lab, phone: Phone) -> None:
        assert len(lab.registrations("901")) == 1

    act(scene, extensions=("901",), lab=LabOptions(algorithms=(algorithm,)))


def test_it_refreshes_before_expiry(act: Any) -> None:
    async def scene(lab: Lab, phone: Phone) -> None:
        await lab.wait_for("registered", extension="901", count=3, timeout_s=30)
        assert len(phone.all("account.registered")) == 1

    act(scene, extensions=("901",), expires_s=5, lab=LabOptions(min_expires_s=5))


def test_a_wrong_password_is_fetched_anew_once_and_then_explained(tmp_path: Path) -> None:
    """The API's list is stale at first: the phone asks again by itself. Later it is wrong for good."""

    async def play() -> None:
        async with Lab(LabOptions()) as lab:
            async with running(lab.agent_config(["901"]), tmp_path) as phone:
                await phone.registered()
                fetched = len(phone.all("provider.fetched"))
                lab.set_password("901", "another-secret")
                phone.agent.register("901")
                await phone.registered(2)
                assert len(phone.all("provider.fetched")) == fetched + 1

    asyncio.run(play())


def test_a_static_account_with_a_wrong_password(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("not-the-secret\n")
    (tmp_path / "secret").chmod(0o600)

    async def play() -> None:
        async with Lab(LabOptions()) as lab:
            account = {
                "username": "901",
                "domain": lab.domain,
                "password": {"file": "secret"},
                "registrar": f"127.0.0.1:{lab.sip_tls_port}",
                "tls": {"ca_file": str(lab.ca_file)},
            }
            async with running({"accounts": [account]}, tmp_path) as phone:
                failed = await phone.told("account.failed")
                assert failed["code"] == 403
                assert "password" in failed["cause"]
                assert "user_context" in failed["advice"]
                assert failed["retry_in_s"] > 40
                assert phone.agent.account("901").state == "failed"
                assert not phone.agent.ready
                assert "not-the-secret" not in str(phone.events)

    asyncio.run(play())


@pytest.mark.parametrize(
    ("change", "cause", "advice"),
    [
        ({"tls": {"verify": True}}, "certificate was refused", "tls.ca_file"),
        ({"tls": {"server_name": "other.example"}}, "another host name", "tls.server_name"),
        ({"registrar": "127.0.0.1:1"}, "nothing listens there", "registrar"),
        ({"registrar": "no-such-host.invalid:5061"}, "no-such-host.invalid", "registrar"),
    ],
    ids=["unknown authority", "wrong name", "refused", "unknown host"],
)
def test_failures_say_what_is_wrong_and_what_to_do(
    tmp_path: Path, change: dict[str, Any], cause: str, advice: str
) -> None:
    async def play() -> None:
        async with Lab(LabOptions()) as lab:
            config = lab.agent_config(["901"])
            account = config["accounts"][0]
            tls = change.get("tls")
            account |= change
            if tls and "server_name" in tls:
                account["tls"] = {"ca_file": str(lab.ca_file)} | tls
            async with running(config | {"sip": QUICK}, tmp_path) as phone:
                failed = await phone.told("account.failed", count=2)
                assert cause in failed["cause"]
                assert advice in failed["advice"]
                assert failed["code"] == 0

    asyncio.run(play())


def test_certificates_need_not_be_trusted_if_the_configuration_says_so(act: Any) -> None:
    async def scene(lab: Lab, phone: Phone) -> None:
        assert phone.agent.ready

    act(scene, extensions=("901",), tls={"verify": False})


def test_a_certificate_of_another_name_is_accepted_under_that_name(tmp_path: Path) -> None:
    """The lab's certificate is for localhost as well; the realm stays the domain."""

    async def play() -> None:
        async with Lab(LabOptions()) as lab:
            config = lab.agent_config(["901"], tls={"ca_file": str(lab.ca_file), "server_name": "localhost"})
            async with running(config, tmp_path) as phone:
                await phone.registered()

    asyncio.run(play())


@pytest.mark.parametrize("transport", ["tls", "tcp"])
def test_a_link_that_the_pbx_cuts_is_replaced_at_once(act: Any, transport: str) -> None:
    async def scene(lab: Lab, phone: Phone) -> None:
        lab.drop_connections()
        lost = await phone.told("account.connection_lost")
        assert lost["cause"]
        await phone.registered(2)
        assert len(lab.registrations("901")) == 1

    act(scene, extensions=("901",), transport=transport, sip=QUICK)


@pytest.mark.parametrize("transport", ["tls", "tcp", "udp"])
def test_a_link_that_goes_silent_is_noticed(act: Any, transport: str) -> None:
    async def scene(lab: Lab, phone: Phone) -> None:
        lab.freeze()
        lost = await phone.told("account.connection_lost")
        assert "has not answered" in lost["cause"]
        lab.thaw()
        await phone.registered(2)

    act(scene, extensions=("901",), transport=transport, sip=QUICK)


def test_a_pbx_that_restarts_is_found_again(tmp_path: Path) -> None:
    async def play() -> None:
        async with Lab(LabOptions(passwords={"901": "x1"}, state_dir=tmp_path / "lab")) as lab:
            config = lab.agent_config(["901"]) | {"sip": QUICK}
            port = lab.sip_tls_port
            context = running(config, tmp_path)
            phone = await context.__aenter__()
            await phone.registered()
        try:
            await phone.told("account.failed", count=2)
            options = LabOptions(passwords={"901": "x1"}, state_dir=tmp_path / "lab", sip_tls_port=port)
            async with Lab(options) as lab:
                await phone.registered(2)
                assert len(lab.registrations("901")) == 1
                await context.__aexit__(None, None, None)
        finally:
            await phone.agent.stop()

    asyncio.run(play())


def test_on_command(act: Any) -> None:
    async def scene(lab: Lab, phone: Phone) -> None:
        phone.agent.unregister("901")
        await phone.told("account.unregistered")
        assert lab.registrations("901") == []
        assert phone.agent.account("901").state == "unregistered"
        phone.agent.register("901")
        await phone.registered(2)
        assert len(lab.registrations("901")) == 1

    act(scene, extensions=("901",))


@pytest.mark.parametrize("register", [True, False])
def test_a_call_over_websocket_tells_of_its_new_connection(tmp_path: Path, register: bool) -> None:
    """The WebSocket is cut in mid-call. Whether the account registers or not, a new one serves the call."""

    async def act() -> None:
        async with Lab(LabOptions()) as lab:
            config = lab.agent_config(["901"], transport="wss", register=register)
            async with running(config, tmp_path) as phone:
                await phone.told("account.registered" if register else "account.added")
                call = await phone.connected("9196", account="901")
                begin = lab.events.position
                assert lab.drop_connections() == 1
                await lab.wait_for("request", method="UPDATE", since=begin, timeout_s=15)
                assert phone.agent.call(call).state == "active"
                await phone.hung_up(call)
                await lab.wait_for("call_ended", since=begin)

    asyncio.run(act())
