"""The lab judged by SIPp: REGISTER and calls with digest, over UDP and TCP."""

from __future__ import annotations

import asyncio
import os
import socket
from pathlib import Path

import pytest

from softphone.lab import Lab, LabOptions
from tests.lab.sipp import Sipp

pytestmark = pytest.mark.interop


def sipp(lab: Lab, number: str, folder: Path, transport: str = "udp") -> Sipp:
    return Sipp(lab.sip_udp_port, lab.domain, number, lab.extension(number).password, folder, transport)


def free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_register_and_echo(tmp_path: Path, transport: str) -> None:
    async def run() -> None:
        async with Lab() as lab:
            phone = sipp(lab, "901", tmp_path, transport)
            await phone.run("register.xml")
            await lab.wait_for("registered", extension="901", transport=transport)
            await phone.run("call.xml", "-s", "9196", "-r", "20", calls=20)
            await lab.wait_for("call_ended", callee="9196", by="caller", cause="hangup", count=20)
            assert not lab.events.find("garbage")

    asyncio.run(run())


def test_wrong_password(tmp_path: Path) -> None:
    async def run() -> None:
        async with Lab() as lab:
            phone = Sipp(lab.sip_udp_port, lab.domain, "901", "wrong", tmp_path)
            with pytest.raises(AssertionError, match="403"):
                await phone.run("register.xml")

    asyncio.run(run())


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_one_calls_the_other(tmp_path: Path, transport: str) -> None:
    """The callee listens at a port of its own, as SIPp does: the lab must believe its Contact."""

    async def run() -> None:
        options = LabOptions(rewrite_contact=False)
        async with Lab(options) as lab:
            listening = free_port()
            callee = sipp(lab, "902", tmp_path)
            await callee.run("register_elsewhere.xml", "-key", "contact_port", str(listening))
            caller = sipp(lab, "901", tmp_path, transport)
            async with asyncio.TaskGroup() as group:
                group.create_task(callee.run("answer.xml", "-p", str(listening), calls=20, timeout_s=20))
                group.create_task(caller.run("call.xml", "-s", "902", "-r", "20", calls=20))
            await lab.wait_for("call_ended", callee="902", by="caller", cause="hangup", count=20)
            assert lab.switch.endpoint.legs == 0

    asyncio.run(run())


def test_five_hundred_short_calls_leave_nothing(tmp_path: Path) -> None:
    async def run() -> None:
        async with Lab() as lab:
            descriptors = len(os.listdir("/proc/self/fd"))
            phone = sipp(lab, "901", tmp_path)
            await phone.run("call.xml", "-s", "9196", "-r", "50", calls=500, timeout_s=40)
            await lab.wait_for("call_ended", callee="9196", cause="hangup", count=500)
            await asyncio.sleep(0.2)
            assert lab.switch.endpoint.legs == 0
            assert len(os.listdir("/proc/self/fd")) <= descriptors + 2

    asyncio.run(run())
