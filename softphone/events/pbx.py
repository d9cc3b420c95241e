"""What the PBX itself tells: of calls as they go (live events), of calls that are over (CDRs), of calls we asked for.

`extension` is the user part of the presence id, empty where the PBX names none; `account` is ours of that name, empty
where there is none. `call_uuid` is the PBX's name for the call. `direction`: inbound or outbound as the PBX says.
`created_s` and `answered_s` are Unix time by the PBX's clock, None where it told none.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

from softphone.events.base import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class PbxCallEvent(Event):
    """Base of what the PBX says of a call. `state`: ringing, active, held or finished, or what else it sent."""

    call_uuid: str
    state: str
    direction: str
    number: str
    extension: str
    account: str
    created_s: float | None = None
    answered_s: float | None = None
    duration_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PbxCall(PbxCallEvent):
    """A live event: the PBX's WebSocket told the state of a call."""

    type: ClassVar[str] = "pbx.call"


@dataclass(frozen=True, slots=True, kw_only=True)
class PbxWebhookCall(PbxCallEvent):
    """A webhook told the state of a call. `delivery` is its number in the journal; the same number is the same news.

    `replayed`: the phone was stopped before it knew that this was dealt with, so it is told once more.
    `extra`: what else the webhook carried, by the PBX's own variables.
    """

    type: ClassVar[str] = "pbx.webhook_call"
    delivery: int
    received_s: float
    replayed: bool = False
    extra: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class PbxCdr(PbxCallEvent):
    """A webhook brought the call detail record of a call that is over. `delivery`, `replayed`, `extra` as above."""

    type: ClassVar[str] = "pbx.cdr"
    delivery: int
    received_s: float
    replayed: bool = False
    extra: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class PbxLiveConnected(Event):
    """Live events come from now on, of these extensions. `gap_s`: for so long before they did not; 0 the first time."""

    type: ClassVar[str] = "pbx.live_connected"
    extensions: list[str]
    gap_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PbxLiveLost(Event):
    """A warning: no live events come any more. What the PBX thinks of running calls is unknown until they do again."""

    type: ClassVar[str] = "pbx.live_lost"
    extensions: list[str]
    cause: str
    retry_in_s: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PbxWebhookUnreadable(Event):
    """A warning: a webhook makes no sense, or its secret is wrong. `cause` names the place, never the content.

    Told at most once in ten seconds; the status counts all of them.
    """

    type: ClassVar[str] = "pbx.webhook_unreadable"
    cause: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PbxWebhookDropped(Event):
    """A warning: so many webhooks were lost (`dropped`, counted from the start), for the journal is full or broken."""

    type: ClassVar[str] = "pbx.webhook_dropped"
    dropped: int
    cause: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PbxClickToCall(Event):
    """The PBX took our order to ring `account` and to connect it with `destination`.

    The PBX records every such call (`recorded`): whoever talks must know. `expect` is the announcement by which the
    phone answers, empty where somebody answers by hand.
    """

    type: ClassVar[str] = "pbx.click_to_call"
    account: str
    destination: str
    call_uuid: str
    expect: str
    recorded: bool
    recording: str
