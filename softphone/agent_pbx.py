"""The agent's part for the PBX itself: click-to-call, and the timelines of calls."""

from __future__ import annotations

import secrets
from abc import ABC
from typing import TYPE_CHECKING, Any

from softphone import events
from softphone.bus import Bus
from softphone.config.model import Config
from softphone.config.provider import Provider
from softphone.config.resolved import ResolvedAccount
from softphone.engine.accounts import Accounts
from softphone.engine.expected import ExpectedCalls
from softphone.engine.views_pbx import ClickView
from softphone.errors import Conflict, NotFound
from softphone.pbx_side import PbxSide
from softphone.timeline.query import Query, StoreFailed
from softphone.timeline.views import TimelinePage, TimelineView

if TYPE_CHECKING:
    from softphone.kavkom.started import StartedCall

TOKEN_DIGITS = 10
"""Of the number by which a click-to-call is known again."""


class PbxCommands(ABC):
    """Part of `Agent`. An account is named by its id or unique username."""

    bus: Bus
    config: Config
    _accounts: Accounts
    _expected: ExpectedCalls
    _pbx: PbxSide

    @property
    def pbx(self) -> PbxSide:
        """Live events, webhooks and timelines: how they fare."""
        return self._pbx

    def credentials(self, name: str) -> ResolvedAccount:
        """An account with its password, for whoever must hand it on. Raises NotFound, Conflict."""
        return self._accounts.get(name).settings

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
    ) -> ClickView:
        """Has the PBX ring one of our extensions and, when that is answered, call `destination` and connect the two.

        answer: the phone answers by itself, whoever is there; the PBX records the call. The call is known by the number
        that the PBX shows as its caller: `src_cid_number`, or a random one that nobody else can know. Where a PBX shows
        something else, say what in `caller` (a pattern; `*` answers whoever calls within `within_s` seconds).
        asked_only: answer only if the call's headers ask for it as well.

        Returns when the PBX took the order; `expect.ended` tells that the call came. Raises Conflict, NotFound,
        UsageError, ProviderRefused, ProviderDown, OutcomeUnknown (it cannot be told; the phone will not answer then).
        """
        provider, owner = self._clickable(account)
        if answer and not (src_cid_number or caller):
            src_cid_number = f"{secrets.randbelow(10**TOKEN_DIGITS):0{TOKEN_DIGITS}}"
        expect = ""
        if answer:
            expect = self._expected.add(owner.id, caller or src_cid_number, within_s, 0.0, asked_only).id
        order = {"ignore_early": ignore_early, "src_cid_number": src_cid_number}
        try:
            started = await _order(provider, owner.username, destination, auto_answer=answer or None, **order)
        except BaseException:
            self._take_back(expect)
            raise
        return self._ordered(started, owner.id, destination, expect)

    def _clickable(self, name: str | None) -> tuple[Provider, ResolvedAccount]:
        if self.config.provider is None:
            raise Conflict("click-to-call is the PBX's doing, and no `provider:` is configured")
        owner = self._accounts.get(name) if name else self._accounts.default()
        if owner.settings.origin != "provider":
            raise Conflict(f"account {owner.id} was not pulled from the PBX that would have to ring it")
        if not owner.usable:
            raise Conflict(f"account {owner.id} is not registered ({owner.state}), so the PBX cannot ring it")
        return self.config.provider, owner.settings

    def _ordered(self, started: StartedCall, account: str, destination: str, expect: str) -> ClickView:
        fields: dict[str, Any] = {
            "call_uuid": started.call_uuid,
            "account": account,
            "destination": destination,
            "expect": expect,
            "recorded": started.recorded,
            "recording": started.recording,
        }
        self.bus.publish(events.PbxClickToCall(**fields))
        return ClickView(**fields)

    def _take_back(self, expect: str) -> None:
        """No call was ordered, so none may be answered for it."""
        try:
            if expect:
                self._expected.cancel(expect)
        except NotFound:  # the call has come before the PBX's answer was lost
            return

    async def timelines(self, query: Query | None = None) -> TimelinePage:
        """The newest timelines that fit, without their entries. Raises Conflict where none are kept, UsageError."""
        try:
            found, following = await self._pbx.keeper.find(query or Query())
        except StoreFailed as error:
            raise Conflict(str(error)) from None
        return TimelinePage(timelines=found, next=following)

    async def timeline(self, name: str) -> TimelineView:
        """By its id, a call's id, a SIP Call-ID or the PBX's UUID; of several the newest. Raises NotFound, Conflict."""
        try:
            return await self._pbx.keeper.get(name)
        except StoreFailed as error:
            raise Conflict(str(error)) from None


async def _order(provider: Provider, extension: str, destination: str, **order: Any) -> StartedCall:
    from softphone.kavkom.pbx import PbxApi

    async with PbxApi.of(provider) as api:
        return await api.call(extension, destination, **order)
