"""The daemon as a process, with the lab behind it and a supervisor above it."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import socket
import stat
import time
from pathlib import Path
from typing import Any

import pytest

from softphone.lab import Lab, LabOptions
from tests.support.daemon import Daemon

TOKEN = "tok-41f3c0ffee5eedf00d"
PASSWORDS = {"901": "Pw-nine-oh-one-7731", "902": "Pw-nine-oh-two-9934"}
OPTIONS = LabOptions(api_token=TOKEN, passwords=PASSWORDS)


def settings(lab: Lab, *extensions: str, **keys: Any) -> dict[str, Any]:
    """A configuration; `keys` are its other sections."""
    return lab.agent_config(list(extensions or ("901",)), transport="udp") | keys


# ---- a whole life


def test_from_start_to_stop_as_a_supervisor_sees_it(tmp_path: Path) -> None:
    async def play() -> None:
        async with Lab(OPTIONS) as lab:
            config = settings(lab, "901", "902", "903")
            async with Daemon(tmp_path, config, environ={"WATCHDOG_USEC": "400000"}) as phone:
                await phone.told("account.registered", count=3)
                await phone.notified("STATUS=3 of 3 accounts registered")
                assert (await phone.get("/readyz"))["ready"]
                await phone.notified("WATCHDOG=1", count=4)
                assert await phone.stop() == 0
                text = "\n".join(phone.notices)
                assert text.index("READY=1") < text.index("STATUS=3 of 3") < text.index("STOPPING=1")
                assert "EXTEND_TIMEOUT_USEC=" in text
                assert lab.registrations() == []
                assert not phone.socket.exists()

    asyncio.run(play())


def test_a_stop_before_the_start_is_complete(tmp_path: Path) -> None:
    """The API hangs and the registrar is silent: the process ends at once all the same."""

    async def play() -> None:
        async with Lab(OPTIONS) as lab:
            lab.api_fault("slow", delay_s=20)
            async with Daemon(tmp_path, settings(lab)) as phone:
                assert await phone.stop(within_s=5) == 0

    asyncio.run(play())


# ---- SIGHUP


def test_sighup_takes_a_good_configuration_and_refuses_others(tmp_path: Path) -> None:
    async def play() -> None:
        async with Lab(OPTIONS) as lab, Daemon(tmp_path, settings(lab)) as phone:
            await phone.told("account.registered")
            call = await phone.dial("9196")

            phone.configure(settings(lab, "901", "902"))
            phone.signal(signal.SIGHUP)
            await phone.told("agent.config_reloaded", restart_needed=[])
            await phone.told("account.registered", account=f"902@{lab.domain}")
            await phone.notified("RELOADING=1")
            await phone.notified("READY=1", count=2)
            assert "MONOTONIC_USEC=" in "\n".join(phone.notices)

            for count, (spoil, cause) in enumerate(
                [
                    (lambda: phone.config_file.write_text("accounts: ["), "yaml syntax"),
                    (lambda: phone.config_file.write_text("acounts: []"), "did you mean `accounts`"),
                    (phone.config_file.unlink, "no such file"),
                    (phone.config_file.mkdir, "folder"),
                ],
                start=1,
            ):
                spoil()
                phone.signal(signal.SIGHUP)
                rejected = await phone.told("agent.config_rejected", count=count)
                assert cause in rejected["cause"].lower(), rejected
                await phone.notified("READY=1", count=2 + count)

            phone.config_file.rmdir()
            phone.configure(settings(lab, "902", calls={"max_calls": 3}))
            phone.signal(signal.SIGHUP)
            await phone.told("agent.config_reloaded", restart_needed=["calls"])
            await phone.told("account.removed", account=f"901@{lab.domain}")
            assert (await phone.get(f"/v1/calls/{call}"))["state"] == "active"
            assert (await phone.hang_up(call))["reason"] == "local_hangup"
            assert await phone.stop() == 0

    asyncio.run(play())


def test_many_sighups_at_once_end_in_the_last_configuration(tmp_path: Path) -> None:
    async def play() -> None:
        async with Lab(OPTIONS) as lab, Daemon(tmp_path, settings(lab)) as phone:
            for n in range(10):
                phone.configure(settings(lab, "901", "902" if n % 2 else "903"))
                phone.signal(signal.SIGHUP)
                await asyncio.sleep(0.01 * n)
            await phone.told("account.registered", account=f"902@{lab.domain}")
            phone.signal(signal.SIGHUP)
            await phone.notified("RELOADING=1")
            assert {account["username"] for account in await phone.get("/v1/accounts")} == {"901", "902"}
            assert "ERROR" not in phone.log
            assert "Traceback" not in phone.log
            assert await phone.stop() == 0

    asyncio.run(play())


# ---- SIGTERM with calls


def test_sigterm_gives_calls_their_time_then_hangs_up(tmp_path: Path) -> None:
    async def play() -> None:
        async with Lab(OPTIONS) as lab:
            async with Daemon(tmp_path, settings(lab, calls={"drain_s": 1.5})) as phone:
                await phone.told("account.registered")
                call = await phone.dial("9196")
                began = time.monotonic()
                phone.signal(signal.SIGTERM)
                stopping = await phone.told("agent.stopping")
                assert (stopping["drain_s"], stopping["calls"]) == (1.5, 1)
                refused = await phone.ask("POST", "/v1/calls", {"target": "9196"})
                assert refused.status_code == 409
                assert "draining" in refused.json()["detail"]
                assert (await phone.ask("GET", "/readyz")).status_code == 503
                lab.call("901", service="9196")  # nobody new gets in either
                await phone.told("call.ended", reason="busy")
                assert (await phone.get(f"/v1/calls/{call}"))["state"] == "active"
                ended = await phone.told("call.ended", call=call)
                assert (ended["reason"], ended["by"], ended["phase"]) == ("shutdown", "local", "active")
                assert time.monotonic() - began > 1.4
                assert await phone.ended() == 0
                assert time.monotonic() - began < 1.5 + 4
                await lab.wait_for("call_ended", caller="901")
                assert lab.registrations() == []

    asyncio.run(play())


def test_sigterm_waits_no_longer_than_the_calls_last(tmp_path: Path) -> None:
    async def play() -> None:
        async with Lab(OPTIONS) as lab:
            async with Daemon(tmp_path, settings(lab, calls={"drain_s": 60})) as phone:
                await phone.told("account.registered")
                call = await phone.dial("9196")
                phone.signal(signal.SIGTERM)
                await phone.told("agent.stopping")
                assert (await phone.hang_up(call))["reason"] == "local_hangup"
                assert await phone.ended(within_s=5) == 0

    asyncio.run(play())


@pytest.mark.parametrize("second", [signal.SIGTERM, signal.SIGINT])
def test_a_second_signal_hurries(tmp_path: Path, second: signal.Signals) -> None:
    async def play() -> None:
        async with Lab(OPTIONS) as lab:
            async with Daemon(tmp_path, settings(lab, calls={"drain_s": 60})) as phone:
                await phone.told("account.registered")
                call = await phone.dial("9196")
                phone.signal(signal.SIGTERM)
                await phone.told("agent.stopping")
                phone.signal(second)
                assert (await phone.told("call.ended", call=call))["reason"] == "shutdown"
                assert await phone.ended(within_s=8) == 0
                await lab.wait_for("call_ended", caller="901")

    asyncio.run(play())


def test_a_registrar_that_is_silent_does_not_hold_up_the_end(tmp_path: Path) -> None:
    async def play() -> None:
        async with Lab(OPTIONS) as lab:
            async with Daemon(tmp_path, settings(lab, calls={"drain_s": 0})) as phone:
                await phone.told("account.registered")
                await phone.dial("9196")
                lab.freeze()
                assert await phone.stop(within_s=15) == 0
                assert "did not confirm that we left" in phone.log

    asyncio.run(play())


# ---- the socket


def test_the_socket_is_for_its_group_and_for_one_daemon(tmp_path: Path) -> None:
    group = os.getgroups()[0] if os.getgroups() else os.getgid()

    async def play() -> None:
        async with Lab(OPTIONS) as lab:
            path = tmp_path / "deep" / "down" / "control.sock"
            config = settings(lab, control={"socket": str(path), "group": str(group)})
            async with Daemon(tmp_path, config) as phone:
                found = path.stat()
                assert stat.S_IMODE(found.st_mode) == 0o660
                assert found.st_gid == group
                (tmp_path / "second").mkdir()
                second = Daemon(tmp_path / "second", config)
                await second.start()
                assert await second.ended() == 1
                assert f"another softphone already answers on {path}" in second.log
                assert "Traceback" not in second.log
                await second.__aexit__()
                assert (await phone.get("/healthz"))["status"] == "ok"
                assert await phone.stop() == 0
            assert not path.exists()

    asyncio.run(play())


def test_after_kill_9_the_next_start_takes_the_socket_and_tells_what_was_lost(tmp_path: Path) -> None:
    async def play() -> None:
        async with Lab(OPTIONS) as lab, Daemon(tmp_path, settings(lab, "901", "902")) as phone:
            await phone.told("account.registered", count=2)
            done = await phone.dial("9196", account="901")
            await phone.hang_up(done)
            kept = await phone.dial("9196", account="902")
            await phone.ask("POST", f"/v1/calls/{kept}/record", {"file": "kept.wav"})
            recording = (await phone.told("record.started"))["file"]
            phone.signal(signal.SIGKILL)
            assert await phone.ended() == -signal.SIGKILL
            assert phone.socket.exists()

            phone.events.clear()
            phone.notices.clear()
            await phone.start()
            await phone.ready()
            lost = await phone.told("call.ended")
            assert (lost["call"], lost["account"]) == (kept, f"902@{lab.domain}")
            assert (lost["reason"], lost["by"], lost["phase"]) == ("lost", "local", "active")
            await phone.told("account.registered", count=2)
            await phone.hang_up(await phone.dial("9196", account="902"))
            assert len(phone.all("call.ended")) == 2
            assert Path(recording).stat().st_size >= 44
            assert await phone.stop() == 0

            phone.events.clear()
            phone.notices.clear()
            await phone.start()
            await phone.ready()
            await phone.told("account.registered", count=2)
            assert phone.all("call.ended") == []

    asyncio.run(play())


# ---- what keeps it from starting


async def fails(phone: Daemon) -> str:
    """The daemon's words when it ends without having started; they are one clear text."""
    await phone.start()
    try:
        code = await phone.ended()
        assert code == 5
        assert "Traceback" not in phone.log
        assert phone.notices == []
        return phone.log
    finally:
        await phone.__aexit__()


