"""All accounts of the agent: added, changed and removed live, without touching the calls of others."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Iterator

from softphone import events
from softphone.config.resolved import ResolvedAccount, diff
from softphone.engine.account import Account
from softphone.engine.world import World
from softphone.errors import Conflict, NotFound, SoftphoneError
from softphone.stacks.base import IncomingInvite, Leg, LegSink, Stack

log = logging.getLogger(__name__)

UNREGISTER_PATIENCE_S = 3.0
"""How long stopping waits for the registrars to confirm."""


class Accounts:
    """The accounts by id. `on_incoming` and `on_transferred` take new legs; `on_secret` fetches passwords.

    `on_moved` lets the calls of an account follow to another address of ours.
    """

    def __init__(
        self,
        stack: Stack,
        world: World,
        *,
        on_incoming: Callable[[Account, Leg, IncomingInvite], LegSink],
        on_transferred: Callable[[Account, Leg, str, LegSink | None], LegSink],
        on_secret: Callable[[Account], None],
        on_moved: Callable[[Account], None],
    ) -> None:
        self._stack = stack
        self._world = world
        self._on_incoming = on_incoming
        self._on_transferred = on_transferred
        self._on_secret = on_secret
        self._on_moved = on_moved
        self._all: dict[str, Account] = {}
        self.left_out: dict[str, str] = {}
        """Accounts that could not be set up, and why. Each `apply` tries them again."""

    def apply(self, wanted: Iterable[ResolvedAccount]) -> None:
        """Makes the accounts be exactly `wanted`. What did not change is left alone."""
        self.left_out.clear()
        changes = diff((a.settings for a in self._all.values()), wanted)
        for settings in changes.removed:
            self._remove(self._all[settings.id])
        for settings in changes.changed:
            self._change(self._all[settings.id], settings)
        for settings in changes.added:
            self._add(settings)

    def _add(self, settings: ResolvedAccount) -> None:
        account = Account(settings, self._world, self)
        try:
            carrier = self._stack.open_account(settings, account)
        except SoftphoneError as error:
            log.error("account %s is left out: %s", settings.id, error)
            self.left_out[settings.id] = str(error)
            self._world.bus.publish(
                events.AccountFailed(
                    account=settings.id, code=0, reason="", cause=str(error), advice="mend the setting", retry_in_s=0
                )
            )
            return
        self._all[settings.id] = account
        self._world.bus.publish(events.AccountAdded(account=settings.id))
        account.start(carrier)

    def _change(self, account: Account, settings: ResolvedAccount) -> None:
        try:
            account.update(settings)
        except SoftphoneError as error:
            log.error("account %s keeps its old settings: %s", account.id, error)
            return
        self._world.bus.publish(events.AccountChanged(account=account.id))

    def _remove(self, account: Account) -> None:
        del self._all[account.id]

        def gone() -> None:
            account.close()
            self._world.bus.publish(events.AccountRemoved(account=account.id))

        account.unregister(gone)

    def network_changed(self, *, doubtful: bool) -> None:
        for account in self._all.values():
            account.network_changed(doubtful=doubtful)

    async def unregister_all(self) -> None:
        """Takes every contact back; waits at most UNREGISTER_PATIENCE_S for the registrars."""
        waiting = []
        for account in self._all.values():
            done = asyncio.Event()
            waiting.append(done)
            account.unregister(done.set)
        try:
            async with asyncio.timeout(UNREGISTER_PATIENCE_S):
                for done in waiting:
                    await done.wait()
        except TimeoutError:
            missing = sum(not done.is_set() for done in waiting)
            log.warning("%d of %d registrars did not confirm that we left", missing, len(waiting))

    def close(self) -> None:
        for account in self._all.values():
            account.close()
        self._all.clear()

    # ---- what an account asks of its owner

    def incoming(self, account: Account, leg: Leg, invite: IncomingInvite) -> LegSink:
        return self._on_incoming(account, leg, invite)

    def transferred(self, account: Account, leg: Leg, target: str, origin: LegSink | None) -> LegSink:
        return self._on_transferred(account, leg, target, origin)

    def moved(self, account: Account) -> None:
        self._on_moved(account)

    def fetch_secret(self, account: Account) -> None:
        self._on_secret(account)

    # ---- finding them

    def get(self, name: str) -> Account:
        """By id (`901@pbx.example`) or by a username that only one account has. Raises NotFound, Conflict."""
        if account := self._all.get(name):
            return account
        same = [a for a in self._all.values() if a.settings.username == name]
        if len(same) == 1:
            return same[0]
        if same:
            raise Conflict(f"{name} is ambiguous: {', '.join(a.id for a in same)}")
        known = ", ".join(list(self._all)[:5]) or "none"
        raise NotFound(f"there is no account {name} (there is: {known}{', …' if len(self._all) > 5 else ''})")

    def default(self) -> Account:
        """The account for a call that names none: the first one that can place calls. Raises Conflict."""
        if usable := next((a for a in self._all.values() if a.usable), None):
            return usable
        if not self._all:
            raise Conflict("there is no account yet to call with; see the agent's status for why")
        raise Conflict("no account is registered, so no call can be placed; see the accounts for why")

    def __iter__(self) -> Iterator[Account]:
        return iter(self._all.values())

    def __len__(self) -> int:
        return len(self._all)
