"""Places a call and stays with it: what `softphone call` does between dialling and its exit code."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from types import FrameType
from typing import TYPE_CHECKING, Any

from softphone.cli import exits
from softphone.cli.feed import Event, Feed
from softphone.cli.options import Settings
from softphone.cli.output import note, print_json
from softphone.cli.telling import sentence
from softphone.control.client import ControlError
from softphone.errors import SoftphoneError

if TYPE_CHECKING:
    from softphone.control.client import ControlClient

FILES_CLOSE_S = 15.0  # a recording that is not closed so long after the end of its call never will be

_PUZZLING = frozenset((exits.REJECTED, exits.NO_COMMON_MEDIA, exits.UNREACHABLE, exits.OTHER_ENDING))
"""Ends whose reason a look at the SIP messages may tell."""

_SILENT = frozenset(("record.started", "play.started"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What the caller wants. Paths are absolute."""

    target: str
    account: str | None = None
    lasts_s: float | None = None
    record: str | None = None
    stereo: bool = False
    overwrite: bool = False
    play: str | None = None
    digits: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    ring_timeout_s: float | None = None
    max_duration_s: float | None = None
    device: str | None = None
    trace: bool = False

    @property
    def audio(self) -> dict[str, Any] | None:
        if self.device is None:
            return None
        name = None if self.device == "default" else self.device
        return {"route": "device", "input": name, "output": name}


Afterwards = Callable[["ControlClient", str, int], None]
"""What is done when the call is over: (client, the call's id, exit code)."""


def place(settings: Settings, plan: Plan, afterwards: Afterwards | None = None) -> int:
    """Calls, follows, and returns the exit code (see exits.py). Raises ControlError if nothing could be dialled."""
    with (
        settings.connect() as phone,
        Feed(settings.connect, ("call", "play", "record", "audio")) as feed,
        _interrupted_between_requests(feed),
    ):
        attempt = Attempt(phone, feed, plan, quiet=settings.json)
        attempt.dial()
        code = attempt.follow_to_end()
        report = attempt.report(code) if settings.json else None
        if afterwards is not None:
            afterwards(phone, attempt.call, code)
    if report is not None:
        print_json(report)
    elif code not in (exits.OK, exits.INTERRUPTED):
        hint = "; --ladder shows what was said" if code in _PUZZLING and not plan.trace else ""
        note(f"softphone: {exits.MEANINGS[code].removeprefix('call: ')} (exit code {code}){hint}")
    return code


@contextmanager
def _interrupted_between_requests(feed: Feed) -> Iterator[None]:
    """Ctrl-C, SIGTERM and SIGHUP wait for the request that is under way, so that none is done without our knowing.

    The second one waits for nothing.
    """
    asked = False

    def on_signal(number: int, frame: FrameType | None) -> None:
        nonlocal asked
        if asked:
            signal.default_int_handler(number, frame)
        asked = True
        feed.interrupt()

    before = [(number, signal.signal(number, on_signal)) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)]
    try:
        yield
    finally:
        for number, handler in before:
            signal.signal(number, handler)


