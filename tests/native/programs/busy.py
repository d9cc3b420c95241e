"""The mixer's clock while Python is busy, with many ports of one kind; prints what a native observer port measured.

python -m tests.native.programs.busy native|director PORTS SECONDS
"""

import asyncio
import json
import sys
import time
from typing import Any

import pjsua2 as pj

from ..bench import quiet_endpoint

SLICE_S = 0.02  # how long the busy task computes between two turns of the loop


class DirectorPort(pj.AudioMediaPort):
    """The same thing by pjsua2's own means: Python is called for every frame."""

    def onFrameRequested(self, frame: Any) -> None:
        frame.type = pj.PJMEDIA_FRAME_TYPE_NONE

    def onFrameReceived(self, frame: Any) -> None:
        pass


def director_port(name: str) -> DirectorPort:
    port = DirectorPort()
    wanted = pj.MediaFormatAudio()
    wanted.init(pj.PJMEDIA_FORMAT_PCM, 16000, 1, 20000, 16)
    port.createPort(name, wanted)
    return port


async def burn(until: float) -> None:
    while time.monotonic() < until:
        end = time.monotonic() + SLICE_S
        while time.monotonic() < end:
            sum(range(100))
        await asyncio.sleep(0)


class Run:
    """Ports in a ring, each heard by the next, and an observer that hears the first."""

    def __init__(self, kind: str, count: int) -> None:
        self.hub = pj.PcmHub()
        self.heard_bytes = 0
        self.native: dict[int, pj.PcmPort] = {}
        self.observer = self._native()
        self.ports = [self._native() if kind == "native" else director_port(f"d{n}") for n in range(count)]
        for n, port in enumerate(self.ports):
            port.startTransmit(self.ports[(n + 1) % count])
        self.ports[0].startTransmit(self.observer)

    def _native(self) -> pj.PcmPort:
        port = pj.PcmPort()
        port.open("native", pj.PcmPortConfig(), self.hub)
        self.native[port.getPortId()] = port
        return port

    def on_readable(self) -> None:
        """An echo in Python: what is heard is said again."""
        for port_id, data in self.hub.drain():
            self.heard_bytes += len(data)
            self.native[port_id].write(data)

    async def measure(self, seconds: float) -> dict[str, float]:
        loop = asyncio.get_running_loop()
        loop.add_reader(self.hub.fileno(), self.on_readable)
        await asyncio.sleep(0.5)
        for port in self.native.values():
            port.resetStat()
        started = time.monotonic()
        await burn(started + seconds)
        stat = self.observer.stat()
        elapsed = time.monotonic() - started
        loop.remove_reader(self.hub.fileno())
        return {
            "frames": stat.framesPut,
            "expected": elapsed * 50,
            "longest_ms": stat.putMaxUsec / 1000,
            "late15": stat.late15,
            "late20": stat.late20,
            "lost_frames": sum(port.stat().rxOverruns for port in self.native.values()),
            "heard_bytes": self.heard_bytes,
        }


def main(kind: str, count: int, seconds: float) -> dict[str, float]:
    def roomy(config: pj.EpConfig) -> None:
        config.medConfig.maxMediaPorts = count + 10

    with quiet_endpoint(roomy):
        run = Run(kind, count)
        result = asyncio.run(run.measure(seconds))
        for n, port in enumerate(run.ports):
            port.stopTransmit(run.ports[(n + 1) % count])
        for port in run.native.values():
            port.close()
    return result


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]))))