def test_a_wrong_configuration_ends_with_every_problem_named(tmp_path: Path) -> None:
    async def play() -> None:
        phone = Daemon(tmp_path, {"accounts": [{"extensions": ["901"]}], "sip": {"udp_prt": 5}})
        log = await fails(phone)
        assert "softphone.yaml:" in log
        assert "udp_port" in log
        phone = Daemon(tmp_path, {})
        phone.config_file.unlink()
        assert "softphone.yaml" in await fails(phone)

    asyncio.run(play())


def test_a_port_in_use_is_named(tmp_path: Path) -> None:
    async def play() -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
            taken.bind(("127.0.0.1", 0))
            port = taken.getsockname()[1]
            log = await fails(Daemon(tmp_path, {"accounts": [], "sip": {"udp_port": port}}))
            assert "in use" in log
            assert f"127.0.0.1:{port}" in log
        with socket.create_server(("127.0.0.1", 0)) as listening:
            port = listening.getsockname()[1]
            log = await fails(Daemon(tmp_path, {"accounts": [], "sip": {"tcp_port": port}}))
            assert "in use" in log
            assert f"127.0.0.1:{port}" in log

    asyncio.run(play())


def test_a_tls_port_in_use_is_told_with_the_account(tmp_path: Path) -> None:
    async def play() -> None:
        with socket.create_server(("127.0.0.1", 0)) as listening:
            port = listening.getsockname()[1]
            async with Lab(OPTIONS) as lab:
                config = lab.agent_config(["901"]) | {"sip": {"tls_port": port}}
                async with Daemon(tmp_path, config) as phone:
                    failed = await phone.told("account.failed")
                    assert "in use" in failed["cause"]
                    problems = (await phone.get("/v1/status"))["problems"]
                    assert any("in use" in problem for problem in problems), problems

    asyncio.run(play())


