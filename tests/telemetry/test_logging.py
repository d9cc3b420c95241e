"""What lines look like, where they come from, and what never gets into them."""

import io
import json
import logging
import os
import sys
import threading
import warnings

import pytest
import structlog

from softphone.bus import Bus
from softphone.config.secrets import Secret
from softphone.events import (
    AccountFailed,
    AccountRegistering,
    CallAnswered,
    CallDigit,
    CallIncoming,
    Event,
    event_types,
)
from softphone.telemetry.event_log import DEBUG, WARNINGS
from softphone.telemetry.logging import Format, Level, Logging, configure, goes_to_journal, log_events

SECRET = "s3cret-hunter2"


class Paper(io.StringIO):
    """A stream that says what kind of terminal it is."""

    def __init__(self, *, tty: bool = False) -> None:
        super().__init__()
        self._tty = tty

    def isatty(self) -> bool:
        return self._tty


class Log:
    """A log on paper: `with Log(...) as log: …; log.lines`."""

    def __init__(self, level: Level = "info", format: Format = "console", *, tty: bool = False, **environ: str) -> None:
        self._paper = Paper(tty=tty)
        self._begin = lambda: configure(level, format, stream=self._paper, environ=environ)
        self.lines: list[str] = []

    def __enter__(self) -> "Log":
        self.log: Logging = self._begin()
        return self

    def __exit__(self, *_: object) -> None:
        self.log.close()
        self.lines = self._paper.getvalue().splitlines()

    @property
    def text(self) -> str:
        return "\n".join(self.lines)


def said(line: str) -> str:
    """A console line without its time."""
    return line.split(" ", 1)[1]


def test_a_line_for_people() -> None:
    with Log() as log:
        logging.getLogger("softphone.engine.call").info("%s -> %s", "dialing", "ringing", extra={"call": "c1"})
    assert said(log.lines[0]) == "info    engine.call: dialing -> ringing  call=c1"
    time = log.lines[0].split(" ")[0]
    assert len(time) == len("2026-11-23T15:32:49.123Z")
    assert time.endswith("Z")


def test_a_line_for_programs() -> None:
    with Log(format="json") as log:
        structlog.get_logger("softphone.x").warning("it is late", call="c1", late_ms=3.25, codecs=["opus", "pcma"])
    line = json.loads(log.lines[0])
    assert list(line) == ["time", "level", "logger", "event", "call", "late_ms", "codecs"]
    assert line["level"] == "warning"
    assert line["logger"] == "softphone.x"
    assert line["codecs"] == ["opus", "pcma"]


def test_values_are_legible_and_unmistakable() -> None:
    with Log() as log:
        structlog.get_logger("softphone.events").info(
            "x", a="two words", b=1.50000001, c=True, d=None, e="", f={"k": [1]}, g='q"', h="é"
        )
    assert said(log.lines[0]) == 'info    x  a="two words" b=1.5 c=yes f={"k": [1]} g="q\\"" h=é'


def test_level_and_its_change_while_running() -> None:
    with Log("warning") as log:
        logging.getLogger("softphone").info("not this")
        log.log.set_level("debug")
        logging.getLogger("softphone").debug("but this")
        structlog.get_logger("softphone").debug("and %s", "this")
    assert [said(line) for line in log.lines] == ["debug   softphone: but this", "debug   softphone: and this"]


def test_chatty_libraries_are_heard_from_warning_on() -> None:
    with Log("debug") as log:
        for name in ("websockets.client", "httpx", "httpcore.http11", "asyncio"):
            logging.getLogger(name).info("hello")
            logging.getLogger(name).warning("careful")
    assert [line.split()[-1] for line in log.lines] == ["careful"] * 4


@pytest.mark.parametrize(
    ("tty", "environ", "coloured"),
    [(True, {}, True), (False, {}, False), (True, {"NO_COLOR": "1"}, False), (True, {"TERM": "dumb"}, False)],
)
def test_colours_only_on_a_terminal_that_wants_them(tty: bool, environ: dict[str, str], coloured: bool) -> None:
    with Log(tty=tty, **environ) as log:
        logging.getLogger("softphone").error("x")
    assert ("\x1b[31merror" in log.text) is coloured


def test_a_stranger_cannot_forge_a_line_nor_command_the_terminal() -> None:
    with Log() as log:
        logging.getLogger("softphone").info("refused: %s", "no\n2026 info forged\x1b[2J\u2028", extra={"who": "a\nb"})
    assert len(log.lines) == 1
    assert said(log.lines[0]) == r'info    softphone: refused: no\n2026 info forged\x1b[2J\u2028  who="a\nb"'


def test_a_traceback_keeps_its_lines() -> None:
    with Log() as log:
        try:
            raise ValueError("bad\x1b[2J")
        except ValueError:
            logging.getLogger("softphone").exception("it failed")
            structlog.get_logger("softphone").exception("again", call="c1")
    assert log.text.count("Traceback (most recent call last):") == 2
    assert log.lines[-1] == r"ValueError: bad\x1b[2J"


