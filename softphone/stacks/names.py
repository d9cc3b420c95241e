"""Where names lead (RFC 3263): DNS SRV where no port is given, then the addresses of each server.

SRV goes through dnspython, which follows /etc/resolv.conf and knows no other source; addresses come from the system
(getaddrinfo), which knows /etc/hosts as well, and sorts them as RFC 6724 says.
"""

from __future__ import annotations

import asyncio
import logging
import random
import socket
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from ipaddress import ip_address

import dns.asyncresolver
import dns.exception
import dns.name
import dns.resolver
from dns.rdtypes.IN.SRV import SRV

from softphone.addresses import HostPort
from softphone.aio import Tasks
from softphone.errors import SipError

log = logging.getLogger(__name__)

SRV_DEADLINE_S = 3.0
ADDRESS_DEADLINE_S = 10.0
SERVICES = {"udp": "_sip._udp", "tcp": "_sip._tcp", "tls": "_sips._tcp"}
"""What a service is called in DNS, by transport (RFC 3263 section 4.1)."""

FAMILIES = {4: socket.AF_INET, 6: socket.AF_INET6}


class NoWay(SipError):
    """A server cannot be reached. `cause` and `advice` are for people."""

    def __init__(self, cause: str, advice: str) -> None:
        super().__init__(f"{cause}; {advice}")
        self.cause = cause
        self.advice = advice


class LookupFailed(NoWay):
    """The name leads nowhere."""


@dataclass(frozen=True, slots=True)
class Server:
    """A host and a port that a name led to. `rank` 0 is the most wanted; servers of one rank share their load."""

    host: str
    port: int
    rank: int


@dataclass(frozen=True, slots=True)
class Place:
    """A server's numeric address. One server may have several, of either family."""

    address: str
    port: int
    host: str
    rank: int

    @property
    def version(self) -> int:
        """4 or 6."""
        return 6 if ":" in self.address else 4


@dataclass(frozen=True, slots=True)
class SrvRecord:
    """One line of an SRV answer (RFC 2782)."""

    priority: int
    weight: int
    port: int
    target: str


class Names:
    """Looks names up. `resolver` makes what asks DNS; by default one that reads /etc/resolv.conf at each look-up."""

    def __init__(self, resolver: Callable[[], dns.asyncresolver.Resolver] | None = None) -> None:
        self._resolver = resolver or dns.asyncresolver.Resolver
        self._cache = dns.resolver.LRUCache(1000)  # each answer stays for its time to live
        self._under_way: dict[str, asyncio.Task[list[str] | LookupFailed]] = {}
        self._tasks = Tasks("names")

    async def close(self) -> None:
        """Ends what is under way."""
        await self._tasks.close()

    async def find(
        self, hops: Sequence[HostPort], transport: str, port: int, *, srv: bool, versions: Collection[int] = (4, 6)
    ) -> list[Place]:
        """All addresses behind `hops`, in the order in which they should be tried.

        port: for hops that name none and have no SRV record. srv: whether SRV is asked where a hop names no port.
        versions: IP versions that can be used. Raises LookupFailed if not a single one was found.
        """
        found: list[Place] = []
        failures: list[LookupFailed] = []
        rank = 0
        for hop in hops:
            servers = await self._servers(hop, transport, port, srv)
            for server in servers:
                try:
                    addresses = await self._addresses(server.host, versions)
                except LookupFailed as failure:
                    failures.append(failure)
                    log.info("%s is passed over: %s", server.host, failure.cause)
                else:
                    found += [Place(each, server.port, server.host, rank + server.rank) for each in addresses]
            rank += 1 + max((server.rank for server in servers), default=0)
        if not found:
            raise failures[0] if failures else _no_service(hops[0].host, transport)
        return list(dict.fromkeys(found))

    async def _servers(self, hop: HostPort, transport: str, port: int, srv: bool) -> list[Server]:
        plain = [Server(hop.host, hop.port or port, 0)]
        if hop.port or not srv or is_address(hop.host):
            return plain
        records = await self._srv(f"{SERVICES[transport]}.{hop.host}.")
        if not records:
            return plain
        priorities = sorted({record.priority for record in records})
        return [
            Server(each.target, each.port, priorities.index(each.priority))
            for each in in_order(records)
            if each.target != "."  # RFC 2782: decidedly no such service here
        ]

    async def _srv(self, name: str) -> list[SrvRecord]:
        """The records of a service; none where DNS knows none, or cannot be asked: then the plain name has to do."""
        try:
            resolver = self._resolver()
            resolver.cache = self._cache
            answer = await resolver.resolve(name, "SRV", lifetime=SRV_DEADLINE_S, search=False)
        except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer):
            return []
        except (dns.exception.DNSException, OSError, UnicodeError) as error:
            log.info("%s cannot be looked up (%s): the plain name is tried", name, type(error).__name__)
            return []
        return [_record(each) for each in answer if isinstance(each, SRV)]

    async def _addresses(self, host: str, versions: Collection[int]) -> list[str]:
        if is_address(host):
            found = [host]
        else:
            found = await self._resolved(host)
        usable = [each for each in found if (6 if ":" in each else 4) in versions]
        if found and not usable:
            raise LookupFailed(
                f"{host} has no IPv{min(versions, default=4)} address, and only such can be used",
                "have `sip.bind` name an address of the other family too",
            )
        return usable

    async def _resolved(self, host: str) -> list[str]:
        """Those who ask for the same name at the same time share one look-up."""
        if (asked := self._under_way.get(host)) is None:
            asked = self._under_way[host] = self._tasks.spawn(_getaddrinfo(host), f"look up {host}")
            asked.add_done_callback(lambda _: self._under_way.pop(host, None))
        outcome = await asyncio.shield(asked)
        if isinstance(outcome, LookupFailed):
            raise outcome
        return outcome


