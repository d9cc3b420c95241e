"""An address of record on PJSIP: registration, probes, and the legs that belong to it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pjsua2 as pj

from softphone.addresses import HostPort, NameAddr, SipUri
from softphone.aio import Backoff, Tasks
from softphone.config.resolved import ResolvedAccount
from softphone.errors import SipError, SoftphoneError, UsageError
from softphone.stacks.base import (
    AccountReport,
    AccountSink,
    ConnectionLost,
    IncomingInvite,
    LegSink,
    OutgoingInvite,
    PreferredAnswers,
    ProbeAnswered,
    RegistrationFailed,
    RegistrationOk,
    Replaced,
    Which,
)
from softphone.stacks.names import LookupFailed, NoWay
from softphone.stacks.pjsip import messages, nat, sdp
from softphone.stacks.pjsip.failures import Fault, status_fault, text_fault
from softphone.stacks.pjsip.hop import Hop, callback
from softphone.stacks.pjsip.knock import answers
from softphone.stacks.pjsip.leg import PjLeg
from softphone.stacks.pjsip.messages import readable
from softphone.stacks.pjsip.native_call import NativeCall
from softphone.stacks.pjsip.registrars import Registrars, Target, find_targets
from softphone.stacks.pjsip.settings import Way, account_config, pjsip_transport, route, tls_name
from softphone.stacks.pjsip.where import local_address

if TYPE_CHECKING:
    from softphone.stacks.pjsip.stack import PjStack
    from softphone.stacks.pjsip.wss import Tunnel

log = logging.getLogger(__name__)

_EBUSY = 70011  # PJ_EBUSY: a REGISTER is under way already

CAUSE_PATIENCE_S = 0.05
"""How long the word on a failed connection may come after the failure itself."""

REOPEN_MIN_S, REOPEN_MAX_S = 0.5, 10.0
"""Pauses between tries to have a WebSocket again for calls that go on."""


@dataclass(frozen=True, slots=True)
class _Answer:
    """What PJSIP said of a REGISTER. `answered`: the registrar sent it; `transport`: the key of its connection.

    `round` tells which REGISTERs of ours it can belong to: those before a give_up have another.
    """

    code: int
    reason: str
    status: int
    expires_s: int
    answered: bool
    transport: int
    outbound: bool
    round: int


class _Account(pj.Account):
    """PJSIP's half: its methods run on PJSIP's threads, copy, and post."""

    def __init__(self, owner: PjAccount, hop: Hop) -> None:
        super().__init__()
        self._owner: PjAccount | None = owner
        self._hop = hop
        self.round = 0  # counted up by the loop whenever PJSIP was made to forget a REGISTER

    def let_go(self) -> None:
        self._owner = None

    def _post(self, name: str, *args: Any) -> None:
        if (owner := self._owner) is not None:
            self._hop.post(getattr(owner, name), *args)

    @callback
    def onRegState(self, prm: Any) -> None:
        answered = bool(prm.rdata.wholeMsg)
        key = pj.accountTransport(self.getId()) if answered else 0
        reason = readable(prm.reason)
        flow = answered and messages.requires(prm.rdata.wholeMsg, "outbound")
        answer = _Answer(prm.code, reason, prm.status, prm.expiration, answered, key, flow, self.round)
        self._post("on_answer", answer)

    @callback
    def onIncomingCall(self, prm: Any) -> None:
        # The one object that PJSIP needs at once: without it the call is refused
        owner = self._owner
        if owner is None:
            return
        call = NativeCall(self, self._hop, owner.rewrite, call_id=prm.callId)
        call.mids = sdp.mids(prm.rdata.wholeMsg)
        self._post("on_incoming", call, prm.rdata.wholeMsg, prm.rdata.srcAddress)

    def transferred(self, call: NativeCall, origin: PjLeg | None, target: str, sip_call_id: str) -> None:
        """The far end of `origin` sent us elsewhere: `call` is on its way to `target`. On PJSIP's thread."""
        self._post("on_transferred", call, origin, target, sip_call_id)

    def accepts_transfer(self, target: str) -> bool:
        """Whether policy lets the far end send us to `target`. On PJSIP's thread; pure."""
        owner = self._owner
        return owner is not None and allowed(owner.settings, target)

    def replaced(self, call: NativeCall, origin: PjLeg | None, message: str, source: str) -> None:
        """`call` takes the place of `origin`, by the INVITE `message`. On PJSIP's thread."""
        self._post("on_replaced", call, origin, message, source)

    def accepts_replaces(self) -> bool:
        """Whether policy lets a call take the place of another. On PJSIP's thread; pure."""
        owner = self._owner
        return owner is not None and owner.settings.replaces == "accept"

    @callback
    def onSendRequest(self, prm: Any) -> None:
        event = prm.e.body.tsxState
        if prm.e.type == pj.PJSIP_EVENT_TSX_STATE and event.type == pj.PJSIP_EVENT_RX_MSG:
            self._post("on_probe_answered")


