"""Accounts from the PBX's API: pages, changes while calls run, and an API that fails in every way we know."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from softphone import provisioning
from softphone.config import Config, Context
from softphone.errors import ConfigError, Conflict
from softphone.kavkom import pbx
from softphone.kavkom.http import Retry
from softphone.kavkom.pbx import PbxApi
from softphone.lab import Lab, LabOptions
from tests.support.phone import Phone, local, running
from tests.support.until import until


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Retries at once instead of after seconds."""
    monkeypatch.setattr(provisioning, "RETRY_MIN_S", 0.2)
    monkeypatch.setattr(pbx, "Retry", partial(Retry, first_s=0.02))


def selecting(lab: Lab, search: str = "", *, provider: dict[str, Any] | None = None, **account: Any) -> dict[str, Any]:
    """A configuration that takes every extension that `search` finds."""
    config = lab.agent_config([], transport="udp", **account)
    del config["accounts"][0]["extensions"]
    config["accounts"][0]["select"] = {"search": search}
    config["provider"] |= provider or {}
    return config


def naming(lab: Lab, *names: str, provider: dict[str, Any] | None = None, **account: Any) -> dict[str, Any]:
    config = lab.agent_config(list(names), transport="udp", **account)
    config["provider"] |= provider or {}
    return config


@asynccontextmanager
async def registered(config: dict[str, Any], folder: Path, count: int) -> AsyncIterator[Phone]:
    async with running(config, folder) as phone:
        await phone.registered(count)
        yield phone


def ids(phone: Phone) -> set[str]:
    return {account.username for account in phone.agent.accounts()}


def heard(phone: Phone, call: str) -> int:
    """RTP packets that arrived in this call so far."""
    quality = phone.agent.quality(call)
    return int(str(quality["rx_packets"])) if quality else 0


async def sound_goes_on(phone: Phone, call: str) -> None:
    """Returns when more RTP has come in than was there at first."""
    before = heard(phone, call)
    await until(lambda: heard(phone, call) > before + 5)


# ---- what the list says


def test_all_pages_are_read(tmp_path: Path) -> None:
    numbers = tuple(str(n) for n in range(701, 708))

    async def play() -> None:
        async with Lab(LabOptions(extensions=numbers)) as lab:
            async with registered(selecting(lab, provider={"page_size": 2}), tmp_path, 7) as phone:
                assert ids(phone) == set(numbers)
                pages = [event.data["query"]["page"] for event in lab.events.find("api_request")]
                assert pages == ["1", "2", "3", "4", "5"][: len(pages)]
                assert len(pages) >= 4

    asyncio.run(play())


def test_a_disabled_extension_is_no_account_and_the_status_says_so(tmp_path: Path) -> None:
    async def play() -> None:
        async with Lab() as lab, registered(naming(lab, "901", "909"), tmp_path, 1) as phone:
            assert ids(phone) == {"901"}
            status = phone.agent.status()
            assert any("909" in problem and "disabled" in problem for problem in status.problems)
            assert status.ready
            lab.disable("909", enabled=True)
            await phone.agent.refresh_provider()
            await phone.registered(2)
            assert phone.agent.status().problems == []
            lab.disable("901")
            await phone.agent.refresh_provider()
            await phone.told("account.removed", account=f"901@{lab.domain}")
            assert ids(phone) == {"909"}

    asyncio.run(play())


def test_extensions_come_and_go_on_command(tmp_path: Path) -> None:
    async def play() -> None:
        async with Lab(LabOptions(extensions=("901",), disabled=())) as lab:
            async with registered(selecting(lab), tmp_path, 1) as phone:
                lab.add_extension("905")
                status = await phone.agent.refresh_provider()
                assert (status.state, status.extensions) == ("ok", 2)
                await phone.told("account.registered", account=f"905@{lab.domain}")
                lab.remove_extension("905")
                await phone.agent.refresh_provider()
                await phone.told("account.removed", account=f"905@{lab.domain}")
                assert ids(phone) == {"901"}
                assert len(phone.all("account.registered", account=f"901@{lab.domain}")) == 1

    asyncio.run(play())


