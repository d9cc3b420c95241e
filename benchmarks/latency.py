"""How long things take: starting, idling, the control API, setting up calls."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.capacity import Say
from benchmarks.daemons import Daemon, daemon, lab
from benchmarks.farside import FarSide
from benchmarks.fastclient import FastClient
from benchmarks.phones import HOST, daemon_config
from benchmarks.processes import PYTHON, BenchError, cpu_s, memory_mb, spent_s
from benchmarks.stats import Spread, Times

ECHO = "9196"
IN_FLIGHT = 20


@dataclass(frozen=True, slots=True)
class Amounts:
    """How much is measured."""

    requests: int
    calls: int
    churned: int
    idle_s: float
    starts: int


@dataclass(frozen=True, slots=True)
class Latency:
    """Everything that this module measures."""

    help: Times
    bare_python: Times
    serves: Times
    registered: Times
    idle_percent: float
    memory_mb: float
    status: Times
    digits: Times
    setup: Mapping[str, Times]
    calls_per_s: Spread
    cpu_ms_per_call: Spread


def measure(amounts: Amounts, say: Say) -> Latency:
    """All of it; the lab and a far end run beside."""
    say("softphone --help")
    help_, bare = help_times(amounts.starts)
    with lab() as configs:
        say("start of the daemon, idling, control")
        serves, registered = start_times(configs["tls"], amounts.starts)
        with daemon(configs["tls"]) as phone:
            idle = idle_percent(phone, amounts.idle_s)
            rest_mb = memory_mb(phone.child.pid)
            status = status_times(phone.client, amounts.requests)
            digits = digits_times(phone.client, amounts.requests)
        setup = {}
        for transport, config in configs.items():
            say(f"setting up calls, {transport}")
            with daemon(config) as phone:
                setup[transport] = setup_times(phone.client, ECHO, amounts.calls)
    say("calls per second")
    with TemporaryDirectory(prefix="bench-") as folder, FarSide("PCMU", Path(folder)) as far:
        target = f"sip:far@{HOST}:{far.port}"
        with daemon(_caller(far)) as phone:
            setup["udp, no digest, the bare far end"] = setup_times(phone.client, target, amounts.calls)
            rates, costs = zip(*(churn(phone, target, amounts.churned) for _ in range(3)), strict=True)
    return Latency(
        help_, bare, serves, registered, idle, rest_mb, status, digits, setup, Spread.of(rates), Spread.of(costs)
    )


def _caller(far: FarSide) -> dict[str, Any]:
    return daemon_config(far.port, {"codecs": ["pcmu"]}, Path("unused"))


def help_times(count: int) -> tuple[Times, Times]:
    """Wall times of `softphone --help` and of a Python that does nothing, by turns."""
    program = Path(sys.executable).with_name("softphone")
    ours, bare = [], []
    for _ in range(count):
        ours.append(_wall_s([str(program), "--help"]))
        bare.append(_wall_s([PYTHON, "-c", "pass"]))
    return Times.of(ours), Times.of(bare)


def _wall_s(command: list[str]) -> float:
    start_s = time.perf_counter()
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - start_s


def start_times(config: Mapping[str, Any], count: int) -> tuple[Times, Times]:
    """From the start of the process to its first answer, and to all accounts registered."""
    serves, registered = [], []
    for _ in range(count):
        with daemon(config) as phone:
            serves.append(phone.serves_s)
            registered.append(phone.registered_s)
    return Times.of(serves), Times.of(registered)


def idle_percent(phone: Daemon, window_s: float) -> float:
    """Processor time of a registered phone without calls, percent of one core."""
    time.sleep(1)
    before, start_s = cpu_s(phone.child.pid), time.monotonic()
    time.sleep(window_s)
    return 100 * spent_s(before, cpu_s(phone.child.pid)) / (time.monotonic() - start_s)


def _timed(client: FastClient, count: int, method: str, path: str, body: object = None) -> Times:
    durations = []
    for _ in range(count):
        start_s = time.perf_counter()
        client.request(method, path, body)
        durations.append(time.perf_counter() - start_s)
    return Times.of(durations)


def status_times(client: FastClient, count: int) -> Times:
    """Round trips of GET /v1/status."""
    return _timed(client, count, "GET", "/v1/status")


def digits_times(client: FastClient, count: int) -> Times:
    """Round trips of POST …/dtmf on a call that is up."""
    client.follow("call")
    call = client.request("POST", "/v1/calls", {"target": ECHO})["id"]
    client.wait_for(call, "call.media")
    client.wait_for(call, "call.answered")
    body = {"digits": "1", "duration_ms": 40, "pause_ms": 20}
    times = _timed(client, count, "POST", f"/v1/calls/{call}/dtmf", body)
    client.request("DELETE", f"/v1/calls/{call}")
    client.wait_for(call, "call.ended")
    return times


def setup_times(client: FastClient, target: str, count: int) -> Times:
    """From the request to dial until the event that tells of the answer; one call after the other."""
    client.follow("call.answered,call.ended")
    durations = []
    for _ in range(count):
        start_s = time.perf_counter()
        call = client.request("POST", "/v1/calls", {"target": target})["id"]
        told = client.wait_for(call, "call.answered", "call.ended")
        if told.type != "call.answered":
            raise BenchError(f"a call ended before it was answered: {told.data}")
        durations.append(told.at_s - start_s)
        client.request("DELETE", f"/v1/calls/{call}")
        client.wait_for(call, "call.ended")
    return Times.of(durations)


def churn(phone: Daemon, target: str, count: int) -> tuple[float, float]:
    """Calls set up, answered and torn down per second, IN_FLIGHT at a time; processor ms for each."""
    client = phone.client
    client.follow("call.answered,call.ended")
    before, start_s = cpu_s(phone.child.pid), time.perf_counter()
    dialled = ended = 0
    while ended < count:
        while dialled < count and dialled - ended < IN_FLIGHT:
            client.request("POST", "/v1/calls", {"target": target})
            dialled += 1
        told = client.next_event()
        if told.type == "call.answered":
            client.request("DELETE", f"/v1/calls/{told.data['call']}")
        else:
            ended += 1
    lasted_s = time.perf_counter() - start_s
    return count / lasted_s, 1000 * spent_s(before, cpu_s(phone.child.pid)) / count
