"""Digits on their way out: one request after the other, one digit after the other, each confirmed before the next."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from softphone.aio import Timers
from softphone.media.dtmf import PAUSE, PAUSE_S, normalize
from softphone.stacks.base import DigitFailed, DigitSent, Leg


@dataclass(slots=True)
class _Request:
    digits: str
    method: str
    auto: bool
    duration_ms: int
    pause_ms: int
    sent: int = 0


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one request. `cause` is '' where all went out; `sent` counts digits."""

    digits: str
    method: str
    sent: int
    cause: str = ""


class DigitSender:
    """The digits of one call. `on_outcome(Outcome)` runs once for each request.

    say: makes the sound of one digit for so many ms (in-band), and reports as the leg does.
    """

    def __init__(self, leg: Leg, on_outcome: Callable[[Outcome], None], say: Callable[[str, int], None]) -> None:
        self._leg = leg
        self._on_outcome = on_outcome
        self._say = say
        self._info_refused = False
        self._waiting: deque[_Request] = deque()
        self._timers = Timers()
        self._busy = False

    def send(self, digits: str, method: str, duration_ms: int, pause_ms: int) -> None:
        """Queues digits (0-9 A-D * #, `,` is half a second of silence). Raises UsageError."""
        chosen = self._leg.dtmf_method(method)
        if method == "auto" and chosen == "info" and self._info_refused:
            chosen = "inband"
        request = _Request(normalize(digits), chosen, method == "auto", duration_ms, pause_ms)
        self._waiting.append(request)
        if not self._busy:
            self._next()

    def reported(self, report: DigitSent | DigitFailed) -> None:
        """The leg's word on the digit that is under way."""
        if not self._waiting or not self._busy:
            return
        request = self._waiting[0]
        if isinstance(report, DigitFailed):
            if report.refused and request.auto and request.method == "info":
                self._without_info()
                self._next()
                return
            self._finish(Outcome(request.digits, request.method, request.sent, report.cause))
            return
        request.sent += 1
        self._timers.set("pause", request.pause_ms / 1000, self._next)

    def _without_info(self) -> None:
        self._info_refused = True
        for request in self._waiting:
            if request.auto and request.method == "info":
                request.method = "inband"

    def close(self, cause: str) -> None:
        """The call is over; what has not gone out has failed."""
        self._timers.close()
        waiting, self._waiting = list(self._waiting), deque()
        for request in waiting:
            failed = cause if request.sent < len(request.digits) else ""
            self._on_outcome(Outcome(request.digits, request.method, request.sent, failed))

    def _next(self) -> None:
        if not self._waiting:
            self._busy = False
            return
        self._busy = True
        request = self._waiting[0]
        if request.sent >= len(request.digits):
            self._finish(Outcome(request.digits, request.method, request.sent))
            return
        digit = request.digits[request.sent]
        if digit == PAUSE:
            request.sent += 1
            self._timers.set("pause", PAUSE_S, self._next)
        elif request.method == "inband":
            self._say(digit, request.duration_ms)
        else:
            self._leg.send_digit(digit, request.method, request.duration_ms)

    def _finish(self, outcome: Outcome) -> None:
        self._waiting.popleft()
        self._on_outcome(outcome)
        self._next()