def test_extensions_come_and_go_by_the_clock(tmp_path: Path) -> None:
    async def play() -> None:
        async with Lab(LabOptions(extensions=("901",), disabled=())) as lab:
            async with registered(selecting(lab, provider={"refresh_s": 0.2}), tmp_path, 1) as phone:
                retry_in_s = phone.agent.status().provider.retry_in_s  # type: ignore[union-attr]
                assert retry_in_s is not None
                assert retry_in_s <= 0.2
                lab.add_extension("905")
                await phone.told("account.registered", account=f"905@{lab.domain}")

    asyncio.run(play())


def test_a_new_password_is_taken_over(tmp_path: Path) -> None:
    async def play() -> None:
        async with Lab() as lab, registered(naming(lab, "901", "902"), tmp_path, 2) as phone:
            lab.set_password("901", "changed")
            await phone.agent.refresh_provider()
            await phone.told("account.changed", account=f"901@{lab.domain}")
            await phone.told("account.registered", account=f"901@{lab.domain}", count=2)
            assert phone.all("account.changed", account=f"902@{lab.domain}") == []
            assert "changed" not in str([e for e in phone.events if e["type"] != "account.changed"])

    asyncio.run(play())


# ---- calls meanwhile


def test_calls_of_others_go_on_when_an_account_is_removed(tmp_path: Path) -> None:
    async def play() -> None:
        async with Lab(LabOptions(disabled=())) as lab, registered(selecting(lab), tmp_path, 4) as phone:
            call = await phone.connected("9196", account="901")
            lab.remove_extension("902")
            await phone.agent.refresh_provider()
            await phone.told("account.removed", account=f"902@{lab.domain}")
            await sound_goes_on(phone, call)
            assert phone.agent.call(call).state == "active"
            assert phone.agent.account("901").calls == 1
            ended = await phone.hung_up(call)
            assert ended["reason"] == "local_hangup"

    asyncio.run(play())


def test_the_call_of_a_removed_account_goes_on_to_its_end(tmp_path: Path) -> None:
    async def play() -> None:
        async with Lab(LabOptions(disabled=())) as lab, registered(selecting(lab), tmp_path, 4) as phone:
            call = await phone.connected("9196", account="901")
            lab.remove_extension("901")
            await phone.agent.refresh_provider()
            await phone.told("account.removed", account=f"901@{lab.domain}")
            assert ids(phone) == {"902", "903", "904"}
            await sound_goes_on(phone, call)
            phone.agent.send_digits(call, "42")
            await phone.told("call.digits_sent", call=call)
            ended = await phone.hung_up(call)
            assert (ended["reason"], ended["account"]) == ("local_hangup", f"901@{lab.domain}")
            await lab.wait_for("call_ended", caller="901")

    asyncio.run(play())


def test_a_changed_account_keeps_its_call(tmp_path: Path) -> None:
    async def play() -> None:
        async with Lab() as lab, registered(naming(lab, "901"), tmp_path, 1) as phone:
            call = await phone.connected("9196")
            lab.set_password("901", "changed")
            await phone.agent.refresh_provider()
            await phone.registered(2)
            await sound_goes_on(phone, call)
            assert (await phone.hung_up(call))["reason"] == "local_hangup"
            assert (await phone.hung_up(await phone.connected("9196")))["reason"] == "local_hangup"

    asyncio.run(play())


def test_an_account_that_comes_back_at_once(tmp_path: Path) -> None:
    """Its first life still takes leave of the registrar when the second one begins."""

    async def play() -> None:
        async with Lab(LabOptions(disabled=())) as lab, registered(selecting(lab), tmp_path, 4) as phone:
            for enabled in (False, True):
                lab.extension("902").enabled = enabled
                await phone.agent.refresh_provider()
            await phone.told("account.removed", account=f"902@{lab.domain}")
            await phone.told("account.registered", account=f"902@{lab.domain}", count=2)
            out = phone.agent.dial("902", account="901")
            incoming = await phone.told("call.incoming", account=f"902@{lab.domain}")
            phone.agent.answer(incoming["call"])
            await phone.told("call.answered", call=out.id)
            await phone.hung_up(out.id)
            assert len(lab.registrations("902")) == 1

    asyncio.run(play())


# ---- an API that fails


