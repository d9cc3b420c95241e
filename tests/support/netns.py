"""Networks of a test's own: namespaces, links between them, NAT, and packets that get lost.

with Networks() as net:
    phone, nat, pbx = net.namespace("phone"), net.namespace("nat"), net.namespace("pbx")
    net.link(phone, "192.168.7.2/24", nat, "192.168.7.1/24")
    outside = net.link(nat, "203.0.113.1/24", pbx, "203.0.113.5/24")
    phone.default_route("192.168.7.1")
    nat.masquerade(outside.near)
    server = pbx.popen(["turnserver", ...])
    with phone.entered():
        ...  # sockets, threads and processes that begin here live in `phone`
    with pbx.drop("udp dport 5060"):
        ...

Nothing is connected with the machine's own network, so no packet can leave. All is gone at the end of the block, with
every process that is still inside; what a killed run left behind, the next one clears away. Needs root.
"""

from __future__ import annotations

import contextlib
import ctypes
import itertools
import os
import re
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, TypeVar

T = TypeVar("T")

_PREFIX = "softphone-"
_NETNS = Path("/run/netns")
_CLONE_NEWNET = 0x40000000
_TABLE = "inet test"
_CHAINS = """
table inet test {
    chain input { type filter hook input priority 0; }
    chain forward { type filter hook forward priority 0; }
    chain output { type filter hook output priority 0; }
    chain prerouting { type nat hook prerouting priority dstnat; }
    chain postrouting { type nat hook postrouting priority srcnat; }
}
"""
_LEFT_TO_END_S = 5.0
_numbers = itertools.count(1)


class NetworkError(Exception):
    """A command of iproute2 or nftables failed; says which and why."""


