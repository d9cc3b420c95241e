"""What the control API asks of the phone. `softphone.agent.Agent` is the one in the product."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, Protocol

from softphone.bus import Bus
from softphone.engine.collecting import CollectPlan
from softphone.engine.views import (
    AccountView,
    AgentStatus,
    AudioRoute,
    CallView,
    CollectView,
    ConferenceView,
    DeviceTestView,
    DeviceView,
    ExpectedView,
    HandsetMode,
    HandsetView,
    ProviderStatus,
    RecordEndView,
)
from softphone.engine.views_pbx import ClickView
from softphone.timeline.query import Query
from softphone.timeline.views import TimelinePage, TimelineView
from softphone.tracing.tracer import Tracer

DigitMethod = Literal["auto", "rfc4733", "info", "inband"]
RecordMode = Literal["mono", "stereo"]
WaitFor = Literal["answered", "ended"]


class AgentApi(Protocol):
    """Runs on the event loop's thread. Errors are those of `softphone.errors`; an unknown id is NotFound."""

    @property
    def bus(self) -> Bus: ...

    @property
    def tracing(self) -> Tracer: ...

    def status(self) -> AgentStatus: ...

    def accounts(self) -> Sequence[AccountView]: ...

    def account(self, id: str) -> AccountView:
        """`id`: `username@domain`, or a username that only one account has (Conflict otherwise)."""

    def register(self, id: str) -> None: ...

    def unregister(self, id: str) -> None: ...

    def set_dnd(self, id: str, on: bool) -> None: ...

    async def refresh_provider(self) -> ProviderStatus: ...

    def calls(self) -> Sequence[CallView]:
        """Running calls."""

    def call(self, id: str) -> CallView:
        """Ended calls are kept for some minutes."""

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
    ) -> CallView: ...

    def expect_call(
        self, name: str, *, caller: str = "*", within_s: float = 30.0, after_s: float = 0.0, asked_only: bool = False
    ) -> ExpectedView: ...

    def expected_calls(self) -> Sequence[ExpectedView]: ...

    def forget_expected(self, expect_id: str) -> None: ...

    def answer(self, id: str, *, headers: Mapping[str, str] | None = None) -> None: ...

    def reject(
        self, id: str, code: int = 486, reason: str = "", *, headers: Mapping[str, str] | None = None
    ) -> None: ...

    def redirect(self, id: str, target: str) -> None: ...

    def hang_up(self, id: str, *, headers: Mapping[str, str] | None = None) -> None: ...

    def hold(self, id: str, *, headers: Mapping[str, str] | None = None) -> None: ...

    def resume(self, id: str, *, headers: Mapping[str, str] | None = None) -> None: ...

    def mute(self, id: str) -> None: ...

    def unmute(self, id: str) -> None: ...

    def transfer(self, id: str, target: str, *, headers: dict[str, str] | None = None) -> None: ...

    def transfer_to(self, id: str, other: str, *, headers: dict[str, str] | None = None) -> None: ...

    def send_digits(
        self, id: str, digits: str, *, method: DigitMethod = "auto", duration_ms: int = 160, pause_ms: int = 80
    ) -> None: ...

    def start_collect(self, call_id: str, plan: CollectPlan) -> CollectView: ...

    async def collected(self, call_id: str, collect_id: str) -> CollectView:
        """Returns when it is over."""

    def collecting(self, call_id: str, collect_id: str) -> CollectView: ...

    def stop_collect(self, call_id: str, collect_id: str | None = None) -> CollectView: ...

    def forget_typed(self, call_id: str) -> None: ...

    async def play(self, id: str, file: str, *, loop: bool = False) -> str:
        """Returns the play's id."""

    def stop_play(self, id: str, play_id: str | None = None) -> None:
        """Without `play_id`: all of them."""

    async def record(
        self,
        id: str,
        file: str,
        *,
        mode: RecordMode = "mono",
        overwrite: bool = False,
        max_duration_s: float | None = None,
    ) -> str:
        """Returns the recording's id."""

    async def stop_record(self, id: str, record_id: str | None = None) -> Sequence[RecordEndView]:
        """Without `record_id`: all of them. The files are complete when it returns."""

    async def set_audio(self, id: str, route: AudioRoute) -> None: ...

    def set_gain(self, id: str, *, input_db: float | None = None, output_db: float | None = None) -> CallView: ...

    def start_meter(self, id: str, *, interval_ms: int | None = None) -> CallView: ...

    def stop_meter(self, id: str) -> None: ...

    def quality(self, id: str) -> dict[str, Any] | None: ...

    async def wait(self, id: str, *, for_: WaitFor, timeout_s: float) -> CallView:
        """The call once it is answered (or over), or has ended; after `timeout_s` as it stands, or TimeoutError."""

    def conferences(self) -> Sequence[ConferenceView]: ...

    def conference(self, id: str) -> ConferenceView: ...

    def start_conference(self, calls: Sequence[str], *, local: bool = True) -> ConferenceView: ...

    def add_to_conference(self, id: str, call: str) -> ConferenceView: ...

    def remove_from_conference(self, id: str, call: str) -> None: ...

    def set_conference_local(self, id: str, local: bool) -> ConferenceView: ...

    def end_conference(self, id: str) -> None: ...

    def handsets(self) -> Sequence[HandsetView]: ...

    def handset(self, handset_id: str) -> HandsetView: ...

    async def open_handset(self, offer_sdp: str, *, name: str = "") -> tuple[HandsetView, str]:
        """The handset, and the answer's SDP."""

    async def attach_handset(
        self, handset_id: str, call_id: str, mode: HandsetMode = "talk", *, take_over: bool = False
    ) -> HandsetView: ...

    def detach_handset(self, handset_id: str, call_id: str | None = None) -> HandsetView: ...

    def send_handset_digits(self, handset_id: str, digits: str, *, duration_ms: int = 160) -> None: ...

    async def close_handset(self, handset_id: str) -> None: ...

    def devices(self) -> Sequence[DeviceView]: ...

    async def click_to_call(
        self,
        destination: str,
        *,
        account: str | None = None,
        answer: bool = True,
        caller: str = "",
        asked_only: bool = False,
        within_s: float = 30.0,
        src_cid_number: str = "",
        ignore_early: bool | str | None = None,
    ) -> ClickView: ...

    async def timelines(self, query: Query | None = None) -> TimelinePage: ...

    async def timeline(self, name: str) -> TimelineView:
        """`name`: of the timeline, the call, the SIP dialog, or the PBX's call."""

    async def test_device(self, name: str, *, listen_s: float = 2.0) -> DeviceTestView: ...
