"""Runs of SIPp: started with a scenario, watched through its message log, ended with a verdict."""

import csv
import re
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from tests.interop.peers.ports import free_block
from tests.interop.peers.sipp.scenario import Scenario

_LOG_RULE = re.compile(r"^-{20,}.*\n", re.MULTILINE)
_LOG_HEAD = re.compile(r"(?:UDP|TCP) message (sent|received) .*\n\n?")
_POLL_S = 0.02
_LONGEST_LOG = 20_000_000
_START_TRIES = 3
_COMMAND = (
    "sipp -sf scenario.xml -i 127.0.0.1 -rtp_echo -nostdin -skip_rlimit -r 100"
    " -trace_err -error_file errors.log -trace_msg -message_file messages.log -trace_stat -stf stats.csv"
).split()


class SippError(AssertionError):
    """A scenario did not go as written; the text has SIPp's reason and its last messages."""


class PortTakenError(SippError):
    """Another program took a port between our look and SIPp's bind."""


@dataclass(frozen=True)
class Ports:
    """What a run binds."""

    sip: int
    media: int  # and the three above it
    control: int

    @classmethod
    def choose(cls, sip: int | None) -> Self:
        block = free_block(8)
        return cls(sip or block + 6, block, block + 4)


@dataclass(frozen=True)
class SipText:
    """One SIP message as SIPp sent or received it."""

    is_sent: bool
    text: str

    @property
    def first_line(self) -> str:
        return self.text.partition("\n")[0].strip()

    @property
    def body(self) -> str:
        return self.text.replace("\r\n", "\n").partition("\n\n")[2]

    def header(self, name: str) -> str | None:
        """The first header of this name, or None."""
        found = re.search(rf"^{name}[ \t]*:[ \t]*(.*?)\s*$", self.text, re.MULTILINE | re.IGNORECASE)
        return found[1] if found else None


@dataclass(frozen=True)
class Result:
    """What a finished run counted."""

    successful: int
    failed: int
    retransmissions: int


class SippRun:
    """A SIPp process with its own folder."""

    def __init__(self, command: list[str], folder: Path, ports: "Ports", timeout_s: float) -> None:
        self.port = ports.sip
        self._folder = folder
        self._deadline = time.monotonic() + timeout_s + 5
        with (folder / "output.txt").open("wb") as output:
            self._process = subprocess.Popen(
                command, cwd=folder, stdin=subprocess.DEVNULL, stdout=output, stderr=output
            )
        self._wait_until_bound(ports.control)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Ends SIPp if it still runs."""
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait(timeout=10)

    def wait(self) -> Result:
        """Waits until all calls are over.

        Raises:
            SippError: a call failed, or the time is up.
        """
        try:
            code = self._process.wait(timeout=max(0, self._deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            self.close()
            raise SippError(f"SIPp did not end in time\n{self.story()}") from None
        if code != 0:
            raise SippError(f"SIPp ended with {code}\n{self.story()}")
        return self._result()

    def messages(self) -> list[SipText]:
        """All SIP messages so far, in order."""
        log = self._folder / "messages.log"
        if not log.exists():
            return []
        with log.open(errors="replace") as file:
            text = file.read(_LONGEST_LOG)  # SIPp and its peer can fall into a circle that writes gigabytes
        parts = [(part, _LOG_HEAD.match(part)) for part in _LOG_RULE.split(text)]
        return [SipText(head[1] == "sent", part[head.end() :].rstrip("\n")) for part, head in parts if head]

    def received(self, start: str) -> list[SipText]:
        """The messages received whose first line starts so (`INVITE`, `SIP/2.0 200`)."""
        return [m for m in self.messages() if not m.is_sent and m.first_line.startswith(start)]

    def wait_for(self, start: str, count: int = 1, timeout_s: float = 10) -> list[SipText]:
        """Waits until so many messages have been received whose first line starts so."""
        self._poll(lambda: len(self.received(start)) >= count, timeout_s, f"{count} x {start}")
        return self.received(start)

    def remote_media(self, timeout_s: float = 10) -> tuple[str, int]:
        """Waits for the other side's SDP, and returns where it wants RTP: host and port."""

        def descriptions() -> list[str]:
            return [m.body for m in self.messages() if not m.is_sent and "m=audio" in m.body]

        self._poll(lambda: bool(descriptions()), timeout_s, "SDP")
        body = descriptions()[-1]
        host, port = re.search(r"^c=IN IP4 (\S+)", body, re.M), re.search(r"^m=audio (\d+)", body, re.M)
        if host is None or port is None:
            raise SippError(f"no usable SDP:\n{body}")
        return host[1], int(port[1])

    def story(self) -> str:
        """Why it failed and what was said last, for a person."""
        output = (self._folder / "output.txt").read_text(errors="replace")
        reason = self._errors() or "\n".join(output.splitlines()[-15:])
        arrows = [f"{'->' if m.is_sent else '<-'} {m.first_line}" for m in self.messages()]
        last = self.messages()[-2:]
        return "\n".join([reason, *arrows[-30:], *(m.text for m in last)])

    def _result(self) -> Result:
        with (self._folder / "stats.csv").open(newline="") as file:
            row = list(csv.DictReader(file, delimiter=";"))[-1]
        fields = ("SuccessfulCall(C)", "FailedCall(C)", "Retransmissions(C)")
        return Result(*(int(row[field]) for field in fields))

    def _wait_until_bound(self, control_port: int) -> None:
        """Waits for its control port, the last that it binds; a short run may be over by then."""
        table, address = Path("/proc/net/udp"), f":{control_port:04X} "
        self._poll(lambda: address in table.read_text() or self._process.poll() is not None, 5, "its ports")
        if "Unable to bind" in self._errors():
            raise PortTakenError(self._errors())

    def _errors(self) -> str:
        path = self._folder / "errors.log"
        return path.read_text(errors="replace")[-1500:] if path.exists() else ""

    def _poll(self, done: Callable[[], bool], timeout_s: float, what: str) -> None:
        """Looks at SIPp's log until it says so: SIPp has no other way to tell."""
        deadline = time.monotonic() + timeout_s
        while not done():
            ended = self._process.poll() is not None
            if (ended and not done()) or time.monotonic() > deadline:
                raise SippError(f"SIPp {'ended' if ended else 'waited'} without {what}\n{self.story()}")
            time.sleep(_POLL_S)


