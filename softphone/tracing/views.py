"""What the control API shows of a trace."""

from __future__ import annotations

from dataclasses import dataclass, field

from softphone.tracing.message import clean, parts, shown
from softphone.tracing.store import Entry
from softphone.tracing.text import iso


@dataclass(frozen=True, slots=True, kw_only=True)
class CollectorView:
    """The HEP collector."""

    place: str
    """Host and port."""
    transport: str
    """udp or tcp."""
    sent: int
    """Messages sent."""
    dropped: int
    """Messages that could not be sent."""
    cause: str = ""
    """What is wrong with it now; empty if nothing is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceStatus:
    """Whether SIP messages are traced, and what is kept of them."""

    on: bool
    """Whether every message is kept."""
    accounts: list[str] = field(default_factory=list)
    """Accounts whose messages are kept although not everything is."""
    calls: list[str] = field(default_factory=list)
    """Calls whose messages are kept although not everything is."""
    messages: int = 0
    """How many are kept now."""
    bytes: int = 0
    """The memory they take, about."""
    last: int = 0
    """The number of the last message so far: `after` for those that come later."""
    forgotten: int = 0
    """Messages that went because there was no more room for them."""
    lost: int = 0
    """Messages that were never read, because too many came at once."""
    collector: CollectorView | None = None
    """The HEP collector, null where none is configured."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageView:
    """A SIP message as it travelled, before encryption or after decryption. Secrets are masked with `*`."""

    seq: int
    """Counts all messages since the start."""
    time: str
    """ISO 8601, UTC, microseconds."""
    direction: str
    """sent or received."""
    transport: str
    """udp, tcp or tls."""
    local: str
    """Our address and port."""
    remote: str
    """The other side's address and port."""
    call: str
    """The call's id; empty outside a call."""
    account: str
    """The account's id; empty where it is not known."""
    sip_call_id: str
    """The Call-ID header."""
    first_line: str
    """The request or status line."""
    text: str
    """The whole message; lines end with CR LF."""

    @classmethod
    def of(cls, entry: Entry) -> MessageView:
        message = entry.message
        return cls(
            seq=entry.seq,
            time=iso(message.time_us),
            direction="sent" if message.sent else "received",
            transport=message.transport,
            local=str(message.local),
            remote=str(message.remote),
            call=entry.dialog.call,
            account=entry.dialog.account,
            sip_call_id=entry.dialog.sip_call_id,
            first_line=clean(parts(message.data).start),
            text=shown(message.data),
        )
