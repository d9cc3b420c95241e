"""What the tests of native/ share: an endpoint that makes no noise, ports on one hub, and waiting with a deadline."""

import json
import os
import select
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pjsua2 as pj

PROGRAMS = Path(__file__).parent / "programs"
FRAME = 640  # bytes: 20 ms of 16 kHz mono
DEADLINE_S = 10.0


@contextmanager
def quiet_endpoint(configure: Callable[[pj.EpConfig], None] | None = None) -> Iterator[pj.Endpoint]:
    """A started endpoint: 16 kHz mixer, null sound device, worker threads of its own, no log."""
    os.environ["ALSA_CONFIG_PATH"] = os.devnull
    pj.setLogLevel(0)
    endpoint = pj.Endpoint()
    endpoint.libCreate()
    config = pj.EpConfig()
    config.logConfig.level = config.logConfig.consoleLevel = 0
    config.uaConfig.mainThreadOnly = False
    config.uaConfig.threadCnt = 1
    config.medConfig.noVad = True
    config.medConfig.sndAutoCloseTime = -1  # else the mixer's clock stops when nothing is connected for a second
    if configure:
        configure(config)
    try:
        endpoint.libInit(config)
        endpoint.audDevManager().setNullDev()
        endpoint.libStart()
        yield endpoint
    finally:
        endpoint.libDestroy(pj.PJSUA_DESTROY_NO_RX_MSG)


def until(condition: Callable[[], Any], deadline_s: float = DEADLINE_S) -> None:
    """Sleeps until `condition` holds; TimeoutError after the deadline."""
    limit = time.monotonic() + deadline_s
    while not condition():
        if time.monotonic() > limit:
            raise TimeoutError("the deadline passed")
        time.sleep(0.005)


class Bench:
    """Ports on one hub, and what came out of them."""

    def __init__(self) -> None:
        self.hub = pj.PcmHub(256)
        self.ports: list[pj.PcmPort] = []
        self.heard: defaultdict[int, bytes] = defaultdict(bytes)
        self.events: list[tuple[int, int]] = []

    def port(self, hub: bool = True, name: str = "port", **settings: int | bool) -> pj.PcmPort:
        """An open port; `settings` are fields of PcmPortConfig."""
        config = pj.PcmPortConfig()
        for name, value in settings.items():
            assert hasattr(config, name), name
            setattr(config, name, value)
        port = pj.PcmPort()
        if hub:
            port.open(name, config, self.hub)
        else:
            port.open(name, config)
        self.ports.append(port)
        return port

    def wire(self, **settings: int | bool) -> tuple[pj.PcmPort, pj.PcmPort]:
        """A port with `settings`, and a port that hears what it plays."""
        source, sink = self.port(**settings), self.port()
        source.startTransmit(sink)
        self.until(lambda: source.stat().framesGet > 0)
        return source, sink

    def pump(self, wait_s: float = 0.1) -> None:
        """One turn of what an event loop does with the hub."""
        if select.select([self.hub.fileno()], [], [], wait_s)[0]:
            for port_id, data in self.hub.drain():
                self.heard[port_id] += data
            self.events += self.hub.events()

    def until(self, condition: Callable[[], Any], deadline_s: float = DEADLINE_S) -> None:
        """Pumps until `condition` holds; fails after the deadline."""
        limit = time.monotonic() + deadline_s
        while not condition():
            assert time.monotonic() < limit, "the deadline passed"
            self.pump()

    def frames(self, port: pj.PcmPort, n: int) -> None:
        """Pumps for `n` more frames of the mixer's clock."""
        end = port.stat().framesPut + n
        self.until(lambda: port.stat().framesPut >= end)

    def sound(self, port: pj.PcmPort) -> bytes:
        """What was heard, without the silence around it."""
        samples = np.frombuffer(self.heard[port.getPortId()], "<i2")
        loud = np.flatnonzero(samples)
        return samples[loud[0] : loud[-1] + 1].tobytes() if loud.size else b""

    def close(self) -> None:
        for port in self.ports:
            port.close()


def numbered(n_bytes: int) -> bytes:
    """PCM in which no sample is zero and every sample tells its place (modulo 30,000)."""
    return b"".join((1 + i % 30000).to_bytes(2, "little") for i in range(n_bytes // 2))


@dataclass(frozen=True)
class Ran:
    """What a program of this folder said."""

    json: dict[str, Any]
    stderr: str


def run_program(name: str, *args: str, env: dict[str, str] | None = None, timeout_s: float = 100.0) -> Ran:
    """Runs a program of this folder in a process of its own; its last line of output is JSON."""
    argv = [sys.executable, "-m", f"tests.native.programs.{name}", *args]
    root = Path(__file__).parents[2]
    done = subprocess.run(
        argv, cwd=root, env={**os.environ, **(env or {})}, capture_output=True, text=True, timeout=timeout_s
    )
    assert done.returncode == 0, f"{name} ended with {done.returncode}\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
    return Ran(json.loads(done.stdout.splitlines()[-1]), done.stderr)
