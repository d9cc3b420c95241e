"""What watches over the media of an answered call, as pure functions: (state, look) -> (state, actions). No I/O.

Once a second somebody looks at the counters of RTP and RTCP. Two watchers judge them:

- `Silence`: nothing arrives although something should. It warns, and in the end wants the call hung up.
- `Listener`: how the last seconds sounded, in either direction. It tells when they fall below a limit, and when they
  are well again.

A held call is silent by right, and so is one whose media is one-way towards the far end: such calls are never ended.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field, replace
from typing import Literal

from softphone.media.quality import RecentQuality, StreamQuality, between, same_stream

LOOK_S = 1.0
"""Pause between two looks."""

RECOVERED_BY = 0.2
"""So far above the limit the MOS must rise before the sound counts as well again."""


# ---- nothing arrives


@dataclass(frozen=True, slots=True)
class TellSilent:
    """Nothing has arrived for `silent_s` seconds; `reports`: but RTCP still does, so the far end lives."""

    silent_s: float
    reports: bool


@dataclass(frozen=True, slots=True)
class TellHeard:
    """RTP arrives again, after `silent_s` seconds without."""

    silent_s: float


@dataclass(frozen=True, slots=True)
class EndCall:
    """Neither RTP nor RTCP for longer than is allowed."""


SilenceAction = TellSilent | TellHeard | EndCall


@dataclass(frozen=True, slots=True)
class Silence:
    """`warn_s`: silence that is told of; `end_s`: silence that ends the call; 0: never.

    `rtp` and `rtcp` are the counters last seen, `rtp_s` and `alive_s` when RTP, or anything, was last seen to move.
    """

    warn_s: float
    end_s: float
    rtp: int = -1
    rtcp: int = -1
    rtp_s: float = 0.0
    alive_s: float = 0.0
    watching: bool = False
    told: bool = False


def listen(state: Silence, now_s: float, rtp: int, rtcp: int, *, expected: bool) -> tuple[Silence, list[SilenceAction]]:
    """One look. `rtp`, `rtcp`: packets and reports received so far; `expected`: whether something should arrive."""
    moved, reported = rtp != state.rtp, rtcp != state.rtcp
    silent_s = now_s - state.rtp_s
    fresh = not (expected and state.watching)
    seen = replace(
        state,
        rtp=rtp,
        rtcp=rtcp,
        rtp_s=now_s if moved or fresh else state.rtp_s,
        alive_s=now_s if moved or reported or fresh else state.alive_s,
        watching=expected,
    )
    if moved and state.told:
        return replace(seen, told=False), [TellHeard(silent_s)]
    return (replace(seen, told=False), []) if fresh else _silent(seen, now_s)


def _silent(state: Silence, now_s: float) -> tuple[Silence, list[SilenceAction]]:
    actions: list[SilenceAction] = []
    silent_s = now_s - state.rtp_s
    if 0 < state.warn_s <= silent_s and not state.told:
        state = replace(state, told=True)
        actions.append(TellSilent(silent_s, reports=state.alive_s > state.rtp_s))
    if 0 < state.end_s <= now_s - state.alive_s:
        actions.append(EndCall())
    return state, actions


# ---- how it sounds

Direction = Literal["received", "sent"]


@dataclass(frozen=True, slots=True)
class TellQuality:
    """The MOS of one direction fell below the limit, or (`good`) rose above it again."""

    direction: Direction
    good: bool
    mos: float


@dataclass(slots=True)
class Listener:
    """The last seconds of a call. Not frozen: it keeps a window of measurements, and a copy a second would be waste."""

    window_s: float
    limit: float
    looks: deque[tuple[float, StreamQuality]] = field(default_factory=deque)
    reports: deque[tuple[float, StreamQuality]] = field(default_factory=deque)
    bad: set[Direction] = field(default_factory=set)
    recent: RecentQuality | None = None
    lowest_mos: float | None = None

    def look(self, now_s: float, quality: StreamQuality | None, *, expected: bool) -> list[TellQuality]:
        """One look. What is not `expected` to sound (a held call) is not judged, and the window begins anew."""
        if quality is None or not expected or (self.looks and not same_stream(self.looks[-1][1], quality)):
            self.looks.clear()
            self.reports.clear()
        if quality is None or not expected:
            return []
        if not self.reports or quality.rtcp_reports > self.reports[-1][1].rtcp_reports:
            self.reports.append((now_s, quality))
        self.looks.append((now_s, quality))
        self._forget(now_s)
        began_s, earliest = self.looks[0]
        pair = (self.reports[0][1], self.reports[-1][1]) if len(self.reports) > 1 else None
        self.recent = between(earliest, quality, now_s - began_s, pair)
        full = now_s - began_s >= self.window_s - LOOK_S / 2
        return self._verdicts(self.recent) if full else []

    def _forget(self, now_s: float) -> None:
        """Keeps one window of looks, and at least two reports: they come some seconds apart."""
        while self.looks[0][0] < now_s - self.window_s - LOOK_S / 2:
            self.looks.popleft()
        while len(self.reports) > 2 and self.reports[1][0] <= now_s - self.window_s:
            self.reports.popleft()

    def _verdicts(self, recent: RecentQuality) -> list[TellQuality]:
        if recent.mos is not None:
            self.lowest_mos = recent.mos if self.lowest_mos is None else min(self.lowest_mos, recent.mos)
        found = (self._verdict("received", recent.mos), self._verdict("sent", recent.tx_mos))
        return [each for each in found if each is not None]

    def _verdict(self, direction: Direction, mos: float | None) -> TellQuality | None:
        if mos is None or self.limit <= 0:
            return None
        if direction in self.bad and mos >= self.limit + RECOVERED_BY:
            self.bad.discard(direction)
            return TellQuality(direction, True, mos)
        if direction not in self.bad and mos < self.limit:
            self.bad.add(direction)
            return TellQuality(direction, False, mos)
        return None
