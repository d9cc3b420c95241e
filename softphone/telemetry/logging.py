"""The daemon's log: structlog over the standard library's loggers, one line an event, no secret in any of them.

Everybody logs through `logging.getLogger(__name__)` or structlog; `configure` decides, once for the process, how lines
look and where they go. For people:

    2026-11-23T15:32:49.123Z info    call.answered  call=c1 account=901@pbx.example by=remote

or with `format="json"` one object a line: time, level, logger, event, then the fields. Under systemd, where standard
error is the journal, console lines go without time and with the priority prefix that journald reads (sd-daemon(3)).
"""

from __future__ import annotations

import logging
import os
import sys
import threading
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Literal, Self, TextIO

import structlog

from softphone.telemetry.background import BackgroundHandler
from softphone.telemetry.event_log import log_events
from softphone.telemetry.lines import Look, formatter
from softphone.telemetry.redact import Redactor

__all__ = ["Logging", "configure", "goes_to_journal", "log_events"]

Level = Literal["debug", "info", "warning", "error"]
Format = Literal["console", "json"]

# Libraries that tell at `info` what our own events tell better
QUIET = ("asyncio", "httpcore", "httpx", "stamina", "urllib3", "uvicorn", "websockets")


class Logging:
    """The log as `configure` set it up. Close it, or use it as a context, to write what is waiting and undo it all."""

    def __init__(self, handler: BackgroundHandler, redactor: Redactor, undo: Callable[[], None]) -> None:
        self._handler, self._undo = handler, undo
        self.redact = redactor
        """Secrets in use: `redact.add(secret)` masks it in every line from then on."""

    def set_level(self, level: Level) -> None:
        """What is less severe is not written."""
        logging.getLogger().setLevel(level.upper())

    def flush(self) -> None:
        """Waits until everything logged so far is written."""
        self._handler.flush()

    def close(self) -> None:
        self._undo()
        self._handler.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def configure(
    level: Level = "info",
    format: Format = "console",
    *,
    stream: TextIO | None = None,
    redactor: Redactor | None = None,
    environ: Mapping[str, str] = os.environ,
) -> Logging:
    """Sends all logging of this process to `stream` (standard error), until the result is closed.

    Also takes over what would write to standard error by itself: warnings and exceptions that nobody caught.
    """
    stream = sys.stderr if stream is None else stream
    redactor = redactor or Redactor()
    handler = BackgroundHandler(stream)
    handler.setFormatter(formatter(_look(format, stream, environ), redactor))
    undo = _take_over(handler)
    result = Logging(handler, redactor, undo)
    result.set_level(level)
    return result


def _take_over(handler: logging.Handler) -> Callable[[], None]:
    """Makes `handler` the only one; returns what puts everything back."""
    root = logging.getLogger()
    before = root.level, list(root.handlers), sys.excepthook, threading.excepthook
    levels = {name: logging.getLogger(name).level for name in QUIET}
    root.handlers[:] = [handler]
    for name in QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.captureWarnings(True)
    sys.excepthook = _log_uncaught
    threading.excepthook = _log_thread_failure
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.stdlib.PositionalArgumentsFormatter(),
            structlog.processors.StackInfoRenderer(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )

    def undo() -> None:
        root.setLevel(before[0])
        root.handlers[:] = before[1]
        sys.excepthook, threading.excepthook = before[2:]
        for name, old in levels.items():
            logging.getLogger(name).setLevel(old)
        logging.captureWarnings(False)
        structlog.reset_defaults()

    return undo


def _log_uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, trace)
        return
    logging.getLogger("softphone").critical("the process ends by an error", exc_info=(kind, error, trace))


def _log_thread_failure(args: threading.ExceptHookArgs) -> None:
    name = args.thread.name if args.thread else "a thread"
    error = args.exc_value or args.exc_type()
    logging.getLogger("softphone").error("%s failed", name, exc_info=(args.exc_type, error, args.exc_traceback))


def _look(format: Format, stream: TextIO, environ: Mapping[str, str]) -> Look:
    if format == "json":
        return Look.JSON
    if goes_to_journal(stream, environ):
        return Look.JOURNAL
    plain = not stream.isatty() or environ.get("NO_COLOR") or environ.get("TERM") == "dumb"
    return Look.CONSOLE if plain else Look.COLOUR


def goes_to_journal(stream: TextIO, environ: Mapping[str, str]) -> bool:
    """Whether `stream` is what systemd connected to the journal (systemd.exec(5), $JOURNAL_STREAM)."""
    try:
        status = os.fstat(stream.fileno())
    except (OSError, ValueError):
        return False
    return environ.get("JOURNAL_STREAM") == f"{status.st_dev}:{status.st_ino}"
