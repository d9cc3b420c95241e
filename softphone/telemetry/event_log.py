"""Every event of the bus as one line of the log."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable
from typing import Any

import structlog

from softphone.bus import Bus, Record

WARNINGS = frozenset(
    {
        "account.connection_lost",
        "account.failed",
        "agent.config_rejected",
        "audio.device_lost",
        "audio.failed",
        "call.digits_failed",
        "call.media_silent",
        "call.quality",
        "call.unencrypted",
        "provider.failed",
        "trace.collector_failed",
        "trace.lost",
        "ringer.failed",
    }
)
DEBUG = frozenset({"account.registering", "audio.level", "audio.talk"})

# A caller's PIN or card number; programs that need digits get them as events
_HIDDEN = frozenset({"digit", "digits"})
# Long, and written by strangers
_LEFT_OUT = frozenset({"headers"})


def log_events(bus: Bus) -> Callable[[], None]:
    """Logs each event from now on; returns what ends it. Digits are not shown: people dial secrets."""
    logger = structlog.stdlib.get_logger("softphone.events")

    def write(record: Record) -> None:
        logger.log(_level(record.event.type), record.event.type, **_fields(record))

    return bus.listen(write)


def _level(event_type: str) -> int:
    if event_type in WARNINGS:
        return logging.WARNING
    return logging.DEBUG if event_type in DEBUG else logging.INFO


def _fields(record: Record) -> dict[str, Any]:
    names = [field.name for field in dataclasses.fields(record.event) if field.name not in _LEFT_OUT]
    return {name: "hidden" if name in _HIDDEN else getattr(record.event, name) for name in names}