def test_no_secret_in_any_line() -> None:
    with Log(format="json") as log:
        log.log.redact.add(Secret(SECRET))
        logger = logging.getLogger("softphone")
        logger.info("token is %s", SECRET)
        logger.info(
            "%s", {"password": "another-one"}, extra={"authorization": "another-one", "s": Secret("another-one")}
        )
        logger.info("> GET / HTTP/1.1\r\nX-API-TOKEN: another-one\r\nHost: pbx.example")
        try:
            raise RuntimeError(f"the answer was {SECRET}")
        except RuntimeError:
            logger.exception("oops")
    assert SECRET not in log.text
    assert "another-one" not in log.text
    assert "Host: pbx.example" in log.text


class Spoilt:
    def __repr__(self) -> str:
        raise RuntimeError("no repr")


def test_arguments_that_do_not_fit_are_told_of_and_harm_nobody() -> None:
    with Log() as log:
        logging.getLogger("softphone").info("%d calls", "many")
        logging.getLogger("softphone").info("%r", Spoilt())
        logging.getLogger("softphone").info("next")
    assert all("a log line could not be written" in line for line in log.lines[:2])
    assert "'%d calls'" in log.lines[0]
    assert said(log.lines[2]) == "info    softphone: next"


def test_what_nobody_caught_is_logged() -> None:
    with Log() as log:
        thread = threading.Thread(target=lambda: 1 / 0, name="worker")
        thread.start()
        thread.join()
        error = RuntimeError("unexpected")
        sys.excepthook(RuntimeError, error, None)
        with warnings.catch_warnings():
            warnings.simplefilter("default")
            warnings.warn("old thing", stacklevel=1)
    assert "worker failed" in log.text
    assert "ZeroDivisionError" in log.text
    assert "critical softphone: the process ends by an error" in log.text
    assert "old thing" in log.text


def test_closing_puts_everything_back() -> None:
    root = logging.getLogger()
    before = list(root.handlers), root.level, sys.excepthook, threading.excepthook
    with Log():
        pass
    assert (list(root.handlers), root.level, sys.excepthook, threading.excepthook) == before
    assert logging.getLogger("httpx").level == logging.NOTSET


# ---- the journal


def test_lines_for_the_journal_have_a_priority_and_no_time() -> None:
    reader, writer = os.pipe()
    status = os.fstat(writer)
    with os.fdopen(writer, "w") as stream, os.fdopen(reader) as journal:
        environ = {"JOURNAL_STREAM": f"{status.st_dev}:{status.st_ino}"}
        assert goes_to_journal(stream, environ)
        assert not goes_to_journal(stream, {"JOURNAL_STREAM": "1:1"})
        with configure(stream=stream, environ=environ):
            logging.getLogger("softphone").warning("careful")
            try:
                raise ValueError("bad")
            except ValueError:
                logging.getLogger("softphone.daemon").exception("it failed")
        stream.close()
        lines = journal.read().splitlines()
    assert lines[0] == "<4>softphone: careful"
    assert lines[1] == "<3>daemon: it failed"
    assert all(line.startswith("<3>") for line in lines[1:])
    assert lines[-1] == "<3>ValueError: bad"


def test_a_stream_without_a_descriptor_is_not_the_journal() -> None:
    assert not goes_to_journal(io.StringIO(), {"JOURNAL_STREAM": "1:1"})


# ---- events


def logged(*events: Event, level: Level = "info") -> list[str]:
    with Log(level) as log:
        bus = Bus()
        end = log_events(bus)
        for event in events:
            bus.publish(event)
        end()
        bus.publish(CallAnswered(call="c9", account="901@pbx.example", by="local"))
    return [said(line) for line in log.lines]


def test_each_event_is_a_line() -> None:
    answered = CallAnswered(call="c1", account="901@pbx.example", by="remote")
    failed = AccountFailed(
        account="901@pbx.example", code=403, reason="Forbidden", cause="wrong password", advice="check it", retry_in_s=2
    )
    assert logged(answered, failed, AccountRegistering(account="901@pbx.example")) == [
        "info    call.answered  call=c1 account=901@pbx.example by=remote",
        "warning account.failed  account=901@pbx.example code=403 reason=Forbidden"
        ' cause="wrong password" advice="check it" retry_in_s=2',
    ]


def test_digits_and_strangers_headers_stay_out_of_the_log() -> None:
    digit = CallDigit(call="c1", account="901@pbx.example", digit="7", method="rfc4733", duration_ms=100)
    incoming = CallIncoming(
        call="c1",
        account="901@pbx.example",
        caller="sip:0033@pbx.example",
        caller_name="Anna",
        called="sip:901@pbx.example",
        sip_call_id="x",
        headers={"X-Long": ["y"]},
    )
    first, second = logged(digit, incoming)
    assert first == "info    call.digit  call=c1 account=901@pbx.example digit=hidden method=rfc4733 duration_ms=100"
    assert "X-Long" not in second
    assert "caller=sip:0033@pbx.example caller_name=Anna" in second


def test_levels_are_given_to_events_that_exist() -> None:
    assert set(event_types()) >= WARNINGS | DEBUG
