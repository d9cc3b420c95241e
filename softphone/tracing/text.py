"""A trace as text: each message as it is, below a line that says when and between whom it travelled."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

from softphone.tracing.message import SipMessage, shown


def text(messages: Iterable[tuple[SipMessage, str]]) -> str:
    """Of messages with their tags."""
    return "".join(one(message, tag) for message, tag in messages)


def one(message: SipMessage, tag: str = "") -> str:
    """One message, with a blank line after it."""
    way = f"sent to {message.remote}" if message.sent else f"received from {message.remote}"
    ours = f"by {message.local}" if message.sent else f"at {message.local}"
    head = f"---- {iso(message.time_us)} {way} {ours}, {message.transport}{f', {tag}' if tag else ''}"
    return f"{head}\n{shown(message.data).replace(chr(13), '').rstrip()}\n\n"


def iso(time_us: int) -> str:
    """ISO 8601 in UTC, to the microsecond."""
    seconds, micros = divmod(time_us, 1_000_000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{micros:06d}Z"
