"""What systemd is told, read from a real datagram socket."""

import logging
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from softphone.telemetry.systemd import notify, notify_reloading, notify_stopping, watchdog_interval_s


class Supervisor:
    """The socket that a service manager listens on."""

    def __init__(self, address: str) -> None:
        self.environ = {"NOTIFY_SOCKET": address}
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind("\0" + address[1:] if address[0] == "@" else address)
        self.socket.settimeout(5)

    def heard(self) -> list[str]:
        return self.socket.recv(4096).decode().split("\n")


@pytest.fixture(params=["path", "abstract"])
def supervisor(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Supervisor]:
    supervisor = Supervisor(str(tmp_path / "notify") if request.param == "path" else f"@{tmp_path}/notify")
    with supervisor.socket:
        yield supervisor


def test_ready_and_status_in_one_message(supervisor: Supervisor) -> None:
    assert notify("READY=1", "STATUS=2 of 3 accounts registered", environ=supervisor.environ)
    assert supervisor.heard() == ["READY=1", "STATUS=2 of 3 accounts registered"]


def test_a_text_of_several_lines_cannot_become_another_assignment(supervisor: Supervisor) -> None:
    notify("STATUS=no route\nMAINPID=1", environ=supervisor.environ)
    assert supervisor.heard() == ["STATUS=no route MAINPID=1"]


def test_reloading_carries_the_monotonic_clock(supervisor: Supervisor) -> None:
    before = time.monotonic_ns() // 1000
    assert notify_reloading(supervisor.environ)
    state, clock = supervisor.heard()
    assert state == "RELOADING=1"
    assert before <= int(clock.removeprefix("MONOTONIC_USEC=")) <= time.monotonic_ns() // 1000


def test_stopping_asks_for_the_time_that_the_drain_takes(supervisor: Supervisor) -> None:
    notify_stopping(35, "waiting for 2 calls to end", supervisor.environ)
    assert supervisor.heard() == ["STOPPING=1", "STATUS=waiting for 2 calls to end", "EXTEND_TIMEOUT_USEC=35000000"]


def test_without_a_supervisor_nothing_is_sent() -> None:
    assert not notify("READY=1", environ={})


@pytest.mark.parametrize("address", ["/nowhere/at/all", "relative", "vsock:2:9999", "@" + "x" * 200])
def test_a_supervisor_that_is_not_there_costs_a_warning(address: str, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        assert not notify("READY=1", environ={"NOTIFY_SOCKET": address})
    assert "cannot be told READY=1" in caplog.text


@pytest.mark.parametrize(
    ("environ", "interval_s"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "30000000"}, 15.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())}, 15.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
    ],
)
def test_the_watchdog_is_fed_twice_as_often_as_it_asks(environ: dict[str, str], interval_s: float | None) -> None:
    assert watchdog_interval_s(environ) == interval_s
