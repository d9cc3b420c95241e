"""Digits of one leg on PJSIP: sent by RFC 4733 and INFO, and received by either."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pjsua2 as pj

from softphone.aio import Timers
from softphone.media.dtmf import EVENTS
from softphone.stacks.base import Digit, DigitBegun, DigitFailed, DigitSent, LegReport

log = logging.getLogger(__name__)

END_PACKETS_S = 0.06
"""RFC 4733 section 2.5.1.4: the end of an event is sent three times."""

LOST_END_S = 0.4
"""An event whose packets stop without an end is over after this; senders repeat them every 20 to 50 ms."""

_UPDATE, _END = 1, 2  # PJMEDIA_STREAM_DTMF_IS_UPDATE, _IS_END


class LegDigits:
    """The loop's half. `command(what, run)` runs something on PJSIP's call and tells whether it could."""

    def __init__(
        self,
        command: Callable[[str, Callable[[Any], None]], bool],
        report: Callable[[LegReport], None],
        after: Callable[[float, Callable[[], None]], None],
    ) -> None:
        self._command = command
        self._report = report
        self._after = after
        self._timers = Timers()
        self._by_info = ""  # the digit whose INFO waits for its answer
        self._pressed: tuple[str, int] | None = None  # digit and time stamp of the event that comes in
        self._last: tuple[str, int] | None = None  # the same of the one before
        self._lasted_ms = 0
        self.peer_events = True
        """Whether the far end takes RFC 4733 events."""

    def close(self) -> None:
        self._timers.close()

    # ---- out

    def method(self, wanted: str) -> str:
        """What `auto` comes to: rfc4733 if the far end takes it, else INFO if it says that it does, else in-band."""
        if wanted != "auto":
            return wanted
        return "rfc4733" if self.peer_events else "info" if self._takes_info() else "inband"

    def _takes_info(self) -> bool:
        found: list[bool] = []

        def ask(call: Any) -> None:
            found.append(call.remoteHasCap(pj.PJSIP_H_ALLOW, "", "INFO") == pj.PJSIP_DIALOG_CAP_SUPPORTED)

        self._command("look for INFO", ask)
        return found == [True]

    def send(self, digit: str, method: str, duration_ms: int) -> None:
        prm = pj.CallSendDtmfParam()
        prm.digits = digit
        prm.duration = duration_ms
        info = method == "info"
        prm.method = pj.PJSUA_DTMF_METHOD_SIP_INFO if info else pj.PJSUA_DTMF_METHOD_RFC2833
        if not info and not self.peer_events:
            self._report(DigitFailed(digit, "the far end does not take RFC 4733 digits"))
        elif not self._command("send a digit", lambda call: call.sendDtmf(prm)):
            self._report(DigitFailed(digit, "the call has no media to send digits in"))
        elif info:
            self._by_info = digit
        else:
            self._after(duration_ms / 1000 + END_PACKETS_S, lambda: self._report(DigitSent(digit)))

    def info_answered(self, code: int, reason: str) -> None:
        digit, self._by_info = self._by_info, ""
        if not digit:
            return
        good = 200 <= code < 300
        cause = f"the far end refused INFO: {code} {reason}"
        self._report(DigitSent(digit) if good else DigitFailed(digit, cause, refused=code > 0))

    # ---- in

    def info(self, digit: str, duration_ms: int | None) -> None:
        """What an INFO said. The far end may write anything there; only digits are keys."""
        if digit.upper() in EVENTS:
            self._report(Digit(digit.upper(), "info", duration_ms))
        else:
            log.info("an INFO that names no digit is passed over")

    def event(self, digit: str, stamp: int, duration_ms: int, flags: int) -> None:
        """A packet of an RFC 4733 event. Late and repeated ones are known by their time stamp."""
        if digit not in EVENTS:  # event 16 is flash
            return
        key = (digit, stamp)
        if self._pressed is None and key == self._last:
            return
        if self._pressed is not None and not (digit == self._pressed[0] and (key == self._pressed or flags & _UPDATE)):
            self._released()
        if self._pressed is None:
            self._pressed, self._lasted_ms = key, 0
            self._report(DigitBegun(digit, "rfc4733"))
        self._lasted_ms = max(self._lasted_ms, duration_ms)
        if flags & _END:
            self._released()
        else:
            self._timers.set("lost end", LOST_END_S, self._released)

    def _released(self) -> None:
        self._timers.cancel("lost end")
        pressed, self._pressed = self._pressed, None
        if pressed is not None:
            self._last = pressed
            self._report(Digit(pressed[0], "rfc4733", self._lasted_ms))