@asynccontextmanager
async def forwarding(port: int, to: int) -> AsyncIterator[None]:
    """Serves `port` of loopback by handing every connection on to another port."""

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            writer.write(data)
        writer.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        behind_reader, behind = await asyncio.open_connection("127.0.0.1", to)
        await asyncio.gather(pump(reader, behind), pump(behind_reader, writer))

    async with await asyncio.start_server(serve, "127.0.0.1", port):
        yield


def test_an_api_that_is_down_at_start_is_told_and_tried_again(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

    async def play() -> None:
        async with Lab() as lab:
            config = naming(lab, "901", provider={"api_url": f"http://127.0.0.1:{port}"})
            async with running(config, tmp_path) as phone:
                failed = await phone.told("provider.failed", count=2)
                assert "connection refused" in failed["cause"]
                status = phone.agent.status()
                assert (status.state, status.ready) == ("running", False)
                assert status.provider is not None
                assert status.provider.state == "failed"
                assert status.provider.retry_in_s is not None
                assert any("extension list cannot be read" in problem for problem in status.problems)
                with pytest.raises(Conflict, match="no account yet"):
                    phone.agent.dial("9196")
                async with forwarding(port, urlsplit(lab.api_url).port or 0):
                    await phone.registered()
                status = phone.agent.status()
                assert status.ready
                assert status.provider is not None
                assert (status.provider.state, status.provider.cause) == ("ok", "")

    asyncio.run(play())


FAULTS = [
    ({"kind": "status", "status": 500}, "500"),
    ({"kind": "status", "status": 503}, "503"),
    ({"kind": "status", "status": 429}, "429"),
    ({"kind": "html", "status": 502}, "HTML page"),
    ({"kind": "html", "status": 200}, "HTML page"),
    ({"kind": "truncated"}, "cut off"),
    ({"kind": "slow", "delay_s": 5.0}, "timed out after 0.3 s"),
    ({"kind": "wrong_types"}, "neither true nor false"),
    ({"kind": "empty"}, "empty body"),
    ({"kind": "drop"}, "no answer"),
    ({"kind": "endless_pages"}, "shows no end"),
]


@pytest.mark.parametrize(("fault", "cause"), FAULTS, ids=[f"{f['kind']} {f.get('status', '')}" for f, _ in FAULTS])
def test_a_fault_takes_nothing_away_and_passes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: dict[str, Any], cause: str
) -> None:
    monkeypatch.setitem(PbxApi.__init__.__kwdefaults__, "max_records", 1000)

    async def play() -> None:
        async with Lab() as lab:
            config = naming(lab, "901", provider={"timeout_s": 0.3})
            async with registered(config, tmp_path, 1) as phone:
                call = await phone.connected("9196")
                lab.api_fault(**fault)
                status = await phone.agent.refresh_provider()
                assert status.state == "failed"
                assert cause in status.cause
                assert (await phone.told("provider.failed"))["cause"] == status.cause
                assert lab.api_token not in str(phone.events) + str(status)
                assert phone.agent.account("901").state == "registered"
                assert phone.agent.call(call).state == "active"
                lab.api_fault(None)
                await phone.told("provider.fetched", count=2)  # by itself
                status = phone.agent.status().provider  # type: ignore[assignment]
                assert (status.state, status.cause) == ("ok", "")
                assert phone.all("account.removed") == []
                await phone.hung_up(call)

    asyncio.run(play())


def test_a_failed_read_on_command_is_made_good_even_without_a_clock(tmp_path: Path) -> None:
    async def play() -> None:
        async with Lab() as lab, registered(naming(lab, "901", provider={"refresh_s": 0}), tmp_path, 1) as phone:
            assert phone.agent.status().provider.retry_in_s is None  # type: ignore[union-attr]
            lab.api_fault("status", status=404, times=1)
            assert (await phone.agent.refresh_provider()).state == "failed"
            await phone.told("provider.fetched", count=2)
            assert phone.agent.status().provider.retry_in_s is None  # type: ignore[union-attr]

    asyncio.run(play())


