"""How one log line looks: for people, for the journal, or as JSON."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from enum import Enum, auto
from typing import Any

import structlog
from structlog.types import EventDict, WrappedLogger

from softphone.telemetry.redact import Redactor, mask_fields

Fields = Mapping[str, Any]

_PRIORITY = {"critical": 2, "error": 3, "warning": 4, "info": 6, "debug": 7}
_COLOURS = {"critical": "1;31", "error": "31", "warning": "33", "info": "32", "debug": "2"}
_HEAD = ("time", "level", "logger", "event")
_TRACES = ("exception", "stack")

# What a stranger could put into a name or a reason phrase to forge a line or to command a terminal
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_CONTROL_IN_TRACE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_BARE = re.compile(r"[^\s\"'=\x00-\x1f\x7f-\x9f\u2028\u2029]+")


class Look(Enum):
    CONSOLE = auto()
    """2026-11-23T15:32:49.123Z info    call.answered  call=c1 account=901@pbx.example"""
    COLOUR = auto()
    """The same with colours."""
    JOURNAL = auto()
    """<6>call.answered  call=c1 account=901@pbx.example; the journal keeps time and priority itself (sd-daemon(3))."""
    JSON = auto()
    """{"time": "…", "level": "info", "logger": "softphone.events", "event": "call.answered", "call": "c1", …}"""


def formatter(look: Look, redactor: Redactor) -> logging.Formatter:
    """Turns records of the standard library's loggers and of structlog's into lines of this look, without secrets."""
    shapes: dict[Look, Callable[[Fields], str]] = {
        Look.CONSOLE: _console,
        Look.COLOUR: _coloured,
        Look.JOURNAL: _journal,
        Look.JSON: _json,
    }

    def render(logger: WrappedLogger, method: str, fields: EventDict) -> str:
        return redactor.mask(shapes[look](mask_fields(fields)))

    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[structlog.stdlib.ExtraAdder()],
        processors=[structlog.processors.format_exc_info, _in_order, render],
    )


def _in_order(logger: WrappedLogger, method: str, fields: EventDict) -> EventDict:
    """The head of a line first, then its fields as they came."""
    record: logging.LogRecord = fields["_record"]
    when = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    head = {"time": when, "level": record.levelname.lower(), "logger": record.name, "event": fields.get("event", "")}
    return head | {key: value for key, value in fields.items() if key[0] != "_" and key != "event"}


def _console(fields: Fields) -> str:
    return f"{fields['time']} {fields['level']:<7} {_text(fields)}{_trace(fields)}"


def _coloured(fields: Fields) -> str:
    level = f"\x1b[{_COLOURS.get(fields['level'], '0')}m{fields['level']:<7}\x1b[0m"
    return f"\x1b[2m{fields['time']}\x1b[0m {level} {_text(fields)}{_trace(fields)}"


def _journal(fields: Fields) -> str:
    """journald takes each line for an entry, so each gets the priority."""
    prefix = f"<{_PRIORITY.get(fields['level'], 6)}>"
    return prefix + f"{_text(fields)}{_trace(fields)}".replace("\n", "\n" + prefix)


def _json(fields: Fields) -> str:
    return json.dumps(fields, ensure_ascii=False, default=str)


def _text(fields: Fields) -> str:
    """`call.answered  call=c1`; other loggers' names stand before what they say. Empty fields are left out."""
    name = str(fields["logger"]).removeprefix("softphone.")
    who = "" if name == "events" else f"{name}: "
    pairs = [f"{key}={_value(value)}" for key, value in fields.items() if key not in _HEAD + _TRACES]
    shown = " ".join(pair for pair in pairs if not pair.endswith("="))
    return _CONTROL.sub(_escape, f"{who}{fields['event']}{'  ' if shown else ''}{shown}")


def _value(value: Any) -> str:
    match value:
        case None | "":
            return ""
        case list() | dict() if not value:
            return ""
        case bool():
            return "yes" if value else "no"
        case float():
            return f"{value:.3f}".rstrip("0").rstrip(".")
        case str() if _BARE.fullmatch(value):
            return value
    return json.dumps(value, ensure_ascii=False, default=str)


def _trace(fields: Fields) -> str:
    traces = [str(fields[key]) for key in _TRACES if fields.get(key)]
    return "".join("\n" + _CONTROL_IN_TRACE.sub(_escape, trace) for trace in traces)


def _escape(found: re.Match[str]) -> str:
    return ascii(found[0])[1:-1]
