"""The watchers at work: one timer for all calls, and what each call's watchers say."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Any, Protocol

from softphone import events
from softphone.aio import Timers
from softphone.config.resolved import ResolvedAccount
from softphone.engine import watchers
from softphone.engine.watchers import EndCall, Listener, Silence, TellHeard, TellQuality, TellSilent
from softphone.engine.world import World
from softphone.media.quality import StreamQuality, as_data, joined, same_stream
from softphone.stacks.base import MediaChanged


class Watched(Protocol):
    """What the monitor needs of a call."""

    def watch(self, now_s: float) -> None: ...


class Monitor:
    """Looks at all running calls once a second; sleeps while there are none."""

    def __init__(self, calls: Callable[[], Iterable[Watched]]) -> None:
        self._calls = calls
        self._timers = Timers()

    def wake(self) -> None:
        """There is a call to look at."""
        if "look" not in self._timers:
            self._timers.set("look", watchers.LOOK_S, self._look)

    def close(self) -> None:
        self._timers.close()

    def _look(self) -> None:
        now_s = asyncio.get_running_loop().time()
        running = list(self._calls())
        if running:
            self.wake()
        for call in running:
            call.watch(now_s)


class Watch:
    """The watchers of one call. `end(intent)` hangs it up."""

    def __init__(self, call_id: str, account: ResolvedAccount, world: World, end: Callable[[str], None]) -> None:
        self._call, self._account = call_id, account.id
        self._world = world
        self._end = end
        calls, own = world.calls, account.limits.media_timeout_s
        self._silence = Silence(calls.media_silent_s, calls.media_timeout_s if own is None else own)
        self._listener = Listener(world.quality.window_s, world.quality.mos_limit)
        self._before: StreamQuality | None = None  # streams that a re-INVITE ended
        self._last: StreamQuality | None = None

    def look(self, now_s: float, quality: StreamQuality | None, media: MediaChanged, *, held: bool) -> None:
        """One look at an answered call."""
        expected = media.direction in ("sendrecv", "recvonly") and media.port is not None and not held
        rtp, rtcp = (quality.rx_packets, quality.rtcp_reports) if quality else (0, 0)
        self._silence, actions = watchers.listen(self._silence, now_s, rtp, rtcp, expected=expected)
        self._keep(quality)
        for verdict in self._listener.look(now_s, quality, expected=expected):
            self._tell_quality(verdict, quality)
        for action in actions:
            self._do(action)

    def _keep(self, quality: StreamQuality | None) -> None:
        if quality is not None and self._last is not None and not same_stream(self._last, quality):
            self._before = joined(self._before, self._last)
        self._last = quality or self._last

    def _do(self, action: watchers.SilenceAction) -> None:
        match action:
            case TellSilent(silent_s, reports):
                self._tell_silence(True, silent_s, reports)
            case TellHeard(silent_s):
                self._tell_silence(False, silent_s, True)
            case EndCall():
                self._end("media_timeout")

    def _tell_silence(self, silent: bool, silent_s: float, reports: bool) -> None:
        self._world.bus.publish(
            events.CallMediaSilent(
                call=self._call, account=self._account, silent=silent, silent_s=round(silent_s, 1), reports=reports
            )
        )

    def _tell_quality(self, verdict: TellQuality, quality: StreamQuality | None) -> None:
        recent = self._listener.recent
        if recent is None or quality is None:
            return
        sent = verdict.direction == "sent"
        self._world.bus.publish(
            events.CallQuality(
                call=self._call,
                account=self._account,
                direction=verdict.direction,
                good=verdict.good,
                mos=verdict.mos,
                limit=self._world.quality.mos_limit,
                window_s=recent.window_s,
                loss_percent=(recent.tx_loss_percent if sent else recent.loss_percent) or 0.0,
                jitter_ms=recent.tx_jitter_ms if sent else recent.jitter_ms,
                rtt_ms=recent.rtt_ms,
            )
        )

    def figures(self, total: StreamQuality | None) -> dict[str, Any] | None:
        """What the call shows: totals and the last seconds; None while there is no media."""
        if total is None:
            return None
        self._keep(total)
        return as_data(joined(self._before, total), self._listener.recent, self._listener.lowest_mos)
