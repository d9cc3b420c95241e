"""A daemon with accounts at a good and at a hostile PBX, and a flood of mutated SIP, SDP and media.

    python -m tests.support.fuzz --messages 1000000 --seed 7

What is sent follows from the seed; when it arrives does not. The last messages before a crash are kept in a file.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import tempfile
import time
from collections import Counter, deque
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from softphone.lab import Lab
from softphone.lab.certificates import make_certificates
from tests.interop.peers.ports import free_ports
from tests.support import hostile
from tests.support.daemon import Daemon
from tests.support.hostile import SDP, Stranger
from tests.support.hostile_pbx import COPIED, Dialog, HostilePbx, Way
from tests.support.mutate import Mutator, packet
from tests.support.procfs import Figures, figures, listening

BATCH = 100  # messages between two questions whether it is still there
KEPT = 400  # messages for the report of a crash
PATIENCE_S = 10.0
RETRY_S = 0.1  # a socket's buffer may have been full
IN_DIALOG = ("INVITE", "INVITE", "INVITE", "UPDATE", "UPDATE", "INFO", "NOTIFY", "REFER", "PRACK", "OPTIONS", "MESSAGE")
STATUSES = (
    *("100 Trying", "180 Ringing", "183 Session Progress", "183 Session Progress", "199 Early Dialog Terminated"),
    *("200 OK", "202 Accepted", "302 Moved Temporarily", "401 Unauthorized", "407 Proxy Authentication Required"),
    *("422 Session Interval Too Small", "423 Interval Too Brief", "488 Not Acceptable Here", "491 Request Pending"),
    *("503 Service Unavailable", "603 Decline", "699 x", "99 x", "700 x"),
)
EXTRA = (
    *(
        "",
        "",
        "Require: 100rel\r\nRSeq: 1\r\n",
        "Contact: <sip:x@127.0.0.1:9>\r\n",
        "Record-Route: <sip:127.0.0.1:9;lr>\r\n",
    ),
    *(
        'WWW-Authenticate: Digest realm="peer.test", nonce="x"\r\n',
        "Session-Expires: 90;refresher=uas\r\nRequire: timer\r\n",
    ),
    *("Min-SE: 4294967295\r\n", "Retry-After: 1\r\n", "P-Asserted-Identity: <sip:x@y>\r\n", "Contact: *\r\n"),
)


@dataclass(frozen=True)
class Outcome:
    """What was sent by which way, and the daemon's figures before and after."""

    sent: Counter[str]
    seconds: float
    before: Figures
    after: Figures

    @property
    def messages(self) -> int:
        return sum(count for way, count in self.sent.items() if way != "media")