def test_a_list_without_an_end_in_itself_removes_nothing(tmp_path: Path) -> None:
    """A PBX that sends the same page again and again: who is missing on it may well be there."""

    async def play() -> None:
        async with Lab(LabOptions(disabled=())) as lab:
            async with registered(selecting(lab, provider={"page_size": 3}), tmp_path, 4) as phone:
                lab.api_fault("repeated_page")
                status = await phone.agent.refresh_provider()
                assert any("repeats" in problem for problem in status.problems)
                assert {"901", "902", "903", "904"} <= ids(phone)
                assert phone.all("account.removed") == []

    asyncio.run(play())


def test_a_wrong_token_is_explained(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("this-is-not-the-token")
    (tmp_path / "token").chmod(0o600)

    async def play() -> None:
        async with Lab() as lab:
            config = naming(lab, "901", provider={"token": {"file": str(tmp_path / "token")}})
            async with running(config, tmp_path) as phone:
                failed = await phone.told("provider.failed", count=2)
                assert failed["status"] == 401
                assert "provider.token" in failed["cause"]
                assert "this-is-not-the-token" not in str(phone.events) + str(phone.agent.status())

    asyncio.run(play())


def test_a_password_that_is_fetched_while_the_configuration_changes(tmp_path: Path) -> None:
    """The read that an account waits for is given up by the reload: the account must not wait for ever."""

    async def play() -> None:
        async with Lab() as lab:
            config = naming(lab, "901", provider={"timeout_s": 5})
            async with registered(config, tmp_path, 1) as phone:
                lab.api_fault("slow", delay_s=5)
                lab.set_password("901", "changed")
                phone.agent.register("901")
                await until(lambda: phone.agent.account("901").state == "failed")
                lab.api_fault(None)
                await phone.agent.reload(validated(config, tmp_path))
                await phone.registered(2)

    asyncio.run(play())


# ---- another configuration


def validated(config: dict[str, Any], folder: Path) -> Config:
    return Config.model_validate(local(config, folder), context=Context(base=folder))


def test_a_reload_applies_at_once_even_if_the_api_is_down(tmp_path: Path) -> None:
    async def play() -> None:
        async with Lab() as lab, registered(naming(lab, "901", "902"), tmp_path, 2) as phone:
            call = await phone.connected("9196", account="901")
            lab.api_fault("status", status=503)
            assert await phone.agent.reload(validated(naming(lab, "901", "902", max_calls=2), tmp_path)) == []
            await phone.told("account.changed", account=f"901@{lab.domain}")
            assert await phone.agent.reload(validated(naming(lab, "901"), tmp_path)) == []
            await phone.told("account.removed", account=f"902@{lab.domain}")
            assert phone.agent.call(call).state == "active"
            await phone.hung_up(call)

    asyncio.run(play())


def test_a_reload_that_needs_the_api_waits_for_it(tmp_path: Path) -> None:
    async def play() -> None:
        async with Lab() as lab, registered(naming(lab, "901"), tmp_path, 1) as phone:
            lab.api_fault("status", status=503)
            await phone.agent.reload(validated(naming(lab, "902"), tmp_path))
            await phone.told("provider.failed")
            assert ids(phone) == {"901"}
            lab.api_fault(None)
            await phone.told("account.registered", account=f"902@{lab.domain}")
            await phone.told("account.removed", account=f"901@{lab.domain}")

    asyncio.run(play())


def test_a_configuration_that_cannot_work_changes_nothing(tmp_path: Path) -> None:
    (tmp_path / "empty.pem").write_text("")

    async def play() -> None:
        async with Lab() as lab, registered(naming(lab, "901"), tmp_path, 1) as phone:
            wrong = naming(lab, "902", provider={"ca_file": str(tmp_path / "empty.pem")})
            with pytest.raises(ConfigError, match="ca_file"):
                await phone.agent.reload(validated(wrong, tmp_path))
            assert (await phone.agent.refresh_provider()).state == "ok"
            assert ids(phone) == {"901"}

    asyncio.run(play())


def test_without_a_provider_there_is_nothing_to_refresh(tmp_path: Path) -> None:
    async def play() -> None:
        async with running({"accounts": []}, tmp_path) as phone:
            assert phone.agent.status().provider is None
            with pytest.raises(Conflict, match="nothing to refresh"):
                await phone.agent.refresh_provider()

    asyncio.run(play())
