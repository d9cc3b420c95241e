"""The addresses that an account may register at, in the order in which they are tried (RFC 3263 section 4.3)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from softphone.addresses import HostPort
from softphone.config.resolved import ResolvedAccount
from softphone.stacks.base import Which
from softphone.stacks.names import Names, Place
from softphone.stacks.pjsip.where import local_address


@dataclass(frozen=True, slots=True)
class Target:
    """A first hop: numeric address and port, and the local address that packets to it leave from ('' without a route).

    `rank` 0 is the most wanted; several may share a rank.
    """

    address: str
    port: int
    local: str
    rank: int = 0

    @property
    def version(self) -> int:
        """4 or 6."""
        return 6 if ":" in self.address else 4

    def __str__(self) -> str:
        return str(HostPort(self.address, self.port))


async def find_targets(names: Names, account: ResolvedAccount, versions: Iterable[int]) -> list[Target]:
    """Where this account's requests may go first, the most wanted first; what cannot be reached comes last.

    Raises LookupFailed.
    """
    places = await names.find(
        account.first_hops, account.transport, account.port, srv=account.srv, versions=tuple(versions)
    )
    return sorted((_target(place) for place in places), key=lambda target: (target.rank, not target.local))


def _target(place: Place) -> Target:
    return Target(place.address, place.port, local_address(place.address, place.port), place.rank)


class Registrars:
    """What is known of the registrars of one account, and which one is in use."""

    def __init__(self) -> None:
        self._known: list[Target] = []
        self._left: list[Target] = []
        self.current: Target | None = None
        self._works = False

    def begin(self, found: list[Target], which: Which) -> Target:
        """A new round. The one in use comes first as long as it worked last, but where the preferred is asked for."""
        stays = [t for t in found if self._is_current(t)] if self._works and which == "same" else []
        self._known = found
        order = [*stays, *(target for target in found if target not in stays)]
        self.current, self._left = order[0], order[1:]
        self._works = False
        return self.current

    def _is_current(self, target: Target) -> bool:
        now = self.current
        return now is not None and (target.address, target.port) == (now.address, now.port)

    def next(self) -> Target | None:
        """The next one of this round, None if all were tried."""
        if not self._left:
            return None
        self.current = self._left.pop(0)
        return self.current

    def worked(self) -> None:
        """The one in use is good: when it fails one day, all others may be tried."""
        self._works = True
        self._left = [target for target in self._known if not self._is_current(target)]

    def failed(self) -> None:
        self._works = False

    @property
    def others(self) -> int:
        """How many are left to try in this round."""
        return len(self._left)

    @property
    def preferred(self) -> bool:
        """Whether none is wanted more than the one in use."""
        return self.current is None or self.current.rank <= min(target.rank for target in self._known)

    def better(self, found: Iterable[Target]) -> list[Target]:
        """Those that are wanted more than the one in use."""
        if (now := self.current) is None:
            return []
        here = next((target.rank for target in found if self._is_current(target)), now.rank)
        return [target for target in found if target.rank < here]

    def knows(self, address: str) -> bool:
        """Whether a numeric address is one of theirs."""
        return any(target.address == address for target in self._known)
