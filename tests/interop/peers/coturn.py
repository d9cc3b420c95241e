"""coturn: a STUN and TURN server with a user, on free ports of one address; its log tells what went through it."""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Self

from tests.interop.peers import certificates
from tests.interop.peers.ports import free_ports, media_range

USER, PASSWORD, REALM = "phone", "turn-secret", "turn.test"
_START_S = 20.0
_RELAYS = 60


def _here(argv: Sequence[str | Path]) -> list[str]:
    return [str(word) for word in argv]


class Coturn:
    """A server that runs inside the `with` block. `command` puts its command line into a namespace."""

    def __init__(
        self, folder: Path, address: str = "127.0.0.1", *, command: Callable[[Sequence[str | Path]], list[str]] = _here
    ) -> None:
        self.address = address
        self._folder = folder / "coturn"
        self._folder.mkdir(parents=True)
        self.ca_file = certificates.write_certificates(self._folder, REALM)
        self._command = command
        own = command is not _here
        self.port, self.tls_port = (3478, 5349) if own else free_ports(2)
        self._first = 40_000 if own else media_range(_RELAYS)
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Returns when it listens."""
        with self._log_file.open("ab") as log:
            argv = ["turnserver", "-c", self._write_config()]
            self._process = subprocess.Popen(self._command(argv), stdout=log, stderr=log, cwd=self._folder)
        deadline = time.monotonic() + _START_S
        while "SQLite DB connection success" not in self.log:  # the last thing that it does
            assert self._process.poll() is None, f"coturn ended:\n{self.log[-2000:]}"
            assert time.monotonic() < deadline, f"coturn does not start:\n{self.log[-2000:]}"
            time.sleep(0.05)

    def stop(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            self._process.wait(timeout=20)
        self._process = None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def _log_file(self) -> Path:
        return self._folder / "coturn.log"

    @property
    def log(self) -> str:
        return self._log_file.read_text(errors="replace") if self._log_file.exists() else ""

    def relayed(self) -> list[tuple[int, int]]:
        """Packets from and to the client, one pair for each relay that was given back (RTP and RTCP have one each)."""
        found = re.findall(r"session (\d+): peer usage:.* username=<\w+>, rp=(\d+), rb=\d+, sp=(\d+), sb=\d+", self.log)
        counts: dict[str, tuple[int, int]] = {}
        for session, received, sent in found:
            before = counts.get(session, (0, 0))
            counts[session] = (before[0] + int(received), before[1] + int(sent))
        return list(counts.values())

    @property
    def uses_tls(self) -> bool:
        return "TLS" in "".join(line for line in self.log.splitlines() if "session" in line)

    def _write_config(self) -> Path:
        lines = (
            f"listening-ip={self.address}",
            f"relay-ip={self.address}",
            f"listening-port={self.port}",
            f"tls-listening-port={self.tls_port}",
            f"min-port={self._first}",
            f"max-port={self._first + _RELAYS - 1}",
            "lt-cred-mech",
            "fingerprint",
            f"realm={REALM}",
            f"user={USER}:{PASSWORD}",
            f"cert={self._folder / 'good.crt'}",
            f"pkey={self._folder / 'good.key'}",
            f"userdb={self._folder / 'users.db'}",
            f"pidfile={self._folder / 'turnserver.pid'}",
            "log-file=stdout",
            "verbose",
            "no-cli",
            "no-multicast-peers",
            "allow-loopback-peers",
            "relay-threads=1",
        )
        path = self._folder / "turnserver.conf"
        path.write_text("\n".join(lines) + "\n")
        return path