class Attempt:
    """One call, from dialling to its end."""

    def __init__(self, phone: ControlClient, feed: Feed, plan: Plan, *, quiet: bool) -> None:
        self._phone, self._feed, self._plan, self._quiet = phone, feed, plan, quiet
        self._began = time.monotonic()
        self.call = ""
        self._hang_up_at: float | None = None
        self._interrupted = False
        self._answered = False
        self._recording = False
        self._open_records: set[str] = set()
        self._ended: Event | None = None
        self._failures: list[str] = []
        self._recorded: list[Event] = []
        self._digits = ""

    def dial(self) -> None:
        plan = self._plan
        view = self._phone.dial(
            plan.target,
            account=plan.account,
            headers=plan.headers or None,
            ring_timeout_s=plan.ring_timeout_s,
            max_duration_s=plan.max_duration_s,
            audio=plan.audio,
            trace=plan.trace,
        )
        self.call = view["id"]
        self._say(f"{view['id']} from {view['account']}")

    def follow_to_end(self) -> int:
        """Until the call is over; no call is left behind, whatever goes wrong here."""
        try:
            return self._follow()
        except BaseException:
            with suppress(SoftphoneError):
                self._hang_up()
            raise

    def _follow(self) -> int:
        """Until the call is over and its recordings are complete."""
        while not self._over:
            try:
                event = self._feed.next(self._patience_s())
                if event is not None and event.get("call") == self.call:
                    self._take(event)
                elif event is None:
                    self._time_is_up()
            except KeyboardInterrupt:
                if self._interrupted:
                    raise
                self._interrupted = True
                self._say("hanging up")
                self._hang_up()
        return self._code()

    @property
    def _over(self) -> bool:
        return self._ended is not None and not self._open_records

    def _patience_s(self) -> float | None:
        return None if self._hang_up_at is None else max(0.0, self._hang_up_at - time.monotonic())

    def _time_is_up(self) -> None:
        if self._ended is not None:
            self._failures += [f"recording {each} was not closed" for each in sorted(self._open_records)]
            self._open_records.clear()
            return
        self._hang_up_at = None
        self._hang_up()

    def _hang_up(self) -> None:
        try:
            self._phone.hang_up(self.call)
        except ControlError as error:
            if error.status not in (404, 409):  # it ended by itself at this moment
                raise

    # ---- events

    def _take(self, event: Event) -> None:
        if event["type"] not in _SILENT:
            self._say(sentence(event))
        match event["type"]:
            case "call.media" if event["active"]:
                self._start_recording()
            case "call.answered":
                self._on_answer()
            case "call.digit":
                self._digits += event["digit"]
            case "call.digits_failed" | "audio.failed":
                self._failures.append(sentence(event))
            case "play.ended" if event["reason"] == "failed":
                self._failures.append(sentence(event))
            case "record.ended":
                self._on_recorded(event)
            case "call.ended":
                self._ended = event
                self._hang_up_at = time.monotonic() + FILES_CLOSE_S

    def _start_recording(self) -> None:
        plan = self._plan
        if plan.record is None or self._recording:
            return
        self._recording = True
        mode = "stereo" if plan.stereo else "mono"
        started = self._try(
            lambda: self._phone.record(self.call, plan.record or "", mode=mode, overwrite=plan.overwrite)
        )
        if started is not None:
            self._open_records.add(started["id"])
            self._say(f"recording to {started['file']}")

    def _on_answer(self) -> None:
        plan = self._plan
        self._answered = True
        if plan.lasts_s is not None:
            self._hang_up_at = time.monotonic() + plan.lasts_s
        self._start_recording()
        if plan.play is not None:
            self._try(lambda: self._phone.play(self.call, plan.play or ""))
        if plan.digits:
            self._try(lambda: self._phone.send_digits(self.call, plan.digits))

    def _try(self, request: Any) -> Any:
        """A request that the call can go on without; but the caller wanted it, so the call is ended if it fails."""
        try:
            return request()
        except ControlError as error:
            if error.status == 0:
                raise
            self._failures.append(str(error))
            self._say(f"failed: {error}")
            self._hang_up()
            return None

    def _on_recorded(self, event: Event) -> None:
        self._open_records.discard(event["record"])
        self._recorded.append(event)
        if event["reason"] == "failed":
            self._failures.append(sentence(event))

    # ---- the result

    def _code(self) -> int:
        if self._interrupted:
            return exits.INTERRUPTED
        reason = self._ended["reason"] if self._ended else ""
        code = exits.of_call(reason, answered=self._answered, timed=self._plan.lasts_s is not None)
        return exits.INCOMPLETE if code == exits.OK and self._failures else code

    def report(self, code: int) -> dict[str, Any]:
        """All of it for a program."""
        return {
            "exit_code": code,
            "meaning": exits.MEANINGS[code],
            "call": self._phone.call(self.call),
            "ended": self._ended,
            "recordings": self._recorded,
            "digits_received": self._digits,
            "failures": self._failures,
        }

    def _say(self, text: str) -> None:
        if self._quiet:
            note(f"{self._elapsed()}  {text}")
        else:
            print(f"{self._elapsed()}  {text}", flush=True)

    def _elapsed(self) -> str:
        return f"{time.monotonic() - self._began:6.1f} s"