class Fuzz:
    """One run against one daemon."""

    def __init__(self, daemon: Daemon, pbx: HostilePbx, seed: int) -> None:
        self.daemon, self.pbx = daemon, pbx
        self.sent: Counter[str] = Counter()
        self.last: deque[tuple[str, bytes]] = deque(maxlen=KEPT)
        self._dice = random.Random(seed)
        self._mutator = Mutator(self._dice)
        self.placed: Counter[int] = Counter()
        self._number = 0
        self._attacking = False
        self._stranger: Stranger
        self._tcp = 0
        self.call = ""
        self.media: list[int] = []

    async def prepare(self, tcp_port: int) -> None:
        """Waits for the registrations, and for a call of the good account that nothing may harm."""
        await self.daemon.told("account.registered", count=5)
        [sip] = listening(self.daemon.pid, "udp")
        self.call = await self.daemon.dial("9196", account="901")
        self.media = [port for port in listening(self.daemon.pid, "udp") if port != sip]
        self._stranger = await Stranger.at("127.0.0.1", sip)
        self._tcp = tcp_port

    async def run(self, messages: int) -> Outcome:
        before, start = figures(self.daemon.pid), time.monotonic()
        self._attacking = True
        ways = (self._by_udp, self._by_tcp, *(self._to_phone_of(way) for way in self.pbx.ways.values()))
        while sum(self.sent.values()) - self.sent["media"] < messages:
            await self._dice.choices(ways, (4, 1, 3, 2, 2))[0]()
            self._to_media()
            await self._still_there()
        self._attacking = False
        return Outcome(self.sent, time.monotonic() - start, before, figures(self.daemon.pid))

    def spoil(self, request: str) -> Iterator[bytes]:
        """Mutated answers to a request of the phone, before the good one."""
        method = request.partition(" ")[0]
        if not self._attacking or method == "ACK" or self._dice.random() < 0.5:
            return
        for _ in range({"INVITE": 40, "REGISTER": 10}.get(method, 1)):
            status, extra = self._dice.choice(STATUSES), self._dice.choice(EXTRA)
            if method == "REGISTER" and status.startswith("2"):
                extra += self._dice.choice(
                    ("Service-Route: <sip:x;lr>\r\n", "Expires: 0\r\n", "Contact: <sip:x@y>\r\n", "")
                )
            body = SDP if method == "INVITE" and self._dice.random() < 0.7 else ""
            answer = hostile.response(request, status, extra=extra, body=body)
            if method == "INVITE" and self._dice.random() < 0.3:
                answer = answer.replace(";tag=peer", f";tag=fork{self._dice.randrange(4)}")
            copied = sum(line.lower().startswith(COPIED) for line in answer.split("\r\n\r\n")[0].split("\r\n"))
            yield self._note("answers", self._mutator.message(answer.encode("latin-1", "replace"), 1 + copied))

    def _note(self, way: str, message: bytes) -> bytes:
        self.sent[way] += 1
        self.last.append((way, message))
        return message

    # ---- strangers

    def _strange(self, source: tuple[str, int], transport: str) -> bytes:
        self._number += 1
        method = self._dice.choice(hostile.METHODS)
        body = SDP if self._dice.random() < 0.6 else ""
        message = hostile.request(method, source, 100_000 + self._number, body=body, transport=transport)
        if self._dice.random() < 0.1:
            message = hostile.as_response(message, self._dice.choice(STATUSES))
        return self._mutator.message(message)

    async def _by_udp(self) -> None:
        for number in range(BATCH):
            self._stranger.send(self._note("udp", self._strange(self._stranger.address, "UDP")))
            if number % 20 == 19:
                await self._still_there()  # and the socket's buffer is empty

    async def _by_tcp(self) -> None:
        for _ in range(BATCH // 10):
            _, writer = await asyncio.open_connection("127.0.0.1", self._tcp)
            source = writer.get_extra_info("sockname")
            writer.write(b"".join(self._note("tcp", self._strange(source, "TCP")) for _ in range(10)))
            with suppress(OSError, TimeoutError):
                async with asyncio.timeout(1):
                    await writer.drain()
            writer.close()

    # ---- the PBX of an account

    def _to_phone_of(self, way: Way) -> Any:
        async def attack() -> None:
            dialog = way.dialog or await self._called(way)
            for number in range(BATCH):
                if dialog is None or dialog.over:
                    return
                dialog.send(self._note(way.name.lower() + " in calls", self._in_dialog(dialog)))
                if number % 20 == 19:
                    self.pbx.send_media(packet(self._dice), dialog.media)
                    await self._still_there()

        return attack

    async def _called(self, way: Way) -> Dialog | None:
        """A call from the phone to this PBX; None where the phone has no way to it just now."""
        name = way.name.lower()
        placed = await self.daemon.ask("POST", "/v1/calls", {"target": "sip:x@peer.test", "account": name})
        self.placed[placed.status_code] += 1
        if placed.status_code != 201:
            await self.daemon.ask("POST", f"/v1/accounts/{name}/register")
            return None
        with suppress(TimeoutError):
            async with asyncio.timeout(RETRY_S):
                while way.dialog is None:  # noqa: ASYNC110 - the phone tells it by ACK
                    await asyncio.sleep(0.002)
        return way.dialog

    def _in_dialog(self, dialog: Dialog) -> bytes:
        method = "BYE" if self._dice.random() < 0.002 else self._dice.choice(IN_DIALOG)
        body = SDP if method in ("INVITE", "UPDATE") and self._dice.random() < 0.8 else ""
        extra = {
            "INFO": "Content-Type: application/dtmf-relay\r\n",
            "REFER": "Refer-To: <sip:x@127.0.0.1:9>\r\n",
            "NOTIFY": "Event: refer\r\nSubscription-State: active\r\nContent-Type: message/sipfrag\r\n",
            "PRACK": "RAck: 1 1 INVITE\r\n",
        }.get(method, "")
        body = {"INFO": "Signal=5\r\nDuration=160\r\n", "NOTIFY": "SIP/2.0 100 Trying\r\n"}.get(method, body)
        message = dialog.request(method, body, extra)
        return self._mutator.message(message, 6 if self._dice.random() < 0.7 else 0)

    # ---- media

    def _to_media(self) -> None:
        """To the call that nothing may harm."""
        for _ in range(BATCH // 4):
            self.sent["media"] += 1
            self._stranger.send(packet(self._dice), self._dice.choice(self.media))

    # ---- the judge

    async def _still_there(self) -> int:
        """An OPTIONS is answered: all before it has been taken."""
        deadline = time.monotonic() + PATIENCE_S
        while self.daemon.alive and time.monotonic() < deadline:
            with suppress(TimeoutError):
                return await self._stranger.answered(self._stranger.ask("OPTIONS"), RETRY_S)
        raise AssertionError("it answers no more" if self.daemon.alive else f"it died:\n{self.daemon.log[-3000:]}")

    def keep(self, folder: Path) -> Path:
        """Writes the last messages, each with its way and length."""
        file = folder / "last-messages"
        file.write_bytes(b"".join(f"\n#### {way} {len(m)}\n".encode() + m for way, m in self.last))
        return file

    def close(self) -> None:
        self._stranger.close()


def configuration(lab: Lab, pbx: HostilePbx, folder: Path, ca_file: Path, tcp_port: int) -> dict[str, Any]:
    answer = [{"from": "*", "action": "answer"}]
    config: dict[str, Any] = lab.agent_config(["901", "902"], transport="udp", incoming=answer)
    (folder / "secret").write_text("s3cret")
    (folder / "secret").chmod(0o600)
    for way in pbx.ways.values():
        entry = {"username": way.name.lower(), "domain": "peer.test", "password": {"file": "secret"}, "max_calls": 20}
        entry |= {"registrar": way.host, "transport": way.name.lower(), "incoming": answer}
        if way.name == "TLS":
            entry["tls"] = {"ca_file": str(ca_file)}
        config["accounts"].append(entry)
    config["calls"] = {"drain_s": 0}
    config["sip"] = {"tcp_port": tcp_port, "retry_min_s": 0.1, "retry_max_s": 0.2, "probe_s": 0}
    return config


@asynccontextmanager
async def fuzzed(folder: Path, seed: int, environ: dict[str, str] | None = None) -> AsyncIterator[Fuzz]:
    """A daemon that is ready to be attacked."""
    certificates = make_certificates(folder, ["peer.test"])
    async with AsyncExitStack() as stack:
        lab = await stack.enter_async_context(Lab())
        pbx = HostilePbx(lambda request: fuzz.spoil(request))
        await pbx.start(certificates.server_context())
        stack.callback(pbx.close)
        tcp_port = free_ports(1)[0]
        daemon = Daemon(folder, configuration(lab, pbx, folder, certificates.ca, tcp_port), environ=environ)
        fuzz = Fuzz(daemon, pbx, seed)
        await stack.enter_async_context(daemon)
        await fuzz.prepare(tcp_port)
        stack.callback(fuzz.close)
        yield fuzz


async def by_hand(messages: int, seed: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        async with fuzzed(Path(name), seed) as fuzz:
            try:
                outcome = await fuzz.run(messages)
            except BaseException:
                sys.stderr.write(f"seed {seed}: {fuzz.keep(Path.cwd())}\n{fuzz.daemon.log[-5000:]}\n")
                raise
            sys.stdout.write(f"seed {seed}: {outcome}\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(2**32))
    chosen = parser.parse_args()
    asyncio.run(by_hand(chosen.messages, chosen.seed))


if __name__ == "__main__":
    main()
