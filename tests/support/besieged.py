"""A daemon under attack, and what must be true of it all the while.

async with besieged(folder) as target:
    ...  # send something to target.sip, target.tcp, target.media
    await target.goes_on()
"""

from __future__ import annotations

import asyncio
import wave
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from softphone.lab import Lab
from tests.interop.peers.ports import free_ports
from tests.support.daemon import Daemon
from tests.support.procfs import listening

ANSWER_STRANGERS = ({"from": "stranger", "action": "answer"},)


@dataclass
class Target:
    """A daemon with a recorded call. `sip`: its UDP port for SIP; `tcp`: the ports of its TCP and TLS servers, and
    `plain_tcp` the one without TLS; `media`: the RTP and RTCP ports of the call."""

    daemon: Daemon
    lab: Lab
    call: str
    sip: int
    tcp: list[int]
    plain_tcp: int
    media: list[int]

    async def heard(self) -> int:
        quality = await self.daemon.get(f"/v1/calls/{self.call}/quality")
        return int(quality["rx_packets"])

    async def goes_on(self, packets: int = 1) -> None:
        """It lives, its call goes on with sound (`packets` more of it), its accounts are registered."""
        assert self.daemon.alive, f"the daemon died:\n{self.daemon.log[-2000:]}"
        before = await self.heard()
        async with asyncio.timeout(5):
            while await self.heard() < before + packets:  # noqa: ASYNC110 - figures tell no event
                await asyncio.sleep(0.005)
        assert (await self.daemon.get(f"/v1/calls/{self.call}"))["state"] == "active"
        counts = (await self.daemon.get("/v1/status"))["accounts"]
        assert (counts["registered"], counts["failed"]) == (2, 0)
        assert self.daemon.all("account.connection_lost") == []

    async def unharmed(self) -> None:
        """It goes on, and another call can be placed."""
        await self.goes_on(packets=10)
        await self.daemon.hang_up(await self.daemon.dial("9196", account="902"))
        assert "Traceback" not in self.daemon.log
        assert "fault in" not in self.daemon.log


@asynccontextmanager
async def besieged(folder: Path, incoming: Sequence[Any] = ANSWER_STRANGERS) -> AsyncIterator[Target]:
    """A daemon registered by UDP and TLS that answers strangers and has a recorded call. It is judged at the end."""
    async with Lab() as lab:
        config = lab.agent_config(["901"], transport="udp", incoming=list(incoming))
        config["accounts"].append(lab.agent_config(["902"], transport="tls")["accounts"][0])
        config["calls"] = {"drain_s": 0}
        config["sip"] = {"tcp_port": free_ports(1)[0]}
        async with Daemon(folder, config) as daemon:
            await daemon.told("account.registered", count=2)
            sip = listening(daemon.pid, "udp")
            assert len(sip) == 1
            call = await daemon.dial("9196", account="901")
            await daemon.ask("POST", f"/v1/calls/{call}/record", {"file": str(folder / "call.wav")})
            await daemon.told("record.started")
            media = [port for port in listening(daemon.pid, "udp") if port != sip[0]]
            target = Target(
                daemon, lab, call, sip[0], listening(daemon.pid, "tcp"), config["sip"]["tcp_port"], sorted(media)
            )
            assert len(target.tcp) == 2
            assert len(target.media) == 2
            yield target
            await target.unharmed()
            ended = await daemon.hang_up(call)
            recorded = await daemon.told("record.ended")
            assert ended["reason"] == "local_hangup"
            assert recorded["reason"] == "call_ended"
            with wave.open(str(folder / "call.wav")) as sound:
                assert sound.getnframes() / sound.getframerate() > ended["duration_s"] - 1
            assert await daemon.stop() == 0
