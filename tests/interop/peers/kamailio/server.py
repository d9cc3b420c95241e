"""Kamailio with rtpengine as a peer: a registrar and proxy that others wrote, on free ports, in a folder of its own."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from tests.interop.peers import certificates
from tests.interop.peers.kamailio import files
from tests.interop.peers.kamailio.files import DOMAIN, USERS, Ports
from tests.interop.peers.ports import free_ports, media_range

_START_S = 20.0
_RTP_PORTS = 200
Launch = Callable[[Sequence[str]], list[str]]
"""Words that run a program -> words that run it elsewhere, such as `Namespace.command`."""


class KamailioError(Exception):
    """It did not start, or does not answer."""


@dataclass(frozen=True)
class Contact:
    """What the registrar keeps of a registration. `received`: where the REGISTER came from, where that differs."""

    user: str
    uri: str
    received: str
    socket: str
    instance: str
    reg_id: int


class Kamailio:
    """From `with` to the end of the block; it may be killed, frozen and started again within.

    addresses: local ones to listen at, IPv4 or IPv6. launch: how programs are started, by default in the test's own
    network. twin: another one whose certificate this one has too.
    """

    domain = DOMAIN

    def __init__(
        self, addresses: Sequence[str] = ("127.0.0.1",), launch: Launch = list, twin: Kamailio | None = None
    ) -> None:
        self._addresses, self._launch = list(addresses), launch
        self.folder = Path(tempfile.mkdtemp(prefix="softphone-kamailio-"))
        if twin is None:
            self.ca_file = certificates.write_certificates(self.folder, DOMAIN)
        else:
            self.ca_file = twin.ca_file
            for name in ("good.crt", "good.key"):
                shutil.copy(twin.folder / name, self.folder)
        self.ports = Ports(*free_ports(4))
        self.media = range(first := media_range(_RTP_PORTS), first + _RTP_PORTS)
        self._main = files.write(self.folder, addresses, self.ports)
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    # ---- its life

    def start(self) -> None:
        """Starts both programs; returns when SIP is answered."""
        self._run("rtpengine", self._rtpengine())
        self._wait_for_rtpengine()  # Kamailio asks once whether it is there, and passes sound by if not
        self._start_proxy()

    def _start_proxy(self) -> None:
        self._run("kamailio", ["kamailio", "-DD", "-E", "-f", str(self._main), "-Y", str(self.folder), "-m", "64"])
        deadline = time.monotonic() + _START_S
        while not self._answers():
            if time.monotonic() > deadline or self._running["kamailio"].poll() is not None:
                raise KamailioError(f"Kamailio did not start:\n{self.log()[-3000:]}")
            time.sleep(0.02)

    def _wait_for_rtpengine(self) -> None:
        """Until it listens, wherever it lives: its own network's list of sockets has the port."""
        process = self._running["rtpengine"]
        sockets, address = Path(f"/proc/{process.pid}/net/udp"), f":{self.ports.control:04X} "
        deadline = time.monotonic() + _START_S
        while process.poll() is None and address not in sockets.read_text():
            if time.monotonic() > deadline:
                raise KamailioError(f"rtpengine did not start:\n{self.log()[-3000:]}")
            time.sleep(0.02)

    def _rtpengine(self) -> list[str]:
        media = [f"--interface={address}" for address in self._addresses]
        ports = [f"--port-min={self.media[0]}", f"--port-max={self.media[-1]}"]
        control = [f"--listen-ng=127.0.0.1:{self.ports.control}", "--config-file=none", "--table=-1"]
        return ["rtpengine", *media, *ports, *control, "--foreground", "--log-stderr", "--num-threads=1"]

    def _run(self, name: str, words: list[str]) -> None:
        with (self.folder / f"{name}.log").open("ab") as log:
            self._running[name] = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", *self._launch(words)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def kill(self) -> None:
        """As a power cut does: at once, and without a word to the phones."""
        for process in self._running.values():
            _signal(process, signal.SIGKILL)
            process.wait(timeout=10)
        self._running.clear()
        (self.folder / "rpc.sock").unlink(missing_ok=True)

    def restart_proxy(self) -> None:
        """Kamailio alone dies and comes back; rtpengine and its sound go on."""
        proxy = self._running.pop("kamailio")
        _signal(proxy, signal.SIGKILL)
        proxy.wait(timeout=10)
        (self.folder / "rpc.sock").unlink(missing_ok=True)
        self._start_proxy()

    def freeze(self) -> None:
        """It hangs: connections stay, the system goes on to accept new ones, nothing is answered until `thaw`."""
        _signal(self._running["kamailio"], signal.SIGSTOP)

    def thaw(self) -> None:
        _signal(self._running["kamailio"], signal.SIGCONT)

    # ---- where it is

    def place(self, transport: str, address: str = "") -> str:
        """`host:port` for a phone's configuration."""
        host = address or self._addresses[0]
        port = {"tls": self.ports.tls, "wss": self.ports.wss}.get(transport, self.ports.sip)
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    def log(self) -> str:
        return "\n".join(path.read_text(errors="replace") for path in sorted(self.folder.glob("*.log")))

    # ---- what it knows and does

    def set_out_of_order(self, out: bool) -> None:
        """Answers 503 to everything."""
        self.rpc("pv.shvSet", "out_of_order", "int", int(out))

    def contacts(self, user: str = "") -> list[Contact]:
        """Who is registered."""
        tables = self.rpc("ul.dump")["Domains"]
        records = [each["Info"] for table in tables for each in table["Domain"]["AoRs"]]
        found = [_contact(record["AoR"], each["Contact"]) for record in records for each in record["Contacts"]]
        return [contact for contact in found if user in ("", contact.user)]

    def forget(self) -> None:
        """All registrations are gone."""
        for user in USERS:
            self.rpc("ul.rm", "location", user, missing_ok=True)

    def rpc(self, method: str, *params: Any, missing_ok: bool = False) -> Any:
        """Asks it over its socket. Raises KamailioError."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as asking:
            asking.settimeout(5)
            mine = self.folder / f"ask-{os.getpid()}.sock"
            mine.unlink(missing_ok=True)
            asking.bind(str(mine))
            asking.sendto(
                json.dumps({"jsonrpc": "2.0", "method": method, "params": params, "id": 1}).encode(),
                str(self.folder / "rpc.sock"),
            )
            answer = json.loads(asking.recv(1 << 20))
        if "error" in answer and not missing_ok:
            raise KamailioError(f"{method}: {answer['error']}")
        return answer.get("result")

    def _answers(self) -> bool:
        try:
            self.rpc("core.version")
        except OSError:
            return False
        return True


def _contact(user: str, record: dict[str, Any]) -> Contact:
    return Contact(
        user=user,
        uri=record["Address"],
        received="" if record["Received"] == "[not set]" else record["Received"],
        socket=record["Socket"],
        instance="" if record["Instance"] == "[not set]" else record["Instance"],
        reg_id=int(record["Reg-Id"]),
    )


def _signal(process: subprocess.Popen[bytes], number: int) -> None:
    if process.poll() is None:
        os.killpg(process.pid, number)