class PjAccount:
    """The loop's half."""

    def __init__(self, stack: PjStack, settings: ResolvedAccount, sink: AccountSink) -> None:
        self.settings = settings
        self.hop = stack.hop
        self.mixer = stack.mixer
        self._stack = stack
        self._sink = sink
        self._tasks = Tasks(f"account {settings.id}")
        self._legs: set[PjLeg] = set()
        self._timers: set[asyncio.TimerHandle] = set()
        self._transport = 0
        self._registrars = Registrars()
        self._looking: asyncio.Task[None] | None = None
        self._pin = stack.take_pin()
        self._alias = f"{secrets.token_hex(6)}.invalid"
        self._tunnel: Tunnel | None = None
        self._stray: set[PjLeg] = set()
        self._fresh = False
        self._last_fault: Fault | None = None
        self._closed = False
        self.native: Any = _Account(self, stack.hop)
        try:
            self.native.create(self._config(), False)
        except pj.Error as error:
            raise SipError(f"account {settings.id} cannot be set up: {error.reason}") from None
        self.use_servers()

    def use_servers(self) -> None:
        """Takes the stack's STUN and TURN servers, and what else PJSIP's own settings cannot hold."""
        nat.use(self.native.getId(), self.settings, self._stack.servers)

    def _config(self) -> Any:
        target = self._registrars.current
        version = target.version if target else self._stack.versions[0]
        transport = self._stack.transports.of(self.settings, version)
        way = Way(transport, target.local if target else "", self._pin, version, self._fresh, self._alias)
        return account_config(self.settings, self._stack.options, way)

    # ---- registration

    def register(self, which: Which = "same") -> None:
        self._look(self._register(which), "register")

    def _look(self, work: Coroutine[Any, Any, None], name: str) -> None:
        """Only the latest wish counts."""
        if self._looking is not None:
            self._looking.cancel()
        self._looking = self._tasks.spawn(work, name)

    async def _register(self, which: Which) -> None:
        self._last_fault = None
        try:
            before = self._registrars.current
            if which != "next" or (target := self._registrars.next()) is None:
                target = self._registrars.begin(await self._find(), which)
            await self._aim(before, target)
            self.native.setRegistration(True)
        except NoWay as failure:
            self._failed(0, "", failure.cause, failure.advice)
        except pj.Error as error:
            if error.status != _EBUSY:
                fault = self._last_fault or status_fault(error.status)
                self._failed(0, "", fault.cause, fault.advice)

    async def _find(self) -> list[Target]:
        return await find_targets(self._stack.names, self.settings, self._stack.versions)

    async def _aim(self, before: Target | None, target: Target) -> None:
        """Pins the account's first hop to this address; a changed local address goes into the account's settings."""
        address, port = target.address, target.port
        if self.settings.transport == "wss":
            address, port = await self._open_tunnel(target)
        pj.pinAddress(tls_name(self.settings), self._pin, pjsip_transport(self.settings), address, port)
        if before is None or (before.local, before.version) != (target.local, target.version):
            self._modify()

    async def _open_tunnel(self, target: Target) -> tuple[str, int]:
        """Where PJSIP finds our own end of the WebSocket to `target`. Raises WebSocketFault."""
        from softphone.stacks.pjsip import wss

        if self._tunnel is None:
            sip = self._stack.options.sip
            pace = wss.Pace(0.75 * sip.register_timeout_s, sip.probe_s, sip.probe_timeout_s, sip.user_agent)
            self._tunnel = wss.Tunnel(
                self.settings.id,
                self._alias,
                route(self.settings, self._pin),
                pace,
                self.tunnel_lost,
                self._stack.sip_tap,
            )
        if not self._tunnel.up:
            self._stray = set(self._legs)
        return wss.LOOPBACK, await self._tunnel.open(wss.endpoint(self.settings, target))

    def tunnel_lost(self, cause: str) -> None:
        """The WebSocket has ended. PJSIP's connection to it is closed already, so what waits for an answer fails."""
        self._transport = 0
        self._last_fault = Fault(cause, "the connection is opened again by itself")
        self._report(ConnectionLost(cause))
        if not self.settings.register and self._legs:
            self._look(self._reopen(), "open the WebSocket again")

    async def _reopen(self) -> None:
        """For calls of an account that does not register: the far end has no other way to say how they go on."""
        pauses = Backoff(REOPEN_MIN_S, REOPEN_MAX_S)
        while self._legs and self._is_cut_off:
            await asyncio.sleep(pauses.next_s())
            try:
                before = self._registrars.current
                await self._aim(before, self._registrars.begin(await self._find(), "same"))
            except NoWay as failure:
                log.info("account %s: %s", self.settings.id, failure.cause)
        self._call_home()

    def _call_home(self) -> None:
        """Calls that began over a WebSocket which is gone are told of the new one."""
        stray, self._stray = self._stray & self._legs, set()
        for leg in stray:
            leg.retarget()

    def _modify(self) -> None:
        self.native.modify(self._config())
        self.use_servers()  # PJSIP forgets a part of it

    def give_up(self, after_s: float) -> None:
        asked = self._registrars.current
        if self._looking is not None and not self._looking.done():
            self._looking.cancel()
            hops = ", ".join(hop.host for hop in self.settings.first_hops)
            self._failed(0, "", f"looking {hops} up takes more than {after_s:g} s", "check this machine's DNS servers")
            return
        self._forget_register()
        fault = self._last_fault or Fault(
            f"no answer from {asked} within {after_s:g} s",
            "check that the PBX is up, and any firewall on the way; another port or transport may get through",
        )
        self._failed(0, "", fault.cause, fault.advice)

    def _forget_register(self) -> None:
        """Makes PJSIP drop the REGISTER that is under way, and its connection. What it still says of it is ignored."""
        self.reset_connection()
        self._fresh = not self._fresh
        try:
            self._modify()
        except pj.Error as error:
            log.warning("account %s: a REGISTER could not be abandoned: %s", self.settings.id, error.reason)
        self.native.round += 1

    def moved(self) -> bool:
        at = self._registrars.current
        now = local_address(at.address, at.port) if at else ""
        return at is not None and now not in ("", at.local)

    def seek_preferred(self) -> None:
        self._look(self._seek_preferred(), "look for the preferred registrar")

    async def _seek_preferred(self) -> None:
        with contextlib.suppress(LookupFailed):
            for target in self._registrars.better(await self._find()):
                if await answers(target, self.settings):
                    self._report(PreferredAnswers())
                    return

    def prepare(self, done: Callable[[], None] | None = None) -> None:
        self._look(self._prepare(done), "look up the first hop")

    async def _prepare(self, done: Callable[[], None] | None) -> None:
        try:
            before = self._registrars.current
            await self._aim(before, self._registrars.begin(await self._find(), "same"))
            if done is not None:
                done()
        except NoWay as failure:
            self._failed(0, "", failure.cause, failure.advice)

    def on_answer(self, answer: _Answer) -> None:
        if answer.round != self.native.round:
            return
        if answer.answered:
            self._transport = answer.transport
        if answer.code // 100 == 2 and answer.status == 0:
            self._succeeded(max(0, answer.expires_s), answer.outbound)
            return
        log.debug("REGISTER %s: %s", self.settings.id, answer)
        if answer.answered and answer.status == 0:
            auth = answer.code in (401, 403, 407)
            self._failed(answer.code, answer.reason, "", "", auth)
            return
        # PJSIP tells why a connection failed beside the failure, before it or after it
        self.after(CAUSE_PATIENCE_S, lambda: self._report_unanswered(answer))

    def _report_unanswered(self, answer: _Answer) -> None:
        if answer.round != self.native.round:
            return
        fault = self._last_fault or text_fault(answer.reason) or status_fault(answer.status)
        code, reason = (answer.code, answer.reason) if answer.answered else (0, "")
        self._failed(code, reason, fault.cause, fault.advice, auth=answer.answered)

    def _succeeded(self, expires_s: int, outbound: bool) -> None:
        if expires_s and self.settings.outbound == "on" and not outbound:
            cause = "the registrar does not send calls down our connection (outbound, RFC 5626)"
            self._failed(0, "", cause, "set `outbound: auto`; with it, register over TCP or TLS")
            return
        registrars = self._registrars
        registrars.worked()
        self._report(RegistrationOk(expires_s, str(registrars.current or ""), registrars.preferred, outbound))
        self._call_home()

    def _failed(self, code: int, reason: str, cause: str, advice: str, auth: bool = False) -> None:
        registrars = self._registrars
        registrars.failed()
        where = str(registrars.current or "")
        self._report(RegistrationFailed(code, reason, cause, advice, auth, where, registrars.others))

    def unregister(self) -> None:
        try:
            self.native.setRegistration(False)
        except pj.Error as error:
            log.info("account %s: cannot unregister: %s", self.settings.id, error.reason)
            self._report(RegistrationOk(0))

    def update(self, settings: ResolvedAccount) -> None:
        before, self.settings = self.settings, settings
        registrars, self._registrars = self._registrars, Registrars()
        try:
            self._modify()
        except (pj.Error, SoftphoneError) as error:
            self.settings, self._registrars = before, registrars
            cause = error.reason if isinstance(error, pj.Error) else error
            raise SipError(f"account {settings.id} cannot be changed: {cause}") from None
        if self._tunnel is not None and (settings.transport != "wss" or tls_name(settings) != tls_name(before)):
            self._tunnel.reset()
            self._tunnel = None

    # ---- the connection

    def probe(self) -> None:
        prm = pj.SendRequestParam()
        prm.method = "OPTIONS"
        prm.txOption.targetUri = f"sip:{HostPort(self.settings.domain)}"
        try:
            self.native.sendRequest(prm)
        except pj.Error as error:
            log.info("account %s: cannot send OPTIONS: %s", self.settings.id, error.reason)

    def on_probe_answered(self) -> None:
        self._report(ProbeAnswered())

    def reset_connection(self) -> None:
        if self.settings.transport == "udp":
            return  # one socket serves all accounts, and there is no link that could be dead
        if self._tunnel is not None:
            self._tunnel.reset()
        pj.closeAccountTransport(self.native.getId())

    def transport_gone(self, key: int, cause: str) -> None:
        """The stack saw a connection close; it may be ours."""
        if key and key == self._transport:
            self._transport = 0
            self._report(ConnectionLost(cause))

    def transport_fault(self, remote: str, fault: Fault) -> None:
        """A connection to `remote` (address:port) could not be made; remembered for the failure that follows."""
        if remote == str(self._registrars.current):
            self._last_fault = fault

    # ---- calls

    def rewrite(self, text: str, offer: bool, secure: bool) -> str:
        """Makes an SDP of PJSIP's that of this account: its codecs, its way to offer SRTP. Runs on any thread."""
        out = sdp.narrow(text, list(self.settings.codecs))
        if offer and self.settings.srtp == "prefer":
            out = sdp.offer_secure(out) if secure else sdp.offer_plain(out)
        return sdp.for_webrtc(out) if self.settings.transport == "wss" else out

    def invite(self, invite: OutgoingInvite, sink: LegSink) -> PjLeg:
        leg = PjLeg(self, self.hop)
        leg.listen(sink)
        if self._registrars.current is None or self._is_cut_off:
            self._tasks.spawn(self._invite_later(leg, invite), "look up the first hop of a call")
        else:
            leg.dial(invite)
        self._legs.add(leg)
        return leg

    @property
    def _is_cut_off(self) -> bool:
        """Whether there is no WebSocket where one is needed."""
        return self.settings.transport == "wss" and not (self._tunnel is not None and self._tunnel.up)

    async def _invite_later(self, leg: PjLeg, invite: OutgoingInvite) -> None:
        """An account that does not register may be asked for a call before its first hop has been found."""
        try:
            targets = await self._find()
            if (before := self._registrars.current) is None or self._is_cut_off:
                await self._aim(before, self._registrars.begin(targets, "same"))
            leg.dial(invite)
        except NoWay as failure:
            leg.fail(failure.cause)
        except SipError as error:
            leg.fail(str(error))

    def on_incoming(self, call: NativeCall, message: str, source: str) -> None:
        invite = _invite(message)
        leg = PjLeg.adopt(self, call, invite.sip_call_id)
        self._legs.add(leg)
        if self._closed:
            leg.reject(480)
            return
        if not self._is_meant(invite.called, messages.first(invite.headers, "To"), source):
            log.warning("a call from %s for %s is refused: nobody of that name is here", source, invite.called)
            leg.reject(404)
            return
        leg.listen(self._sink.incoming(leg, invite))

    def on_replaced(self, call: NativeCall, origin: PjLeg | None, message: str, source: str) -> None:
        invite = _invite(message)
        leg = PjLeg.adopt(self, call, invite.sip_call_id)
        self._legs.add(leg)
        sink = origin.leave() if origin else None
        if self._closed or sink is None:
            leg.hang_up()
            return
        log.info("a call from %s takes the place of another one", source)
        sink.leg_report(Replaced(leg, invite))
        leg.listen(sink)

    def _is_meant(self, called: str, to: str, source: str) -> bool:
        """Whether an INVITE is for this account. PJSIP gives us those that are for nobody as well: scanners' calls.

        The PBX itself (`source`, address:port) may name us as it likes, such as by a number of its own.
        """
        users = {NameAddr(called).user.casefold(), NameAddr.parse(to).user.casefold()}
        if self.settings.username.casefold() in users:
            return True
        if self._tunnel is not None and self._tunnel.is_end(source):
            return True
        return self._registrars.knows(source.rpartition(":")[0].strip("[]"))

    def on_transferred(self, call: NativeCall, origin: PjLeg | None, target: str, sip_call_id: str) -> None:
        leg = PjLeg.adopt(self, call, sip_call_id, target)
        self._legs.add(leg)
        if self._closed:
            leg.hang_up()
            return
        sink = origin.sink if origin else None
        leg.listen(self._sink.transferred(leg, NameAddr.parse(target).uri, sink))

    def bury(self, call: Any) -> None:
        self._stack.graveyard.bury(call)

    def leg_over(self, leg: PjLeg) -> None:
        self._legs.discard(leg)
        self._stack.leg_over(self)

    def after(self, delay_s: float, call: Callable[[], None]) -> None:
        """Runs `call` later on the loop, unless the account is closed before."""

        def fire() -> None:
            self._timers.discard(handle)
            call()

        handle = asyncio.get_running_loop().call_later(delay_s, fire)
        self._timers.add(handle)

    def close(self) -> None:
        """No more reports. Calls go on; PJSIP's account goes when the last of them is over."""
        self._closed = True
        self._stack.retire(self)

    async def destroy(self) -> None:
        """Takes the account off PJSIP. Its legs are over, or will never be heard of again."""
        await self._tasks.close()
        if self._tunnel is not None:
            await self._tunnel.close()
        for handle in self._timers:
            handle.cancel()
        native, self.native = self.native, None
        if native is None:
            return
        native.let_go()
        pj.unpinAddress(tls_name(self.settings), self._pin, pjsip_transport(self.settings))
        self._stack.give_back_pin(self._pin)
        # Its end is here and now: a destructor that runs later would delete whatever account has this number then
        with contextlib.suppress(pj.Error):
            native.shutdown()

    @property
    def busy(self) -> bool:
        return bool(self._legs)

    def _report(self, report: AccountReport) -> None:
        if not self._closed:
            self._sink.account_report(report)


def _invite(message: str) -> IncomingInvite:
    found = messages.headers(message)
    caller = NameAddr.parse(messages.first(found, "From"))
    return IncomingInvite(
        caller=caller.uri,
        caller_name=caller.display_name,
        called=messages.request_uri(message),
        sip_call_id=messages.first(found, "Call-ID"),
        headers=found,
    )


def allowed(settings: ResolvedAccount, target: str) -> bool:
    """Whether the account follows a transfer to `target`, the value of a Refer-To header."""
    if settings.transfers != "domain":
        return settings.transfers == "accept"
    try:
        return SipUri.parse(NameAddr.parse(target).uri).host.lower() == settings.domain.lower()
    except UsageError:
        return False
