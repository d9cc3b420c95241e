"""Digits, sent, heard and collected."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from softphone.events.base import CallEvent


@dataclass(frozen=True, slots=True, kw_only=True)
class CallDigit(CallEvent):
    """The far end pressed a key, and let go. `method`: rfc4733, info or inband; `duration_ms` None: nobody tells."""

    type: ClassVar[str] = "call.digit"
    digit: str
    method: str
    duration_ms: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CallDigitsSent(CallEvent):
    """All digits of one request have gone out."""

    type: ClassVar[str] = "call.digits_sent"
    digits: str
    method: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CallDigitsFailed(CallEvent):
    """`digits` could not be sent (`sent` of them were, before)."""

    type: ClassVar[str] = "call.digits_failed"
    digits: str
    sent: int
    cause: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DigitsCollecting(CallEvent):
    """Digits that the far end types are being put together."""

    type: ClassVar[str] = "digits.collecting"
    collect: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DigitsCollected(CallEvent):
    """`reason`: terminator, max_digits, timeout_first, timeout_inter, timeout_total, stopped or call_ended."""

    type: ClassVar[str] = "digits.collected"
    collect: str
    digits: str
    reason: str
    terminator: str
