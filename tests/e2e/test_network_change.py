"""The phone moves to another address in mid-call: it registers from there, and the call goes on with its sound."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from softphone.lab import Lab, LabOptions
from tests.support.echo import echoes
from tests.support.lab_elsewhere import lab_in
from tests.support.netns import Networks
from tests.support.phone import Phone, running

pytestmark = pytest.mark.e2e

OLD, NEW = {4: "198.51.100.7", 6: "2001:db8:1::7"}, {4: "198.51.100.8", 6: "2001:db8:1::8"}
PBX, PREFIX = {4: "198.51.100.1", 6: "2001:db8:1::1"}, {4: 24, 6: 64}


class Scene:
    """A phone's machine and a PBX's, and the cable between them."""

    def __init__(self, net: Networks, version: int) -> None:
        self.version = version
        self.phone, self.pbx = net.namespace("phone"), net.namespace("pbx")
        self.cable = net.link(self.phone, self.cidr(OLD), self.pbx, self.cidr(PBX))

    def cidr(self, address: dict[int, str]) -> str:
        return f"{address[self.version]}/{PREFIX[self.version]}"

    def replace_address(self) -> None:
        self.phone.del_address(self.cable.near, self.cidr(OLD))
        self.phone.add_address(self.cable.near, self.cidr(NEW))


@pytest.fixture
def scene(request: pytest.FixtureRequest) -> Iterator[Scene]:
    with Networks() as net:
        yield Scene(net, request.param)


def config(lab: Lab, transport: Any, **sip: Any) -> dict[str, Any]:
    made = lab.agent_config(["901"], transport=transport)
    made["provider"]["allow_http"] = True
    return made | {"sip": {"bind": ["0.0.0.0", "::"]} | sip}


@pytest.mark.parametrize(("scene", "transport"), [(4, "udp"), (4, "tcp"), (4, "tls"), (6, "tls")], indirect=["scene"])
def test_registration_and_call_follow_a_new_address(scene: Scene, tmp_path: Path, transport: str) -> None:
    new, old = NEW[scene.version], OLD[scene.version]

    async def act(lab: Lab, phone: Phone) -> None:
        await phone.registered()
        call = await phone.connected("9196")
        assert await echoes(phone, call, tmp_path)
        scene.replace_address()
        told = await phone.told("network.changed")
        assert old in told["before"]
        assert told["after"] == [new]
        await phone.told("account.registered", count=2)
        assert any(binding.flow.remote[0] == new for binding in lab.registrations("901"))
        await phone.told("call.media", call=call, active=True, count=2)
        assert await echoes(phone, call, tmp_path)
        assert (await phone.hung_up(call))["reason"] == "local_hangup"

    with lab_in(scene.pbx, LabOptions(host=PBX[scene.version])) as lab, scene.phone.entered():

        async def run() -> None:
            async with running(config(lab, transport), tmp_path) as phone:
                await act(lab, phone)

        asyncio.run(run())


@pytest.mark.parametrize("scene", [4], indirect=True)
def test_a_line_that_came_back_is_used_at_once_and_what_does_not_concern_us_changes_nothing(
    scene: Scene, tmp_path: Path
) -> None:
    async def act(phone: Phone) -> None:
        await phone.registered()
        scene.phone.add_address("lo", "203.0.113.9/32")
        told = await phone.told("network.changed")
        assert "203.0.113.9" in told["after"]
        assert len(phone.all("account.registering")) == 1
        scene.phone.set_link(scene.cable.near, False)
        await phone.told("account.failed")
        scene.phone.set_link(scene.cable.near, True)
        scene.phone.del_address("lo", "203.0.113.9/32")
        await phone.told("account.registered", count=2)

    with lab_in(scene.pbx, LabOptions(host=PBX[4])) as lab, scene.phone.entered():

        async def run() -> None:
            patient = {"retry_min_s": 300, "retry_max_s": 300, "register_timeout_s": 1}
            async with running(config(lab, "tcp", probe_s=0.5, probe_timeout_s=0.5, **patient), tmp_path) as phone:
                await act(phone)

        asyncio.run(run())
