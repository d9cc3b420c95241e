"""The lab judged by SIPp: REGISTER and calls with digest, over UDP and TCP."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from softphone.lab import Lab, LabOptions
from tests.lab.sipp import Sipp

pytestmark = pytest.mark.interop

OPTIONS = LabOptions(algorithms=("MD5",))  # all that Debian's SIPp knows


def sipp(lab: Lab, number: str, folder: Path, transport: str = "udp") -> Sipp:
    return Sipp(lab.sip_udp_port, lab.domain, number, lab.extension(number).password, folder, transport)


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_register_and_echo(tmp_path: Path, transport: str) -> None:
    async def run() -> None:
        async with Lab(OPTIONS) as lab:
            phone = sipp(lab, "901", tmp_path, transport)
            await phone.run("register.xml")
            await lab.wait_for("registered", extension="901", transport=transport)
            await phone.run("call.xml", "-s", "9196", "-r", "20", calls=20)
            await lab.wait_for("call_ended", callee="9196", by="caller", cause="hangup", count=20)
            assert not lab.events.find("garbage")

    asyncio.run(run())
