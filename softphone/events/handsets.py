"""Handsets: a browser as microphone and ear."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from softphone.events.base import Event


@dataclass(frozen=True, slots=True, kw_only=True)
class HandsetEvent(Event):
    """Base of what happens to a handset."""

    handset: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HandsetOpened(HandsetEvent):
    """Its offer was answered; sound flows after `handset.connected`."""

    type: ClassVar[str] = "handset.opened"
    name: str
    codec: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HandsetConnected(HandsetEvent):
    """The connection is up and encrypted: sound flows. Candidate types are those of ICE."""

    type: ClassVar[str] = "handset.connected"
    remote: str
    local_candidate: str
    remote_candidate: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HandsetAttached(HandsetEvent):
    """It is connected to a call now, as `mode` says: listen, talk or whisper."""

    type: ClassVar[str] = "handset.attached"
    call: str
    mode: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HandsetDetached(HandsetEvent):
    """It is no longer connected to the call. `reason`: asked, call_ended or closed."""

    type: ClassVar[str] = "handset.detached"
    call: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HandsetDigit(HandsetEvent):
    """A key was pressed on it. `calls`: those that it talks in, which get the digit."""

    type: ClassVar[str] = "handset.digit"
    digit: str
    duration_ms: int
    calls: list[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class HandsetClosed(HandsetEvent):
    """It is gone. `reason`: closed (asked for), remote, lost or failed; `figures`: the last ones of its sound."""

    type: ClassVar[str] = "handset.closed"
    reason: str
    cause: str
    figures: dict[str, Any] | None = None