def _run(*argv: str, stdin: str = "") -> str:
    done = subprocess.run(argv, input=stdin, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise NetworkError(f"{' '.join(argv)}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout


@dataclass(frozen=True)
class Link:
    """A cable: the interface's name at either end."""

    near: str
    far: str


class Drop:
    """A rule that loses packets, until `lift` or the end of its `with` block."""

    def __init__(self, namespace: Namespace, chain: str, handle: str) -> None:
        self._namespace, self._chain, self._handle = namespace, chain, handle

    @property
    def packets(self) -> int:
        """How many it has lost."""
        for line in self._namespace.nft(f"list chain {_TABLE} {self._chain}", "--handle").splitlines():
            if line.endswith(f"# handle {self._handle}"):
                words = line.split()
                return int(words[words.index("packets") + 1])
        return 0

    def lift(self) -> None:
        if self._handle:
            self._namespace.nft(f"delete rule {_TABLE} {self._chain} handle {self._handle}")
            self._handle = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.lift()


class Namespace:
    """A machine of its own as far as the network goes. It has 127.0.0.1 and ::1 from the start, and forwards."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._interfaces = itertools.count()
        _run("ip", "netns", "add", name)
        self.ip("link", "set", "lo", "up")
        for key in ("ipv4/ip_forward", "ipv6/conf/all/forwarding"):
            self.set_sysctl(key, "1")
        self.nft(_CHAINS)

    def set_sysctl(self, key: str, value: str) -> None:
        """`key` below net/, such as ipv4/ip_forward."""
        self.call(lambda: Path("/proc/sys/net", key).write_text(value))

    # ---- addresses and routes

    def ip(self, *words: str) -> str:
        """`ip WORDS` in here; returns what it printed."""
        return _run("ip", "-n", self.name, *words)

    def next_interface(self) -> str:
        return f"eth{next(self._interfaces)}"

    def add_address(self, interface: str, address: str) -> None:
        """`address` with its prefix length, such as 192.168.7.2/24 or 2001:db8::2/64."""
        self.ip("addr", "add", address, "dev", interface, *(["nodad"] if ":" in address else []))

    def del_address(self, interface: str, address: str) -> None:
        self.ip("addr", "del", address, "dev", interface)

    def set_link(self, interface: str, up: bool) -> None:
        """Plugs the cable in or out."""
        self.ip("link", "set", interface, "up" if up else "down")

    def default_route(self, gateway: str) -> None:
        self.ip(*(["-6"] if ":" in gateway else []), "route", "replace", "default", "via", gateway)

    # ---- rules

    def nft(self, script: str, *options: str) -> str:
        """Runs an nftables script in here; returns what it printed."""
        return _run("ip", "netns", "exec", self.name, "nft", *options, "-f", "-", stdin=script + "\n")

    def masquerade(self, interface: str, *, random_ports: bool = False) -> None:
        """A home router: what leaves by `interface` carries its address, and only answers come back.

        `random_ports`: another outside port for each destination, where STUN alone does not help.
        """
        how = "masquerade random" if random_ports else "masquerade"
        self.nft(f'add rule {_TABLE} postrouting oifname "{interface}" {how}')
        for chain in ("forward", "input"):
            self.nft(f'add rule {_TABLE} {chain} iifname "{interface}" ct state new drop')

    def drop(self, match: str, *, percent: int = 100, chain: str = "input") -> Drop:
        """Loses what fits `match` (nftables words such as `udp dport 5060`, '' for all), or a part of it.

        chain: input, output or forward.
        """
        loss = "" if percent >= 100 else f"numgen random mod 100 < {percent}"
        rule = f"insert rule {_TABLE} {chain} {match} {loss} counter drop"
        said = self.nft(rule, "--echo", "--handle")
        handle = re.search(r"# handle (\d+)$", said, re.MULTILINE)
        if handle is None:
            raise NetworkError(f"nft did not tell the handle of its rule: {said}")
        return Drop(self, chain, handle[1])

    # ---- what runs in here

    def popen(self, argv: Sequence[str | Path], **options: Any) -> subprocess.Popen[Any]:
        """A process in here; its pid is the program's own."""
        return subprocess.Popen(self.command(argv), **options)

    def run(self, argv: Sequence[str | Path], **options: Any) -> subprocess.CompletedProcess[Any]:
        return subprocess.run(self.command(argv), check=False, **options)

    def command(self, argv: Sequence[str | Path]) -> list[str]:
        """The words that run `argv` in here."""
        return ["ip", "netns", "exec", self.name, *(str(word) for word in argv)]

    @contextlib.contextmanager
    def entered(self) -> Iterator[None]:
        """The calling thread lives in here, and so do sockets, threads and processes that it makes meanwhile."""
        before = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        try:
            inside = os.open(_NETNS / self.name, os.O_RDONLY | os.O_CLOEXEC)
            try:
                _setns(inside)
            finally:
                os.close(inside)
            try:
                yield
            finally:
                _setns(before)
        finally:
            os.close(before)

    def call(self, work: Callable[[], T]) -> T:
        """Runs `work` in here, in a thread of its own, and returns its result or raises its error."""
        outcome: list[tuple[T | None, BaseException | None]] = []

        def inside() -> None:
            try:
                with self.entered():
                    outcome.append((work(), None))
            except BaseException as error:
                outcome.append((None, error))

        thread = threading.Thread(target=inside)
        thread.start()
        thread.join()
        result, error = outcome[0]
        if error is not None:
            raise error
        return result  # type: ignore[return-value]


def _setns(descriptor: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(descriptor, _CLONE_NEWNET) != 0:
        number = ctypes.get_errno()
        raise NetworkError(f"setns: {os.strerror(number)}")


class Networks:
    """The namespaces of one test."""

    def __init__(self) -> None:
        _clear_away_leftovers()
        self._prefix = f"{_PREFIX}{os.getpid()}-{next(_numbers)}-"
        self._namespaces: list[Namespace] = []

    def namespace(self, name: str) -> Namespace:
        """A machine named `name` (unique on this machine all the same)."""
        made = Namespace(self._prefix + name)
        self._namespaces.append(made)
        return made

    def link(self, one: Namespace, one_address: str, other: Namespace, other_address: str) -> Link:
        """Joins two machines by a cable of its own; addresses with prefix length, '' for none yet."""
        near, far = one.next_interface(), other.next_interface()
        one.ip("link", "add", near, "type", "veth", "peer", "name", far, "netns", other.name)
        for namespace, interface, address in ((one, near, one_address), (other, far, other_address)):
            namespace.set_link(interface, True)
            if address:
                namespace.add_address(interface, address)
        return Link(near, far)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for name in [namespace.name for namespace in self._namespaces]:
            _remove(name)
        self._namespaces.clear()


def _clear_away_leftovers() -> None:
    """Namespaces of runs that were killed."""
    for path in _NETNS.glob(f"{_PREFIX}*") if _NETNS.is_dir() else ():
        pid = path.name.removeprefix(_PREFIX).partition("-")[0]
        if not Path("/proc", pid).exists():
            with contextlib.suppress(NetworkError):  # another run clears away too
                _remove(path.name)


def _remove(name: str) -> None:
    """Ends a namespace and whatever still runs in it, except this process itself."""
    deadline = time.monotonic() + _LEFT_TO_END_S
    number = signal.SIGTERM
    while pids := _inside(name):
        if time.monotonic() > deadline:
            number = signal.SIGKILL
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
        time.sleep(0.05)
    _run("ip", "netns", "del", name)


def _inside(name: str) -> list[int]:
    """Processes inside, without those that only wait for us to take note of their end."""
    pids = [int(word) for word in _run("ip", "netns", "pids", name).split()]
    return [pid for pid in pids if pid != os.getpid() and not _ended(pid)]


def _ended(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    except OSError:
        return True
