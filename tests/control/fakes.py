"""A phone without telephony: implements AgentApi, keeps what it was told, raises what it is asked to raise."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from softphone.bus import Bus
from softphone.config.trace import Trace
from softphone.control.api import AgentApi, DigitMethod, RecordMode, WaitFor
from softphone.engine.collecting import CollectPlan
from softphone.engine.views import (
    AccountCounts,
    AccountView,
    AgentStatus,
    AudioRoute,
    CallCounts,
    CallView,
    CollectView,
    ConferenceView,
    DeviceTestView,
    DeviceView,
    ExpectedView,
    HandsetMode,
    HandsetView,
    NativeInfo,
    ProviderStatus,
    RecordEndView,
    RecordView,
)
from softphone.errors import Conflict, NotFound
from softphone.events import CallAnswered, CallEnded, CallHold, CallTransfer, DigitsCollected, ExpectEnded
from softphone.tracing.message import SipMessage
from softphone.tracing.tracer import Receiver, Tracer
from tests.control.fake_pbx import FakePbx

CREATED = "2025-01-01T12:00:00.000Z"


def account_view(username: str = "901", **changes: Any) -> AccountView:
    """A registered account of pbx.example."""
    view = AccountView(
        id=f"{username}@pbx.example",
        username=username,
        domain="pbx.example",
        display_name="",
        transport="tls",
        registrar="pbx.example:5061",
        state="registered",
        expires_s=3600,
    )
    return replace(view, **changes)


class FakeWire:
    """Where SIP messages come from: `pass_by` sends some by."""

    def __init__(self) -> None:
        self.receiver: Receiver | None = None
        self.lost = 0

    def tap(self, receiver: Receiver | None) -> None:
        self.receiver = receiver

    def tap_lost(self) -> int:
        return self.lost

    def pass_by(self, *messages: SipMessage) -> None:
        if self.receiver is not None:
            self.receiver(messages)


class FakeAgent(FakePbx):
    """Two accounts, no calls. `failure` is raised by the next command, whichever it is."""

    def __init__(self, *, ready: bool = True, history: int = 10_000) -> None:
        self.bus = Bus(history=history)
        self.ready = ready
        self.failure: BaseException | None = None
        self.wire = FakeWire()
        self.tracing = Tracer(Trace(), self.bus, self.wire, self)
        self.commands: list[tuple[Any, ...]] = []
        self.waiting = asyncio.Event()
        self._accounts = {a.id: a for a in (account_view("901"), account_view("902"))}
        self._calls: dict[str, CallView] = {}
        self._conferences: dict[str, ConferenceView] = {}
        self._handsets: dict[str, HandsetView] = {}
        self._changed = asyncio.Event()

    def _note(self, *command: Any) -> None:
        if self.failure is not None:
            failure, self.failure = self.failure, None
            raise failure
        self.commands.append(command)

    # ---- the process

    def status(self) -> AgentStatus:
        self._raise_if_wanted()
        return AgentStatus(
            version="1.2.3",
            started=CREATED,
            uptime_s=1.5,
            ready=self.ready,
            state="running",
            accounts=AccountCounts(total=2, registered=2),
            calls=CallCounts(total=len(self._calls), active=len(self.calls())),
            provider=ProviderStatus(state="ok", extensions=2),
            native=NativeInfo(pjsip="2.17", codecs=["PCMU/8000"], openssl="3.0.0"),
            problems=[] if self.ready else ["901@pbx.example is not registered"],
        )

    def _raise_if_wanted(self) -> None:
        if self.failure is not None:
            failure, self.failure = self.failure, None
            raise failure

    async def refresh_provider(self) -> ProviderStatus:
        self._note("refresh_provider")
        return ProviderStatus(state="ok", extensions=2)

    def devices(self) -> list[DeviceView]:
        return [DeviceView(name="USB Headset", inputs=1, outputs=2, driver="ALSA", default_rate_hz=48000)]

    async def test_device(self, name: str, *, listen_s: float = 2.0) -> DeviceTestView:
        self._note("test_device", name, listen_s)
        return DeviceTestView(name=name, loudspeaker=True, microphone=True, level_dbfs=-30.0, peak_dbfs=-20.0)

    # ---- what the tracer asks

    def account_at(self, user: str, host: str) -> str:
        return next((view.id for view in self._accounts.values() if view.username == user), "")

    def sip_call_id(self, call: str) -> str:
        return self._calls[call].sip_call_id if call in self._calls else ""

    # ---- accounts

    def accounts(self) -> list[AccountView]:
        return list(self._accounts.values())

    def account(self, id: str) -> AccountView:
        for view in self._accounts.values():
            if id in (view.id, view.username):
                return view
        raise NotFound(f"there is no account {id!r}")

    def register(self, id: str) -> None:
        self._note("register", self.account(id).id)

    def unregister(self, id: str) -> None:
        self._note("unregister", self.account(id).id)

    def set_dnd(self, id: str, on: bool) -> None:
        view = self.account(id)
        self._note("set_dnd", view.id, on)
        self._accounts[view.id] = replace(view, dnd=on)

    # ---- calls

    def calls(self) -> list[CallView]:
        return [c for c in self._calls.values() if c.state != "ended"]

    def call(self, id: str) -> CallView:
        if id not in self._calls:
            raise NotFound(f"there is no call {id!r}")
        return self._calls[id]

    def dial(
        self,
        target: str,
        *,
        account: str | None = None,
        headers: dict[str, str] | None = None,
        ring_timeout_s: float | None = None,
        max_duration_s: float | None = None,
        audio: AudioRoute | None = None,
        trace: bool = False,
    ) -> CallView:
        self._note(
            "dial", target, account, headers, ring_timeout_s, max_duration_s, audio, *(["trace"] if trace else [])
        )
        return self.add_call(remote=f"sip:{target}@pbx.example", called=target, audio=audio or AudioRoute())

    def add_call(self, **changes: Any) -> CallView:
        """A call that dials."""
        view = CallView(
            id=f"c{len(self._calls) + 1}",
            account="901@pbx.example",
            direction="out",
            state="dialing",
            remote="",
            created=CREATED,
        )
        self._calls[view.id] = replace(view, **changes)
        return self._calls[view.id]

    def change_call(self, id: str, **changes: Any) -> None:
        """What the far end or the network did to the call."""
        self._calls[id] = replace(self._calls[id], **changes)
        self._changed.set()
        self._changed = asyncio.Event()

    def expect_call(
        self, name: str, *, caller: str = "*", within_s: float = 30.0, after_s: float = 0.0, asked_only: bool = False
    ) -> ExpectedView:
        """From 486 nobody comes; from all others at once."""
        account = self.account(name).id
        self._note("expect_call", account, caller, within_s, after_s, asked_only)
        reason, call = ("expired", "") if caller == "486" else ("met", "c7")
        ended = ExpectEnded(account=account, expect="x1", reason=reason, call=call)
        asyncio.get_running_loop().call_soon(self.bus.publish, ended)
        return ExpectedView(
            id="x1", account=account, caller=caller, after_s=after_s, asked_only=asked_only, expires=CREATED
        )

    def expected_calls(self) -> list[ExpectedView]:
        return [
            ExpectedView(
                id="x1", account="901@pbx.example", caller="9*", after_s=0.0, asked_only=False, expires=CREATED
            )
        ]

    def forget_expected(self, expect_id: str) -> None:
        if expect_id != "x1":
            raise NotFound(f"no call {expect_id} is expected (any more)")
        self._note("forget_expected", expect_id)

    def answer(self, id: str, *, headers: dict[str, str] | None = None) -> None:
        self._note("answer", self.call(id).id, *_if_any(headers))
        self.change_call(id, state="active", answered=CREATED)
        self.bus.publish(CallAnswered(call=id, account="901@pbx.example", by="local"))

    def reject(self, id: str, code: int = 486, reason: str = "", *, headers: dict[str, str] | None = None) -> None:
        self._note("reject", self.call(id).id, code, reason, *_if_any(headers))
        self.change_call(id, state="ended")

    def hang_up(self, id: str, *, headers: dict[str, str] | None = None) -> None:
        self._note("hang_up", self.call(id).id, *_if_any(headers))
        if self.call(id).state == "ended":
            raise Conflict(f"call {id} has ended already")
        self.change_call(id, state="ended", ended=CREATED)
        self.bus.publish(ended_event(id))

    def redirect(self, id: str, target: str) -> None:
        self._note("redirect", self.call(id).id, target)

    def hold(self, id: str, *, headers: dict[str, str] | None = None) -> None:
        self._note("hold", self.call(id).id, *_if_any(headers))
        self.change_call(id, held_by=["local"])
        self.bus.publish(CallHold(call=id, account="901@pbx.example", by="local", held=True))

    def resume(self, id: str, *, headers: dict[str, str] | None = None) -> None:
        self._note("resume", self.call(id).id, *_if_any(headers))
        self.change_call(id, held_by=[])
        self.bus.publish(CallHold(call=id, account="901@pbx.example", by="local", held=False))

    def mute(self, id: str) -> None:
        self._note("mute", self.call(id).id)
        self.change_call(id, muted=True)

    def unmute(self, id: str) -> None:
        self._note("unmute", self.call(id).id)
        self.change_call(id, muted=False)

    def transfer(self, id: str, target: str, *, headers: dict[str, str] | None = None) -> None:
        self._note("transfer", self.call(id).id, target, headers)
        self._tell_transfer(id, target)

    def transfer_to(self, id: str, other: str, *, headers: dict[str, str] | None = None) -> None:
        self._note("transfer_to", self.call(id).id, self.call(other).id, headers)
        self._tell_transfer(id, self.call(other).remote)

    def _tell_transfer(self, id: str, target: str) -> None:
        """To 486 the far end says no."""
        outcome = ("failed", 486, "Busy Here") if "486" in target else ("done", 200, "OK")
        for state, code, reason in (("requested", 0, ""), ("progress", 180, "Ringing"), outcome):
            self.bus.publish(
                CallTransfer(
                    call=id,
                    account="901@pbx.example",
                    state=state,
                    target=target,
                    consulted="",
                    code=code,
                    reason=reason,
                )
            )

    def send_digits(
        self, id: str, digits: str, *, method: DigitMethod = "auto", duration_ms: int = 160, pause_ms: int = 80
    ) -> None:
        self._note("send_digits", self.call(id).id, digits, method, duration_ms, pause_ms)

    async def wait(self, id: str, *, for_: WaitFor, timeout_s: float) -> CallView:
        states = ("ended",) if for_ == "ended" else ("active", "ended")
        self.call(id)
        async with asyncio.timeout(timeout_s):
            while self.call(id).state not in states:
                self.waiting.set()
                await self._changed.wait()
        return self.call(id)

    def start_collect(self, call_id: str, plan: CollectPlan) -> CollectView:
        """The far end types 12# at once, where two digits are enough; else nothing."""
        self._note("start_collect", self.call(call_id).id, plan)
        reason, digits = ("terminator", "12") if plan.max_digits > 1 else ("timeout_first", "")
        told = DigitsCollected(
            call=call_id, account="901@pbx.example", collect="g1", digits=digits, reason=reason, terminator="#"
        )
        asyncio.get_running_loop().call_soon(self.bus.publish, told)
        return CollectView(id="g1", call=call_id, running=True, digits="")

    async def collected(self, call_id: str, collect_id: str) -> CollectView:
        await asyncio.sleep(0.05)
        return CollectView(id=collect_id, call=self.call(call_id).id, running=False, digits="12", reason="max_digits")

    def collecting(self, call_id: str, collect_id: str) -> CollectView:
        return CollectView(id=collect_id, call=self.call(call_id).id, running=True, digits="1")

    def stop_collect(self, call_id: str, collect_id: str | None = None) -> CollectView:
        self._note("stop_collect", self.call(call_id).id, collect_id)
        return CollectView(id="g1", call=call_id, running=False, digits="1", reason="stopped")

    def forget_typed(self, call_id: str) -> None:
        self._note("forget_typed", self.call(call_id).id)

    # ---- sound

    async def play(self, id: str, file: str, *, loop: bool = False) -> str:
        self._note("play", self.call(id).id, file, loop)
        return "p1"

    def stop_play(self, id: str, play_id: str | None = None) -> None:
        self._note("stop_play", self.call(id).id, play_id)

    async def record(
        self,
        id: str,
        file: str,
        *,
        mode: RecordMode = "mono",
        overwrite: bool = False,
        max_duration_s: float | None = None,
    ) -> str:
        self._note("record", self.call(id).id, file, mode, overwrite, max_duration_s)
        self.change_call(id, records=[RecordView(id="r1", file=file)])
        return "r1"

    async def stop_record(self, id: str, record_id: str | None = None) -> list[RecordEndView]:
        self._note("stop_record", self.call(id).id, record_id)
        return [
            RecordEndView(record=r.id, file=r.file, reason="stopped", duration_s=1.0) for r in self.call(id).records
        ]

    async def set_audio(self, id: str, route: AudioRoute) -> None:
        self._note("set_audio", self.call(id).id, route)
        self.change_call(id, audio=route)

    def set_gain(self, id: str, *, input_db: float | None = None, output_db: float | None = None) -> CallView:
        self._note("set_gain", self.call(id).id, input_db, output_db)
        return self.call(id)

    def start_meter(self, id: str, *, interval_ms: int | None = None) -> CallView:
        self._note("start_meter", self.call(id).id, interval_ms)
        return self.call(id)

    def stop_meter(self, id: str) -> None:
        self._note("stop_meter", self.call(id).id)

    def quality(self, id: str) -> dict[str, Any] | None:
        return self.call(id).quality

    # ---- handsets

    def handsets(self) -> list[HandsetView]:
        return list(self._handsets.values())

    def handset(self, handset_id: str) -> HandsetView:
        if handset_id not in self._handsets:
            raise NotFound(f"there is no handset {handset_id!r}")
        return self._handsets[handset_id]

    async def open_handset(self, offer_sdp: str, *, name: str = "") -> tuple[HandsetView, str]:
        self._note("open_handset", offer_sdp, name)
        figures = {"rtt_ms": 20.0, "voice": {"rx_packets": 99, "rx_lost": 1, "delay_ms": 31.0, "drift_ppm": -12.0}}
        view = HandsetView(
            id=f"h{len(self._handsets) + 1}", name=name, state="connecting", codec="opus/48000", figures=figures
        )
        self._handsets[view.id] = view
        return view, "v=0\r\n"

    async def attach_handset(
        self, handset_id: str, call_id: str, mode: HandsetMode = "talk", *, take_over: bool = False
    ) -> HandsetView:
        self._note("attach_handset", handset_id, self.call(call_id).id, mode, take_over)
        self._handsets[handset_id] = replace(self.handset(handset_id), calls={call_id: mode})
        return self._handsets[handset_id]

    def detach_handset(self, handset_id: str, call_id: str | None = None) -> HandsetView:
        self._note("detach_handset", handset_id, call_id)
        self._handsets[handset_id] = replace(self.handset(handset_id), calls={})
        return self._handsets[handset_id]

    def send_handset_digits(self, handset_id: str, digits: str, *, duration_ms: int = 160) -> None:
        self._note("send_handset_digits", self.handset(handset_id).id, digits, duration_ms)

    async def close_handset(self, handset_id: str) -> None:
        self._note("close_handset", self.handset(handset_id).id)
        del self._handsets[handset_id]

    # ---- conferences

    def conferences(self) -> list[ConferenceView]:
        return list(self._conferences.values())

    def conference(self, id: str) -> ConferenceView:
        if id not in self._conferences:
            raise NotFound(f"there is no conference {id!r}")
        return self._conferences[id]

    def start_conference(self, calls: Sequence[str], *, local: bool = True) -> ConferenceView:
        self._note("start_conference", list(calls), local)
        view = ConferenceView(id=f"f{len(self._conferences) + 1}", calls=[self.call(c).id for c in calls], local=local)
        self._conferences[view.id] = view
        return view

    def add_to_conference(self, id: str, call: str) -> ConferenceView:
        self._note("add_to_conference", id, call)
        view = self.conference(id)
        self._conferences[id] = replace(view, calls=[*view.calls, self.call(call).id])
        return self._conferences[id]

    def remove_from_conference(self, id: str, call: str) -> None:
        self._note("remove_from_conference", self.conference(id).id, call)

    def set_conference_local(self, id: str, local: bool) -> ConferenceView:
        self._note("set_conference_local", id, local)
        self._conferences[id] = replace(self.conference(id), local=local)
        return self._conferences[id]

    def end_conference(self, id: str) -> None:
        self._note("end_conference", self.conference(id).id)
        del self._conferences[id]


def ended_event(call: str = "c1") -> CallEnded:
    """A call that the far end hung up."""
    return CallEnded(
        call=call,
        account="901@pbx.example",
        reason="hangup",
        by="remote",
        code=200,
        sip_reason="OK",
        phase="active",
        cause="the far end hung up",
        duration_s=1.0,
        quality={"mos": 4.3},
    )


def as_agent(fake: FakeAgent) -> AgentApi:
    """Proves to the type checker that the fake is an agent."""
    return fake


def _if_any(headers: dict[str, str] | None) -> list[dict[str, str]]:
    return [headers] if headers else []
