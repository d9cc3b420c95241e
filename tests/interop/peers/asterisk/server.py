"""Asterisk 22 as a peer: one PBX per test run, on free ports of one address, in a chroot of its own files."""

import os
import secrets
import shutil
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from tests.interop.peers import certificates
from tests.interop.peers.asterisk import numbers
from tests.interop.peers.asterisk.ami import Ami, AmiError, EventTimeoutError, Message, connect
from tests.interop.peers.asterisk.files import Ports, RunFiles
from tests.interop.peers.asterisk.root import ensure_root

_RUNS = "run/softphone-interop"  # inside the root; one folder per run, named after its process
_START_TIMEOUT_S = 30
_START_TRIES = 3


class AsteriskError(Exception):
    """Asterisk did not start, or is not running."""


class PortTakenError(AsteriskError):
    """Another program took a port between our look and Asterisk's bind."""


@dataclass(frozen=True)
class Registration:
    """A contact that the PBX's registrar keeps."""

    extension: str
    uri: str
    user_agent: str
    via: str  # host:port that the REGISTER came from
    expires_s: int  # from now


class Asterisk:
    """The PBX, from `with` to the end of the block; it may be stopped and started again within.

    `run_dir` holds its configuration, log, certificates and recordings, and goes away with it unless
    SOFTPHONE_KEEP_PEERS is set.
    """

    domain = numbers.DOMAIN
    users = numbers.USERS

    def __init__(self, address: str = "127.0.0.1") -> None:
        self.address = address
        self.root = ensure_root()
        _remove_dead_runs(self.root / _RUNS)
        self.run_dir = self.root / _RUNS / f"{os.getpid()}-{secrets.token_hex(3)}"
        self._secret = secrets.token_hex(8)
        self._process: subprocess.Popen[bytes] | None = None
        self._ami: Ami | None = None
        self._begin = 0  # of the test under way, in the stream of events
        self._log_begin = 0  # and in the log

    def __enter__(self) -> Self:
        for _ in range(_START_TRIES - 1):
            try:
                return self._make_and_start()
            except PortTakenError:
                self.__exit__()
        return self._make_and_start()

    def __exit__(self, *_: object) -> None:
        self.stop()
        if not os.environ.get("SOFTPHONE_KEEP_PEERS"):
            shutil.rmtree(self.run_dir, ignore_errors=True)

    # --- where it is -----------------------------------------------------------------------------

    @property
    def udp_port(self) -> int:
        return self.ports.udp

    @property
    def tcp_port(self) -> int:
        return self.ports.tcp

    @property
    def tls_port(self) -> int:
        """The port whose certificate is right; `ports.tls` has the wrong ones by kind."""
        return self.ports.tls[certificates.GOOD]

    @property
    def wss_url(self) -> str:
        """SIP over secure WebSocket; always at 127.0.0.1, whose certificate names it, localhost and the domain."""
        return f"wss://{self.domain}:{self.ports.wss}/ws"

    @property
    def ca_file(self) -> Path:
        return self.run_dir / "etc" / "ca.crt"

    @property
    def ami(self) -> Ami:
        if self._ami is None:
            raise AsteriskError("Asterisk is not running")
        return self._ami

    # --- its life --------------------------------------------------------------------------------

    def start(self) -> None:
        """Starts with the ports and files it has, and returns when it is fully booted."""
        command = ["setpriv", "--pdeathsig", "TERM", "chroot", str(self.root), "/usr/sbin/asterisk"]
        command += ["-f", "-C", f"/{self.run_dir.relative_to(self.root)}/etc/asterisk.conf"]
        log = (self.run_dir / "log" / "console.out").open("ab")
        with log:
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            self._ami = connect(self.ports.manager, "tests", self._secret, _START_TIMEOUT_S, self._is_alive)
            self._ami.wait("FullyBooted", timeout_s=_START_TIMEOUT_S)
        except (OSError, AmiError, EventTimeoutError) as error:
            raise AsteriskError(f"Asterisk did not start: {error}\n{self._last_words()}") from error
        self._begin = 0
        self._wait_for_console()
        self._check_ports()

    def stop(self) -> None:
        """Ends it as a crash of the PBX would: at once, without a word to the phones."""
        if self._ami:
            self._ami.close()
            self._ami = None
        if self._process:
            self._process.kill()
            self._process.wait(timeout=10)
            self._process = None

    def freeze(self) -> None:
        """Makes it hang: connections stay, nothing is answered, until `thaw`."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)

    def ensure_running(self) -> None:
        """Thaws or starts it again, for the next test, whatever this one did to it."""
        if self._is_alive():
            self.thaw()
        else:
            self.stop()
            self.start()

    def begin_test(self) -> None:
        """Forgets what earlier tests left: calls, contacts; waits look at events from here on."""
        for channel in self.channels():
            self._hang_up(channel["Channel"])
        for contact in self.ami.listing("PJSIPShowContacts"):
            self.cli(f"database del registrar/contact {contact['ObjectName']}")
        self._begin = self.ami.mark()
        self._log_begin = len(self.log())

    # --- what it does ----------------------------------------------------------------------------

    def cli(self, command: str) -> str:
        """One command of Asterisk's console, and what it prints."""
        return "\n".join(self.ami.action("Command", Command=command).output)

    def originate(self, extension: str, number: str, *, caller_id: str = "Test <700>", **variables: str) -> None:
        """Calls an extension; when it answers, it is connected to a number of the plan. Does not wait.

        Variables are channel variables: `**{"PJSIP_HEADER(add,X-Token)": "1"}` adds a header.
        """
        set_variables = ",".join(f"{name}={value}" for name, value in variables.items())
        self.ami.action(
            "Originate",
            Channel=f"PJSIP/{extension}",
            Context="phones",
            Exten=number,
            Priority="1",
            CallerID=caller_id,
            Timeout="30000",
            Async="true",
            Variable=set_variables,
        )

    def hang_up(self, extension: str) -> None:
        """The PBX ends all calls of an extension."""
        for channel in self.channels():
            if channel["Channel"].startswith(f"PJSIP/{extension}-"):
                self._hang_up(channel["Channel"])

    def channels(self) -> list[Message]:
        """The channels that are up (fields `Channel`, `ChannelStateDesc`, `Exten`, ...)."""
        return self.ami.listing("CoreShowChannels")

    def registrations(self) -> list[Registration]:
        """The contacts that are registered now."""
        now = time.time()
        return [
            Registration(
                contact["Endpoint"],
                contact["Uri"],
                contact["UserAgent"],
                f"{contact['ViaAddr']}:{contact['ViaPort']}",
                round(int(contact["ExpirationTime"]) - now),
            )
            for contact in self.ami.listing("PJSIPShowContacts")
        ]

    def recording(self, name: str) -> Path:
        """The file in which RECORD keeps what the caller said; complete when the call has ended."""
        return self.run_dir / "recordings" / f"{name}.wav16"

    def wait_for(self, event: str, count: int = 1, timeout_s: float = 10, **fields: str) -> list[Message]:
        """Waits for manager events since the test began; user events are known by their own name."""
        return self.ami.wait(event, count=count, since=self._begin, timeout_s=timeout_s, **fields)

    def log(self) -> str:
        """Everything logged so far, the SIP messages too."""
        path = self.run_dir / "log" / "full.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def test_log(self) -> str:
        """The log since the test began."""
        return self.log()[self._log_begin :]

    # --- inside ----------------------------------------------------------------------------------

    def _make_and_start(self) -> Self:
        self.ports = Ports.choose()
        files = RunFiles(self.root, self.run_dir, self.ports, self._secret, self.address)
        files.write(self.domain, self.users)
        self.start()
        return self

    def _wait_for_console(self) -> None:
        """Its last commands appear a moment after it says that it is fully booted."""
        deadline = time.monotonic() + _START_TIMEOUT_S
        while True:
            try:
                self.cli("core show version")
                return
            except AmiError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.01)

    def _check_ports(self) -> None:
        shown = self.cli("pjsip show transports")
        wanted = [self.ports.udp, self.ports.tcp, *self.ports.tls.values()]
        absent = [str(port) for port in wanted if f"{self.address}:{port}" not in shown]
        served = self.cli("http show status")
        absent += [str(port) for port in (self.ports.ws, self.ports.wss) if f"127.0.0.1:{port}" not in served]
        if absent:
            raise PortTakenError(f"Asterisk could not listen on {', '.join(absent)}\n{shown}\n{served}")

    def _is_alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def _last_words(self) -> str:
        console = (self.run_dir / "log" / "console.out").read_text(errors="replace")
        return f"{console[-2000:]}\n{self.log()[-2000:]}"

    def _hang_up(self, channel: str) -> None:
        try:
            self.ami.action("Hangup", Channel=channel)
        except AmiError:  # it ended by itself meanwhile
            pass

    def _signal(self, number: signal.Signals) -> None:
        if self._process is None:
            raise AsteriskError("Asterisk is not running")
        self._process.send_signal(number)


def _remove_dead_runs(runs: Path) -> None:
    """Removes folders of test runs that were killed."""
    for folder in runs.glob("*-*"):
        if not Path("/proc", folder.name.partition("-")[0]).exists():
            shutil.rmtree(folder, ignore_errors=True)
