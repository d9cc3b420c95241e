"""The process, its network, and the PBX's API."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from softphone.events.base import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentStarted(Event):
    """The phone is up: it takes requests, accounts are being registered."""

    type: ClassVar[str] = "agent.started"
    version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentStopping(Event):
    """No new calls any more; running ones may go on for `drain_s` seconds."""

    type: ClassVar[str] = "agent.stopping"
    drain_s: float
    calls: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigReloaded(Event):
    """The configuration was read again; `restart_needed` names the keys that only a restart applies."""

    type: ClassVar[str] = "agent.config_reloaded"
    restart_needed: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigRejected(Event):
    """The configuration was read again and is wrong; the old one stays in force."""

    type: ClassVar[str] = "agent.config_rejected"
    cause: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceSwitched(Event):
    """SIP messages are kept from now on, or no longer: all of them (`on`), or those of `accounts`."""

    type: ClassVar[str] = "trace.switched"
    on: bool
    accounts: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceCollectorFailed(Event):
    """A warning: the HEP collector cannot be reached. What it misses is counted, not kept; said once per outage."""

    type: ClassVar[str] = "trace.collector_failed"
    cause: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceCollectorBack(Event):
    """The HEP collector can be reached again; `dropped` messages never came to it, counted from the start."""

    type: ClassVar[str] = "trace.collector_back"
    dropped: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceLost(Event):
    """So many SIP messages are missing in the trace: too many came at once."""

    type: ClassVar[str] = "trace.lost"
    messages: int


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkChanged(Event):
    """This machine's addresses (`before`, `after`) or its default routes have changed.

    `out` are its addresses along the default routes. Accounts that this concerns register anew, and their calls follow.
    """

    type: ClassVar[str] = "network.changed"
    before: list[str]
    after: list[str]
    out: list[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderFetched(Event):
    """The extension list was read; `problems` names what was passed over and why."""

    type: ClassVar[str] = "provider.fetched"
    extensions: int
    problems: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderFailed(Event):
    """The extension list could not be read; what was known before stays in force."""

    type: ClassVar[str] = "provider.failed"
    cause: str
    status: int | None
    retry_in_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class NatServerOk(Event):
    """A STUN or TURN server answers. `seen`: our address as it sees it (stun), or the relay's that it gave (turn)."""

    type: ClassVar[str] = "nat.server_ok"
    kind: str  # "stun" or "turn"
    server: str  # host:port as configured
    seen: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NatServerFailed(Event):
    """A STUN or TURN server does not help: calls go on without it until it answers."""

    type: ClassVar[str] = "nat.server_failed"
    kind: str
    server: str
    cause: str
    advice: str
