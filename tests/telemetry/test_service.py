"""The daemon as systemd runs it: a real process, a real socket for its notices, a pipe for its journal."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
import yaml

from softphone import daemon
from softphone.config import load
from softphone.telemetry.journal import CallJournal

LIMIT_S = 30.0
PASSWORD = "s3cret-hunter2"
ROOT = Path(__file__).resolve().parents[2]


class Service:
    """A daemon and its supervisor."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.config = folder / "config.yaml"
        self.socket = folder / "run" / "control.sock"
        self.environ = os.environ | {
            "NOTIFY_SOCKET": str(folder / "notify"),
            "STATE_DIRECTORY": str(folder / "state"),
            "WATCHDOG_USEC": "200000",
            "PASSWORD": PASSWORD,
        }
        self.environ.pop("WATCHDOG_PID", None)
        self.lines: list[str] = []
        self.notices: list[str] = []
        self._notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._notify.bind(str(folder / "notify"))
        self._notify.settimeout(LIMIT_S)
        self.write_config()

    def write_config(self, **keys: object) -> None:
        account = {"username": "12", "password": {"env": "PASSWORD"}, "domain": "127.0.0.1", "transport": "udp"}
        config = {
            "accounts": [account | {"register": False}],
            "control": {"socket": str(self.socket)},
            "log": {"level": "debug"},
        }
        self.config.write_text(yaml.safe_dump(config | keys))

    @contextmanager
    def running(self) -> Iterator[subprocess.Popen[bytes]]:
        """The process and the reader of its log; both have ended afterwards."""
        reader, writer = os.pipe()
        status = os.fstat(writer)
        environ = self.environ | {"JOURNAL_STREAM": f"{status.st_dev}:{status.st_ino}"}
        command = [sys.executable, "-m", "softphone.cli.main", "run", "--config", str(self.config)]
        process = subprocess.Popen(command, stderr=writer, stdout=writer, env=environ, cwd=ROOT)
        os.close(writer)
        reading = threading.Thread(target=self._read, args=(reader,))
        reading.start()
        try:
            yield process
        finally:
            process.kill()
            process.wait()
            reading.join()
            self._notify.close()

    def _read(self, descriptor: int) -> None:
        with os.fdopen(descriptor) as log:
            self.lines += log.read().splitlines()

    def told(self, wanted: str, count: int = 1) -> None:
        """Waits until the supervisor has been told `wanted`, `count` times from here on."""
        deadline = time.monotonic() + LIMIT_S
        while count:
            assert time.monotonic() < deadline, f"{wanted} never came: {self.notices}"
            notice = self._notify.recv(4096).decode()
            self.notices.append(notice)
            count -= any(line.startswith(wanted) for line in notice.split("\n"))

    def falls_silent(self) -> bool:
        """Whether, after what was sent before, nothing comes for five times the watchdog's interval."""
        self._notify.settimeout(0.5)
        try:
            for _ in range(100):
                self._notify.recv(4096)
        except TimeoutError:
            return True
        finally:
            self._notify.settimeout(LIMIT_S)
        return False

    def first_event(self, wanted: str) -> str:
        """The first event of this type, of all that ever happened."""
        transport = httpx.HTTPTransport(uds=str(self.socket))
        with httpx.Client(transport=transport, base_url="http://phone", timeout=LIMIT_S) as client:
            with client.stream("GET", "/v1/events", params={"types": wanted, "after": "never-0"}) as stream:
                return next(line for line in stream.iter_lines() if f'"type":"{wanted}"' in line)


@pytest.fixture
def service(tmp_path: Path) -> Service:
    return Service(tmp_path)


def test_a_life_under_systemd(service: Service) -> None:
    with service.running() as process:
        service.told("READY=1")
        service.told("WATCHDOG=1", count=3)
        service.write_config(calls={"max_calls": 7})
        process.send_signal(signal.SIGHUP)
        service.told("RELOADING=1")
        service.told("READY=1")
        service.config.write_text("accounts: 7")
        process.send_signal(signal.SIGHUP)
        service.told("RELOADING=1")
        service.told("READY=1")
        process.send_signal(signal.SIGTERM)
        service.told("STOPPING=1")
        assert process.wait(LIMIT_S) == 0
    assert not service.socket.exists()
    log = "\n".join(service.lines)
    assert all(line[:3] in {"<3>", "<4>", "<6>", "<7>"} for line in service.lines)
    assert "<6>agent.started" in log
    assert "<3>daemon: the configuration is refused and the old one stays" in log
    assert PASSWORD not in log


def test_a_daemon_that_hangs_stops_feeding_the_watchdog(service: Service) -> None:
    with service.running() as process:
        service.told("WATCHDOG=1", count=2)
        process.send_signal(signal.SIGSTOP)
        assert service.falls_silent()
        process.send_signal(signal.SIGCONT)
        service.told("WATCHDOG=1")


def test_calls_that_a_crash_lost_are_told_at_the_next_start(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STATE_DIRECTORY", service.environ["STATE_DIRECTORY"])
    monkeypatch.setenv("PASSWORD", PASSWORD)
    with CallJournal(daemon.journal_path(load(service.config))) as journal:
        journal.open("c1", "12@127.0.0.1", "out", "sip:13@127.0.0.1")
    with service.running() as process:
        service.told("READY=1")
        ended = service.first_event("call.ended")
        assert '"call":"c1"' in ended
        assert '"reason":"lost"' in ended
        process.send_signal(signal.SIGTERM)
        assert process.wait(LIMIT_S) == 0