async def _getaddrinfo(host: str) -> list[str] | LookupFailed:
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(ADDRESS_DEADLINE_S):
            found = await loop.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:  # TimeoutError is an OSError
        return _not_found(host, error)
    addresses = [str(each[4][0]) for each in found if each[0] in FAMILIES.values()]
    if not addresses:
        return LookupFailed(f"the name {host} has no address", "check the domain or registrar of the account")
    return list(dict.fromkeys(addresses))


def _not_found(host: str, error: OSError | UnicodeError) -> LookupFailed:
    silent = isinstance(error, TimeoutError)
    if silent or (isinstance(error, socket.gaierror) and error.errno == socket.EAI_AGAIN):
        return LookupFailed(
            f"the name {host} cannot be looked up: no DNS server answers",
            "check the network connection and the DNS servers of this machine",
        )
    return LookupFailed(
        f"the name {host} is not known to DNS", "check the spelling of the domain or registrar of the account"
    )


def _no_service(host: str, transport: str) -> LookupFailed:
    return LookupFailed(
        f'DNS says that {host} offers no SIP over {transport.upper()} (SRV record with target ".")',
        "check domain and transport of the account",
    )


def _record(each: SRV) -> SrvRecord:
    host = "." if each.target == dns.name.root else each.target.to_text(omit_final_dot=True).lower()
    return SrvRecord(each.priority, each.weight, each.port, host)


def _lot(top: int) -> int:
    return random.randint(0, top)


def in_order(records: Iterable[SrvRecord], draw: Callable[[int], int] = _lot) -> list[SrvRecord]:
    """RFC 2782: by priority; among equals by lot, a weight of 2 having twice the chance of 1 to be the next.

    draw(n): a random number from 0 to n, both included.
    """
    left = sorted(records, key=lambda record: (record.priority, record.weight))
    chosen: list[SrvRecord] = []
    while left:
        equals = [record for record in left if record.priority == left[0].priority]
        lot = draw(sum(record.weight for record in equals))
        for record in equals:
            lot -= record.weight
            if lot <= 0:
                break
        chosen.append(record)
        left.remove(record)
    return chosen


def is_address(host: str) -> bool:
    """Whether this is an IP address and no name."""
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