class Sipp:
    """Starts runs, each in a folder under `folder`, and ends what is left of them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._runs: list[SippRun] = []

    def start(
        self,
        scenario: Scenario,
        target_port: int | None = None,
        *,
        transport: str = "udp",
        calls: int = 1,
        pause_s: float = 0,
        rtp_port: int | None = None,
        port: int | None = None,
        timeout_s: float = 20,
        **keys: str,
    ) -> SippRun:
        """Starts a scenario, and returns when SIPp's port is bound.

        Args:
            target_port: where the caller's messages go, on 127.0.0.1; None for a called scenario.
            transport: udp or tcp.
            pause_s: how long the scenario's open pauses last.
            rtp_port: the media port of its SDP; without one, what SIPp hears goes back to the sender.
            port: SIPp's own port; a free one without.
            keys: the scenario's own keywords.
        """
        options = ["-t", f"{transport[0]}1", "-m", str(calls), "-d", str(round(pause_s * 1000))]
        options += ["-timeout", str(round(timeout_s)), "-timeout_error", *scenario.options]
        options += [word for key, value in keys.items() for word in ("-key", key, value)]
        if target_port is not None:
            options.append(f"127.0.0.1:{target_port}")
        for _ in range(_START_TRIES - 1):
            try:
                return self._try(scenario, Ports.choose(port), rtp_port, options, timeout_s)
            except PortTakenError:
                continue
        return self._try(scenario, Ports.choose(port), rtp_port, options, timeout_s)

    def _try(
        self, scenario: Scenario, ports: Ports, rtp_port: int | None, options: list[str], timeout_s: float
    ) -> SippRun:
        folder = self._folder / f"sipp-{len(list(self._folder.glob('sipp-*')))}-{scenario.name}"
        folder.mkdir(parents=True)
        (folder / "scenario.xml").write_text(scenario.xml)
        command = [*_COMMAND, "-p", str(ports.sip), "-mp", str(ports.media), "-cp", str(ports.control)]
        command += ["-key", "rtp_port", str(rtp_port or ports.media), *options]
        run = SippRun(command, folder, ports, timeout_s)
        self._runs.append(run)
        return run

    def close(self) -> None:
        """Ends every run."""
        for run in self._runs:
            run.close()

    def story(self) -> str:
        """The stories of all runs, for a failed test."""
        return "\n\n".join(run.story() for run in self._runs)
