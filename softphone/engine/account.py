"""An account: its registration, kept alive by the state machine in registering.py, and its incoming calls."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

from softphone import events
from softphone.addresses import HostPort
from softphone.aio import Backoff, Timers
from softphone.config.resolved import ResolvedAccount
from softphone.engine import registering as reg
from softphone.engine.explain import explain_registration
from softphone.engine.timing import StartTimer, StopTimer, TimerFired
from softphone.engine.views import AccountView
from softphone.engine.world import World, iso_or_none
from softphone.stacks.base import (
    AccountReport,
    IncomingInvite,
    Leg,
    LegSink,
    RegistrationFailed,
    RegistrationOk,
    StackAccount,
)

log = logging.getLogger(__name__)


class Owner(Protocol):
    """What an account needs of whoever keeps all accounts."""

    def incoming(self, account: Account, leg: Leg, invite: IncomingInvite) -> LegSink: ...

    def transferred(self, account: Account, leg: Leg, target: str, origin: LegSink | None) -> LegSink: ...

    def moved(self, account: Account) -> None:
        """The account is at another address of ours now: its calls have to follow."""

    def fetch_secret(self, account: Account) -> None:
        """Fetch the account's password anew; ends in `update` or `secret_stays`."""


class Account:
    """One address of record. All methods belong to the event loop's thread."""

    def __init__(self, settings: ResolvedAccount, world: World, owner: Owner) -> None:
        self.settings = settings
        self._world = world
        self._owner = owner
        self._carrier: StackAccount | None = None
        self._timers = Timers()
        sip = world.sip
        self._slow = Backoff(reg.AUTH_RETRY_MIN_S, reg.AUTH_RETRY_MAX_S)
        self._backoff = self._pauses(settings)
        self._state = reg.RegistrationState(
            pulled=settings.origin == "provider",
            probe_s=sip.probe_s,
            probe_timeout_s=sip.probe_timeout_s,
            timeout_s=sip.register_timeout_s,
            failback_s=sip.failback_s,
        )
        self._retry_at_s: float | None = None
        self._retry_in_s = 0.0
        self._expires_s = settings.expires_s
        self._since_s: float | None = None
        self._on_unregistered: Callable[[], None] | None = None
        self._dnd = False
        self._outbound = False
        self._moved = False  # our address has changed, and the calls do not know yet

    @property
    def id(self) -> str:
        return self.settings.id

    def _pauses(self, settings: ResolvedAccount) -> Backoff:
        """The pauses between tries to register."""
        sip = self._world.sip
        longest_s = min(sip.retry_max_s, reg.WSS_RETRY_MAX_S) if settings.transport == "wss" else sip.retry_max_s
        return Backoff(min(sip.retry_min_s, longest_s), longest_s)

    # ---- life

    def start(self, carrier: StackAccount) -> None:
        """The stack carries this account from now on."""
        self._carrier = carrier
        if self.settings.register:
            self._advance(reg.RegisterWanted())
        else:
            carrier.prepare()

    def update(self, settings: ResolvedAccount) -> None:
        """New settings or a new secret: running calls go on, registration is done anew."""
        if self._carrier is None:
            return
        had = self.settings.register
        self._carrier.update(settings)
        self.settings = settings
        self._backoff = self._pauses(settings)
        if settings.register:
            self._advance(reg.RegisterWanted())
        elif had:
            self._advance(reg.UnregisterWanted())

    def secret_stays(self) -> None:
        """The provider knows no other password."""
        self._advance(reg.SecretStays())

    def register(self) -> None:
        """Register now, on command."""
        self._backoff.reset()
        self._slow.reset()
        self._advance(reg.RegisterWanted())

    def unregister(self, done: Callable[[], None] | None = None) -> None:
        """Take our contact back. `done()` runs when the registrar has answered, or cannot be reached."""
        self._on_unregistered = done
        self._advance(reg.UnregisterWanted())

    def network_changed(self, *, doubtful: bool) -> None:
        """This machine's addresses have changed: registers anew where that concerns this account.

        doubtful: connections may be dead even if our address is the old one.
        """
        if (carrier := self._carrier) is None:
            return
        moved = carrier.moved()
        self._moved = self._moved or moved
        if self.registered and not (moved or doubtful):
            return
        if self.settings.register:
            self._advance(reg.NetworkChanged(moved))
        elif moved:
            carrier.prepare(self._settled)

    def _settled(self) -> None:
        """After a move requests leave from the new address; the calls are told."""
        if self._moved:
            self._moved = False
            self._owner.moved(self)

    def close(self) -> None:
        """Leaves the stack. Calls that are up go on without the account."""
        self._timers.close()
        if self._carrier is not None:
            self._carrier.close()
            self._carrier = None

    # ---- what the stack reports

    def account_report(self, report: AccountReport) -> None:
        if isinstance(report, RegistrationFailed) and not report.cause:
            known = explain_registration(report.code)
            report = replace(report, cause=known.cause, advice=known.advice)
        if isinstance(report, RegistrationOk):
            self._outbound = report.outbound
        self._advance(report)

    def incoming(self, leg: Leg, invite: IncomingInvite) -> LegSink:
        return self._owner.incoming(self, leg, invite)

    def transferred(self, leg: Leg, target: str, origin: LegSink | None) -> LegSink:
        return self._owner.transferred(self, leg, target, origin)

    def set_dnd(self, on: bool) -> None:
        """Do not disturb: while it is on, callers are refused with the account's `dnd_code`."""
        if on != self._dnd:
            self._dnd = on
            self._world.bus.publish(events.AccountDnd(account=self.id, on=on, code=self.settings.dnd_code))

    @property
    def dnd_code(self) -> int | None:
        """The SIP status for callers while do-not-disturb is on, None while it is off."""
        return self.settings.dnd_code if self._dnd else None

    @property
    def carrier(self) -> StackAccount | None:
        return self._carrier

    @property
    def registered(self) -> bool:
        return self._state.phase == "registered"

    @property
    def usable(self) -> bool:
        """Whether calls can be placed: registered, or not meant to register."""
        return self.registered or not self.settings.register

    @property
    def state(self) -> str:
        return self._state.phase if self.settings.register else "not_registering"

    # ---- the machine

    def _advance(self, what: reg.Input) -> None:
        before = self._state.phase
        self._state, actions = reg.step(self._state, what)
        if self._state.phase != before:
            log.info("account %s: %s -> %s", self.id, before, self._state.phase)
        for action in actions:
            self._do(action)

    def _do(self, action: reg.Action) -> None:
        carrier = self._carrier
        match action:
            case StartTimer("failback", delay_s):  # spread: a fleet must not come home in step
                later_s = Backoff(delay_s, delay_s).next_s()
                self._timers.set("failback", later_s, lambda: self._advance(TimerFired("failback")))
            case StartTimer(name, delay_s):
                self._timers.set(name, delay_s, lambda: self._advance(TimerFired(name)))
            case StopTimer(name):
                self._timers.cancel(name)
            case reg.RetryAfter():
                self._retry(action)
            case reg.FetchSecret():
                self._owner.fetch_secret(self)
            case reg.SendRegister(which) if carrier:
                carrier.register(which)
            case reg.GiveUp(after_s) if carrier:
                carrier.give_up(after_s)
            case reg.SeekPreferred() if carrier:
                carrier.seek_preferred()
            case reg.SendUnregister() if carrier:
                carrier.unregister()
            case reg.SendProbe() if carrier:
                carrier.probe()
            case reg.ResetConnection() if carrier:
                carrier.reset_connection()
            case _:
                self._tell(action)

    def _retry(self, action: reg.RetryAfter) -> None:
        if action.failures == 0:
            self._backoff.reset()
            self._slow.reset()
        self._retry_in_s = (self._slow if action.auth else self._backoff).next_s()
        self._retry_at_s = time.monotonic() + self._retry_in_s
        self._timers.set("retry", self._retry_in_s, lambda: self._advance(TimerFired("retry")))

    def _tell(self, action: reg.Action) -> None:
        publish = self._world.bus.publish
        match action:
            case reg.TellRegistering():
                self._retry_at_s = None
                publish(events.AccountRegistering(account=self.id))
            case reg.TellRegistered(expires_s, address, preferred):
                self._since_s, self._expires_s = time.time(), expires_s
                publish(
                    events.AccountRegistered(account=self.id, expires_s=expires_s, address=address, preferred=preferred)
                )
                self._settled()
            case reg.TellPassedOver(failure):
                self._since_s = None
                publish(
                    events.AccountRegistrarFailed(
                        account=self.id,
                        address=failure.address,
                        code=failure.code,
                        reason=failure.reason,
                        cause=failure.cause,
                        advice=failure.advice,
                        others=failure.others,
                    )
                )
            case reg.TellFailed(failure):
                self._since_s = None
                publish(
                    events.AccountFailed(
                        account=self.id,
                        address=failure.address,
                        code=failure.code,
                        reason=failure.reason,
                        cause=failure.cause,
                        advice=failure.advice,
                        retry_in_s=round(self._retry_in_s, 1),
                    )
                )
            case reg.TellConnectionLost(cause):
                self._since_s = None
                publish(events.AccountConnectionLost(account=self.id, cause=cause))
            case reg.TellUnregistered():
                self._since_s = None
                publish(events.AccountUnregistered(account=self.id))
                if (done := self._on_unregistered) is not None:
                    self._on_unregistered = None
                    done()

    def view(self, calls: int) -> AccountView:
        settings = self.settings
        failure = self._state.failure
        retry_in_s = None if self._retry_at_s is None else round(max(0.0, self._retry_at_s - time.monotonic()), 1)
        return AccountView(
            id=self.id,
            username=settings.username,
            domain=settings.domain,
            display_name=settings.display_name,
            transport=settings.transport,
            registrar=", ".join(str(HostPort(hop.host, hop.port or settings.port)) for hop in settings.first_hops),
            outbound=self._outbound and self.registered,
            registrar_address=self._state.address if self.registered else "",
            state=self.state,
            expires_s=self._expires_s,
            registered_since=iso_or_none(self._since_s),
            code=failure.code if failure else 0,
            reason=failure.reason if failure else "",
            cause=failure.cause if failure else "",
            advice=failure.advice if failure else "",
            retry_in_s=retry_in_s if self.state == "failed" else None,
            srtp=settings.srtp,
            codecs=list(settings.codecs),
            calls=calls,
            dnd=self._dnd,
        )