# ---- secrets


def test_no_secret_leaves_the_process(tmp_path: Path) -> None:
    """Log at its most talkative, events, answers, the process list: after calls, faults, refusals, a reload."""
    static = {"username": "902", "password": {"file": "secret"}, "transport": "udp"}
    (tmp_path / "secret").write_text(PASSWORDS["902"])
    (tmp_path / "secret").chmod(0o600)
    shutil.copy(tmp_path / "secret", tmp_path / "old-secret")

    async def play() -> None:
        async with Lab(OPTIONS) as lab:
            config = settings(lab, log={"level": "debug", "format": "json"})
            config["accounts"].append(static | {"domain": lab.domain, "registrar": f"127.0.0.1:{lab.sip_udp_port}"})
            async with Daemon(tmp_path, config) as phone:
                await phone.told("account.registered", count=2)
                answers = [(await phone.ask("GET", path)).text for path in ("/v1/status", "/v1/accounts", "/v1/calls")]
                await phone.hang_up(await phone.dial("9196", account="902"))
                lab.set_password("901", "Pw-new-3321")
                answers.append((await phone.ask("POST", "/v1/accounts/901/register")).text)
                await phone.told("account.changed")
                lab.set_password("902", "Pw-other-8812")
                await phone.ask("POST", "/v1/accounts/902/register")
                await phone.told("account.failed", code=403)
                lab.api_fault("html", status=500)
                answers.append((await phone.ask("POST", "/v1/provider/refresh")).text)
                phone.signal(signal.SIGHUP)
                await phone.told("agent.config_reloaded")
                arguments = Path(f"/proc/{phone.pid}/cmdline").read_text()
                assert await phone.stop() == 0
                seen = {
                    "log": phone.log,
                    "events": str(phone.events),
                    "answers": str(answers),
                    "arguments": arguments,
                    "notices": str(phone.notices),
                    "state": "".join(p.read_text() for p in (tmp_path / "state").rglob("*") if p.is_file()),
                }
                for secret in (TOKEN, *PASSWORDS.values(), "Pw-new-3321"):
                    assert [where for where, text in seen.items() if secret in text] == []
                assert "call.ended" in seen["log"]

    asyncio.run(play())
