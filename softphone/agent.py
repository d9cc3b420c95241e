"""The phone as an object: everything a program can do with it, in Python.

    agent = build(config)                      # softphone.wiring
    await agent.start()
    call = agent.dial("9196")
    await agent.wait(call.id, for_="answered", timeout_s=20)

Every method belongs to the event loop's thread. What happens is told on `agent.bus`; what was asked for wrongly is
raised (softphone.errors). The control API, the IVR and the tests are written against this class and nothing below it.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter, OrderedDict
from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Literal

from softphone import __version__, events
from softphone.addresses import NameAddr, target_uri
from softphone.agent_conference import ConferenceCommands
from softphone.agent_digits import DigitCommands
from softphone.agent_handset import HandsetCommands
from softphone.agent_pbx import PbxCommands
from softphone.agent_sound import SoundCommands
from softphone.aio import Tasks
from softphone.bus import Bus
from softphone.config.accounts import Audio
from softphone.config.model import Config
from softphone.config.secrets import Secret
from softphone.engine import fsm, limits, policy
from softphone.engine.account import Account
from softphone.engine.accounts import Accounts
from softphone.engine.autoanswer import asked_s
from softphone.engine.call import Call
from softphone.engine.conferences import Conferences
from softphone.engine.expected import ExpectedCalls
from softphone.engine.handsets import Handsets
from softphone.engine.headers import checked
from softphone.engine.monitor import Monitor
from softphone.engine.phonebook import Phonebook
from softphone.engine.ringer import Ringer
from softphone.engine.views import (
    AccountCounts,
    AccountView,
    AgentStatus,
    AudioRoute,
    CallCounts,
    CallView,
    DeviceView,
    ExpectedView,
    ListenerView,
    NativeInfo,
    ProviderStatus,
)
from softphone.engine.world import World, iso
from softphone.errors import Conflict, NotFound, UsageError
from softphone.kavkom.select import Selection
from softphone.media.graph import MediaGraph
from softphone.media.prompts import Prompts
from softphone.nat.servers import NatServers
from softphone.network import Addresses, AddressWatch
from softphone.pbx_side import PbxSide
from softphone.provisioning import Provisioner
from softphone.stacks.base import IncomingInvite, Leg, LegSink, MediaServers, OutgoingInvite, Stack
from softphone.stacks.handsets import HandsetStack
from softphone.tracing.tracer import Tracer

log = logging.getLogger(__name__)

ENDED_KEPT_S = 600.0
ENDED_KEPT = 2000
"""Ended calls can be asked about for ENDED_KEPT_S seconds; at most so many are kept."""

MAX_REDIRECTS = 5
"""How many 3xx answers a call follows, where `calls.follow_redirects` allows it."""

END_PATIENCE_S = 6.0
"""How long stopping waits for calls to confirm their end."""


class Agent(SoundCommands, DigitCommands, ConferenceCommands, HandsetCommands, PbxCommands):
    """One phone with any number of accounts and calls."""

    def __init__(self, config: Config, stack: Stack, bus: Bus, handsets: HandsetStack | None = None) -> None:
        self.bus = bus
        self.config = config
        self._started_with = config
        self._stack = stack
        self._handset_stack = handsets
        self._tasks = Tasks("agent")
        self._state = "starting"
        self._started_s = time.time()
        self.listeners: list[ListenerView] = []
        self._ids: Counter[str] = Counter()
        self._calls: dict[str, Call] = {}
        self._ended: OrderedDict[str, tuple[float, CallView]] = OrderedDict()
        graph = MediaGraph(stack.mixer)
        self._world = World(
            bus=bus,
            mixer=stack.mixer,
            graph=graph,
            ringer=Ringer(bus, stack.mixer, graph, self._tasks, config.ringer),
            calls=config.calls,
            media=config.media,
            sip=config.sip,
            quality=config.quality,
            prompts=Prompts(config.media.prompt_cache_mb << 20),
            new_id=self._new_id,
            tasks=self._tasks,
        )
        self._accounts = Accounts(
            stack,
            self._world,
            on_incoming=self._incoming,
            on_transferred=self._transferred,
            on_secret=self._fresh_secret,
            on_moved=self._moved,
        )
        self._addresses = AddressWatch(self._network_changed)
        self._conferences = Conferences(self._world)
        self._handsets = Handsets(self._world, handsets, self._running, self._conferences.company) if handsets else None
        self._expected = ExpectedCalls(bus, self._new_id)
        self._monitor = Monitor(self._calls.values)
        self._pbx = PbxSide(config, bus)
        self._provisioner = Provisioner(config, bus, self._apply)
        self.tracing = Tracer(config.trace, bus, stack, Phonebook(self._accounts, self.call))
        self._nat = NatServers(config.nat, bus, self._use_servers, binds=config.sip.bind)

    def _new_id(self, prefix: str) -> str:
        self._ids[prefix] += 1
        return f"{prefix}{self._ids[prefix]}"

    def _use_servers(self, servers: MediaServers) -> None:
        self._stack.use_servers(servers)
        if self._handset_stack is not None:
            self._handset_stack.use_servers(servers)

    # ---- life

    async def start(self) -> None:
        """Starts the stack and begins to register. Raises ConfigError where ports or addresses cannot be had."""
        await self._stack.start()
        self.tracing.start()
        self._state = "running"
        self._addresses.start()
        self.bus.publish(events.AgentStarted(version=__version__))
        self._nat.start()
        self._pbx.start()
        self._provisioner.start()

    async def reload(self, config: Config) -> list[str]:
        """Takes a new configuration: accounts and provider at once. Returns the keys that wait for a restart.

        Raises ConfigError where it cannot be used; then the old one stays in force.
        """
        successor = Provisioner(config, self.bus, self._apply)
        later = [
            name
            for name in ("sip", "calls", "media", "quality", "control", "web", "log", "timeline", "webhook")
            if getattr(config, name) != getattr(self._started_with, name)
        ]
        before, self.config, self._provisioner = self._provisioner, config, successor
        self._world.ringer.default = config.ringer
        await self._nat.reload(config.nat)
        await self._pbx.reload(config)
        await before.stop()
        successor.start(before=before)
        await self.tracing.configure(config.trace)
        self.bus.publish(events.ConfigReloaded(restart_needed=later))
        return later

    async def drain(self, limit_s: float) -> None:
        """No new calls; running ones may finish within `limit_s` seconds, then they are hung up."""
        self._state = "draining"
        self.bus.publish(events.AgentStopping(drain_s=limit_s, calls=len(self._calls)))
        for call in [c for c in self._calls.values() if c.phase != "active"]:
            call.end("shutdown")
        await self._until_idle(limit_s)
        for call in list(self._calls.values()):
            call.end("shutdown")
        await self._until_idle(END_PATIENCE_S)

    async def _until_idle(self, limit_s: float) -> None:
        with self.bus.subscribe(("call.ended",)) as ended:
            try:
                async with asyncio.timeout(limit_s):
                    while self._calls:
                        await ended.get()
            except TimeoutError:
                return

    async def stop(self) -> None:
        """Hangs up, unregisters, and ends the stack. Idempotent."""
        if self._state == "stopped":
            return
        self._addresses.close()
        await self._nat.stop()
        await self._provisioner.stop()
        if self._calls or self._state != "draining":
            await self.drain(0)
        self._expected.close()
        if self._handsets is not None:
            await self._handsets.close_all()
        await self._accounts.unregister_all()
        self._accounts.close()
        self._monitor.close()
        await self._tasks.close()
        await self._pbx.stop()
        await self.tracing.stop()
        await self._stack.stop()
        self._state = "stopped"

    # ---- the network

    def _network_changed(self, before: Addresses, after: Addresses) -> None:
        self.bus.publish(events.NetworkChanged(before=list(before.all), after=list(after.all), out=list(after.out)))
        # An address that merely comes or goes elsewhere (a container's bridge) is no reason to ask all registrars
        self._accounts.network_changed(doubtful=before.out != after.out)

    def _moved(self, account: Account) -> None:
        for call in [call for call in self._calls.values() if call.account.id == account.id]:
            call.renew()

    # ---- accounts

    def _apply(self, selection: Selection) -> None:
        self._accounts.apply(selection.accounts)
        self._pbx.follow(selection.accounts)

    def _fresh_secret(self, account: Account) -> None:
        self._world.spawn(self._fetch_secret(account), f"fetch the password of {account.id}")

    async def _fetch_secret(self, account: Account) -> None:
        before = account.settings.password
        await self._provisioner.refresh()
        if account.settings.password == before:
            account.secret_stays()

    def accounts(self) -> list[AccountView]:
        counts = Counter(call.account.id for call in self._calls.values())
        return [account.view(counts[account.id]) for account in self._accounts]

    def account(self, name: str) -> AccountView:
        """By id or unique username. Raises NotFound, Conflict."""
        account = self._accounts.get(name)
        return account.view(self._calls_of(account.id))

    def secret(self, name: str) -> Secret:
        """The password of an account, for whoever must keep it out of sight. Raises NotFound."""
        return self._accounts.get(name).settings.password

    def register(self, name: str) -> None:
        """Registers now. Raises Conflict for an account that is not meant to."""
        account = self._accounts.get(name)
        if not account.settings.register:
            raise Conflict(f"account {account.id} does not register (register: false)")
        account.register()

    def unregister(self, name: str) -> None:
        """Takes the contact back until `register`."""
        self._accounts.get(name).unregister()

    def set_dnd(self, name: str, on: bool) -> None:
        """Do not disturb: from now on callers of this account are refused (`dnd_code`), or ring again."""
        self._accounts.get(name).set_dnd(on)

    async def refresh_provider(self) -> ProviderStatus:
        """Reads the extension list now. Raises Conflict where there is no provider."""
        await self._provisioner.refresh()
        if (status := self._provisioner.status()) is None:
            raise Conflict("no account is pulled from an API; there is nothing to refresh")
        return status

    # ---- calls: beginnings

    def dial(
        self,
        target: str,
        *,
        account: str | None = None,
        headers: Mapping[str, str] | None = None,
        ring_timeout_s: float | None = None,
        max_duration_s: float | None = None,
        audio: AudioRoute | None = None,
        trace: bool = False,
    ) -> CallView:
        """Calls a number, an extension or a SIP URI.

        account: id or username; None takes the first one that can call. headers: added to the INVITE.
        ring_timeout_s, max_duration_s (0: no limit): None means the account's, else those in `calls`.
        audio: None means the account's own route.
        trace: keep the SIP messages of this call (see `tracing`), whatever else is traced.
        Raises UsageError, NotFound, Conflict (not registered, no room, stopping), SipError.
        """
        if self._state != "running":
            raise Conflict(f"the agent is {self._state}: it takes no new calls")
        owner = self._accounts.get(account) if account else self._accounts.default()
        if not owner.usable or owner.carrier is None:
            raise Conflict(f"account {owner.id} is not registered ({owner.state}), so it cannot call")
        self._room_for(owner)
        uri = target_uri(target, owner.settings.domain)
        extra = checked(headers or {})
        state = limits.outgoing(
            owner.settings, self._world.calls, ring_timeout_s=ring_timeout_s, max_duration_s=max_duration_s
        )
        call = self._new_call(owner, state, remote=uri, called=target)
        if trace:
            self.tracing.follow(call.id)
        redirects = MAX_REDIRECTS if self._world.calls.follow_redirects else 0
        leg = owner.carrier.invite(OutgoingInvite(uri, extra, redirects), call)
        self._begin(call, audio)
        call.dial(leg)
        return call.view()

    def _incoming(self, account: Account, leg: Leg, invite: IncomingInvite) -> LegSink:
        room = (
            self._state == "running"
            and len(self._calls) < self._world.calls.max_calls
            and self._calls_of(account.id) < account.settings.max_calls
        )
        asked = asked_s(invite.headers, invite.called)
        expected = self._expected.find(account.id, invite.caller, asked=asked is not None)
        decision = policy.decide(
            invite.caller,
            account.settings.incoming,
            room=room,
            dnd_code=account.dnd_code,
            expected_s=expected.after_s if expected else None,
            asked_s=asked,
        )
        state = limits.incoming(account.settings, self._world.calls)
        call = self._new_call(
            account,
            state,
            remote=invite.caller,
            remote_name=invite.caller_name,
            called=NameAddr(invite.called).user or invite.called,
        )
        self._begin(call, None)
        if expected and decision.why == "expected":
            self._expected.met(expected, call.id)
        call.offer(leg, invite, decision)
        return call

    def _transferred(self, account: Account, leg: Leg, target: str, origin: LegSink | None) -> LegSink:
        """The far end of a call sent us to `target`, and the account's policy has let the stack call there."""
        state = limits.outgoing(account.settings, self._world.calls)
        call = self._new_call(account, state, remote=target, called=target)
        self._begin(call, None)
        if isinstance(origin, Call):
            origin.transferred(target, call.id)
        call.dial(leg)
        if self._state != "running":
            call.end("shutdown")
        return call

    def expect_call(
        self, name: str, *, caller: str = "*", within_s: float = 30.0, after_s: float = 0.0, asked_only: bool = False
    ) -> ExpectedView:
        """Announces a call that a program has asked for: the next one that fits is answered by itself, once.

        caller: a pattern of the number or URI. asked_only: only a call whose headers ask to be answered.
        Raises NotFound, Conflict (no such account), UsageError.
        """
        return self._expected.add(self._accounts.get(name).id, caller, within_s, after_s, asked_only)

    def expected_calls(self) -> list[ExpectedView]:
        return self._expected.views()

    def forget_expected(self, expect_id: str) -> None:
        """Takes an announcement back. Raises NotFound."""
        self._expected.cancel(expect_id)

    def _new_call(
        self, account: Account, state: fsm.CallState, *, remote: str, remote_name: str = "", called: str = ""
    ) -> Call:
        return Call(
            self._new_id("c"),
            account.settings,
            self._world,
            state=state,
            remote=remote,
            remote_name=remote_name,
            called=called,
            on_over=self._over,
        )

    def _begin(self, call: Call, audio: AudioRoute | None) -> None:
        self._calls[call.id] = call
        self._monitor.wake()
        if call.account.nat.media != "off":
            self._nat.call_begins()
        call.route(audio or _route(call.account.audio))

    def _room_for(self, account: Account) -> None:
        if len(self._calls) >= self._world.calls.max_calls:
            raise Conflict(f"all {self._world.calls.max_calls} calls are in use (calls.max_calls)")
        if self._calls_of(account.id) >= account.settings.max_calls:
            raise Conflict(f"account {account.id} has its {account.settings.max_calls} calls already (max_calls)")

    def _calls_of(self, account_id: str) -> int:
        return sum(call.account.id == account_id for call in self._calls.values())

    def _over(self, call: Call) -> None:
        self._calls.pop(call.id, None)
        self._conferences.call_over(call)
        self._ended[call.id] = (time.monotonic(), replace(call.view(), plays=[], records=[]))  # not the call itself
        while self._ended:
            ended_at_s, _ = next(iter(self._ended.values()))
            if len(self._ended) <= ENDED_KEPT and time.monotonic() - ended_at_s < ENDED_KEPT_S:
                break
            self._ended.popitem(last=False)

    # ---- calls: commands

    def _running(self, call_id: str) -> Call:
        if call := self._calls.get(call_id):
            return call
        if call_id in self._ended:
            raise Conflict(f"call {call_id} has ended")
        raise NotFound(f"there is no call {call_id}")

    def calls(self) -> list[CallView]:
        """The running calls, oldest first."""
        return [call.view() for call in self._calls.values()]

    def call(self, call_id: str) -> CallView:
        """A running call, or one that ended lately. Raises NotFound."""
        if call_id in self._ended:
            return self._ended[call_id][1]
        return self._running(call_id).view()

    # `headers` go onto the message that carries the command out: 200, refusal, re-INVITE, BYE, REFER

    def answer(self, call_id: str, *, headers: Mapping[str, str] | None = None) -> None:
        self._running(call_id).answer(checked(headers or {}))

    def reject(
        self, call_id: str, code: int = 486, reason: str = "", *, headers: Mapping[str, str] | None = None
    ) -> None:
        """Refuses an incoming call; `code` is the final SIP status, 400 to 699."""
        if not 400 <= code <= 699:
            raise UsageError(f"{code}: a call is refused with a SIP status from 400 to 699")
        if not reason.isprintable() or len(reason) > 128:
            raise UsageError("a reason phrase is one line of at most 128 characters")
        self._running(call_id).reject(code, reason, checked(headers or {}))

    def redirect(self, call_id: str, target: str) -> None:
        """Sends the caller of an incoming call elsewhere (302)."""
        call = self._running(call_id)
        call.redirect(target_uri(target, call.account.domain))

    def hold(self, call_id: str, *, headers: Mapping[str, str] | None = None) -> None:
        """Neither side hears the other; `call.hold` tells when it is in force, `call.hold_failed` if it cannot be."""
        self._running(call_id).hold(True, checked(headers or {}))

    def resume(self, call_id: str, *, headers: Mapping[str, str] | None = None) -> None:
        self._running(call_id).hold(False, checked(headers or {}))

    def mute(self, call_id: str) -> None:
        """The far end hears nothing of our side any more; what it says is still heard."""
        self._running(call_id).mute(True)

    def unmute(self, call_id: str) -> None:
        self._running(call_id).mute(False)

    def transfer(self, call_id: str, target: str, *, headers: Mapping[str, str] | None = None) -> None:
        """Sends the far end to a number or URI (blind); `call.transfer` tells how it goes."""
        call = self._running(call_id)
        call.transfer(target_uri(target, call.account.domain), checked(headers or {}))

    def transfer_to(self, call_id: str, other_id: str, *, headers: Mapping[str, str] | None = None) -> None:
        """Connects the far ends of two calls of ours with each other (attended), and leaves both."""
        self._running(call_id).transfer_to(self._running(other_id), checked(headers or {}))

    def hang_up(self, call_id: str, *, headers: Mapping[str, str] | None = None) -> None:
        """Ends a call in any state. An ended one is left as it is. CANCEL, before the answer, takes no headers."""
        added = checked(headers or {})
        if call_id not in self._ended:
            self._running(call_id).end(headers=added)

    def quality(self, call_id: str) -> dict[str, object] | None:
        """The media's figures so far (see media/quality.py)."""
        return self.call(call_id).quality

    async def wait(self, call_id: str, *, for_: Literal["answered", "ended"], timeout_s: float) -> CallView:
        """Waits until the call is answered (or has ended), or until it has ended; returns it as it is then.

        Returns at the deadline as well: look at `state`.
        """
        with self.bus.subscribe(("call.answered", "call.ended"), call=call_id) as happened:
            try:
                async with asyncio.timeout(timeout_s):
                    while not _reached(self.call(call_id), for_):
                        await happened.get()
            except TimeoutError:
                pass
        return self.call(call_id)

    # ---- the whole

    def devices(self) -> list[DeviceView]:
        """The sound devices of this machine."""
        return [DeviceView(**asdict(device)) for device in self._stack.devices()]

    @property
    def ready(self) -> bool:
        """Whether calls can be placed and taken: some account is usable, and none still waits for its first answer."""
        states = [account.state for account in self._accounts]
        usable = any(state in ("registered", "not_registering") for state in states)
        return self._state == "running" and usable and "registering" not in states

    def status(self) -> AgentStatus:
        accounts = list(self._accounts)
        native = self._stack.describe()
        return AgentStatus(
            version=__version__,
            started=iso(self._started_s),
            uptime_s=round(time.time() - self._started_s, 1),
            ready=self.ready,
            state=self._state,
            accounts=AccountCounts(
                total=len(accounts),
                registered=sum(account.registered for account in accounts),
                failed=sum(account.state == "failed" for account in accounts),
            ),
            calls=CallCounts(total=self._ids["c"], active=len(self._calls)),
            provider=self._provisioner.status(),
            native=NativeInfo(**native),
            nat=self._nat.views(),
            listeners=list(self.listeners),
            live=self._pbx.live(),
            webhook=self._pbx.webhook(),
            timeline=self._pbx.timeline(),
            problems=self._problems(),
        )

    def _problems(self) -> list[str]:
        problems = []
        if (provider := self._provisioner.status()) and provider.state == "failed":
            problems.append(f"the extension list cannot be read: {provider.cause}")
        problems += provider.problems if provider else []
        for account in self._accounts:
            if account.state == "failed":
                view = account.view(0)
                problems.append(f"account {view.id}: {view.cause}; {view.advice}")
        problems += [f"account {name} is left out: {cause}" for name, cause in self._accounts.left_out.items()]
        problems += [f"{view.cause}; {view.advice}" for view in self._nat.views() if view.state == "failed"]
        problems += self._pbx.problems()
        if not len(self._accounts):
            problems.append("there is no account")
        return problems


def _reached(call: CallView, goal: str) -> bool:
    return call.state in ("active", "ended") if goal == "answered" else call.state == "ended"


def _route(audio: Audio) -> AudioRoute:
    """The route that the configuration gives an account."""
    if audio.kind == "file":
        return AudioRoute(route="file", file=str(audio.file), loop=audio.loop)
    if audio.kind == "device":
        return AudioRoute(
            route="device",
            input=audio.device or audio.input,
            output=audio.device or audio.output,
            input_gain_db=audio.input_gain_db,
            output_gain_db=audio.output_gain_db,
        )
    return AudioRoute()
