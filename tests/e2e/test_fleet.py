"""A whole domain on one agent: a thousand extensions of the PBX's API, each an account that registers."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from softphone.lab import Lab, LabOptions
from tests.support.phone import running

COUNT = 1000
NUMBERS = tuple(str(10_000 + number) for number in range(COUNT))
WITHIN_S = 90.0


def everybody(lab: Lab) -> dict[str, Any]:
    """A configuration with all extensions of the lab's list, over UDP."""
    config = lab.agent_config([], transport="udp")
    [entry] = config["accounts"]
    del entry["extensions"]
    return config | {"accounts": [entry | {"select": {}}]}


def test_a_thousand_extensions_take_one_request_and_all_register(tmp_path: Path) -> None:
    async def run() -> None:
        async with Lab(LabOptions(extensions=NUMBERS, disabled=())) as lab:
            async with running(everybody(lab), tmp_path) as phone:
                await phone.told("account.registered", count=COUNT, within_s=WITHIN_S)
                assert {binding.extension.number for binding in lab.registrations()} == set(NUMBERS)
                assert not lab.events.find("registration_failed")
                [request] = lab.events.find("api_request")
                assert (request["query"]["limit"], request["query"]["page"]) == ("5000", "1")
                status = phone.agent.status()
                assert (status.accounts.registered, status.ready, status.problems) == (COUNT, True, [])

                call = await phone.connected("9196", account=NUMBERS[-1])
                await phone.hung_up(call)
            assert not lab.registrations()

    asyncio.run(run())
