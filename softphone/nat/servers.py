"""Watches the STUN and TURN servers of `nat:`, so that a call never waits long for one that is dead.

A server counts from the moment that its name has been looked up, and no longer once it did not answer. It is asked
again after `nat.check_s`, sooner while it fails, when a call that needs it begins, and when our addresses change.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from softphone import events
from softphone.addresses import HostPort
from softphone.aio import Backoff, Tasks, Timers
from softphone.bus import Bus, Record
from softphone.config.nat import STUN_PORT, Nat
from softphone.engine.views import MediaServerView
from softphone.nat import asking
from softphone.nat.asking import ServerFault
from softphone.stacks.base import MediaServers

log = logging.getLogger(__name__)

RETRY_MIN_S, RETRY_MAX_S = 5.0, 60.0
FRESH_S = 10.0
"""A call does not have a server asked again that has been asked so lately."""


@dataclass(slots=True)
class _Server:
    """One server. `address` is numeric, None while its name is not known; `seen` is what it told us."""

    kind: str
    place: HostPort
    address: HostPort | None = None
    state: str = "unknown"
    seen: str = ""
    cause: str = ""
    advice: str = ""

    @property
    def usable(self) -> bool:
        return self.address is not None and self.state != "failed"

    def view(self) -> MediaServerView:
        return MediaServerView(
            kind=self.kind,
            server=str(self.place),
            state=self.state,
            seen=self.seen,
            cause=self.cause,
            advice=self.advice,
        )


class NatServers:
    """`apply(MediaServers)` runs whenever what calls may use has changed. `binds`: our own addresses."""

    def __init__(
        self, config: Nat, bus: Bus, apply: Callable[[MediaServers], None], *, binds: Sequence[str] = ()
    ) -> None:
        self._bus = bus
        self._apply = apply
        self._binds = binds
        self._backoff = Backoff(RETRY_MIN_S, RETRY_MAX_S)
        self._told: MediaServers | None = None
        bus.listen(self._hear)
        self._take(config)

    def _hear(self, record: Record) -> None:
        if isinstance(record.event, events.NetworkChanged):
            self._check()

    def _take(self, config: Nat) -> None:
        self._config = config
        self._stun = [_Server("stun", HostPort(place.host, place.port or STUN_PORT)) for place in config.stun]
        turn = config.turn
        self._turn = _Server("turn", HostPort(turn.server.host, turn.port)) if turn else None
        self._tasks = Tasks("nat servers")
        self._timers = Timers()
        self._asking = False
        self._asked_s: float | None = None

    @property
    def _all(self) -> list[_Server]:
        return [*self._stun, *([self._turn] if self._turn else [])]

    def start(self) -> None:
        """Looks the names up and asks all servers, in the background."""
        self._offer()
        self._check()

    async def stop(self) -> None:
        self._timers.close()
        await self._tasks.close()

    async def reload(self, config: Nat) -> None:
        """Takes other servers, at once. The same ones go on as they are."""
        if config != self._config:
            await self.stop()
            self._take(config)
            self.start()

    def call_begins(self) -> None:
        """A call needs the servers: if they were not asked lately, they are now."""
        if self._asked_s is None or time.monotonic() - self._asked_s > FRESH_S:
            self._check()

    def views(self) -> list[MediaServerView]:
        return [server.view() for server in self._all]

    # ---- asking

    def _check(self) -> None:
        if self._all and not self._asking and not self._tasks.closed:
            self._asking = True
            self._tasks.spawn(self._ask_all(), "ask")

    async def _ask_all(self) -> None:
        self._timers.cancel("next")
        self._asked_s = time.monotonic()
        try:
            await asyncio.gather(*(self._ask(server) for server in self._all))
        finally:
            self._asking = False
        self._plan()

    def _plan(self) -> None:
        failed = any(server.state == "failed" for server in self._all)
        if not failed:
            self._backoff.reset()
        if self._config.check_s > 0 and not self._tasks.closed:
            delay_s = min(self._backoff.next_s(), self._config.check_s) if failed else self._config.check_s
            self._timers.set("next", delay_s, self._check)

    async def _ask(self, server: _Server) -> None:
        limit_s = self._config.timeout_s
        try:
            address = await asking.resolve(server.place.host, limit_s, binds=self._binds)
            server.address = HostPort(address, server.place.port)
            self._offer()
            bind = asking.bound(self._binds, address)
            if server.kind == "stun":
                seen = await asking.ask_stun(server.address, limit_s, bind=bind)
            elif self._config.turn is not None:
                seen = await asking.ask_turn(self._config.turn, server.address, limit_s, bind=bind)
        except ServerFault as fault:
            self._failed(server, fault)
        else:
            self._answered(server, seen)

    def _answered(self, server: _Server, seen: HostPort) -> None:
        news = server.state != "ok"
        server.state, server.seen, server.cause, server.advice = "ok", str(seen), "", ""
        self._offer()
        if news:
            self._bus.publish(events.NatServerOk(kind=server.kind, server=str(server.place), seen=server.seen))

    def _failed(self, server: _Server, fault: ServerFault) -> None:
        news = (server.state, server.cause) != ("failed", fault.cause)
        server.state, server.seen, server.cause, server.advice = "failed", "", fault.cause, fault.advice
        self._offer()
        if news:
            log.warning("%s; calls go on without it", fault.cause)
            self._bus.publish(
                events.NatServerFailed(
                    kind=server.kind, server=str(server.place), cause=fault.cause, advice=fault.advice
                )
            )

    def _offer(self) -> None:
        """Tells what calls may use: of the STUN servers the first that answers, or that may yet."""
        stun = next((server.address for server in self._stun if server.usable), None)
        relay = self._turn.address if self._turn and self._turn.usable else None
        servers = MediaServers(stun, relay, self._config.turn if relay else None, self._config.gather_s)
        if servers != self._told:
            self._told = servers
            self._apply(servers)
