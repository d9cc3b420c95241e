"""The watchers of an answered call: silence, and how the last seconds sounded. No clock: each look says when it is."""

from __future__ import annotations

from dataclasses import replace

import pytest

from softphone.engine.watchers import (
    EndCall,
    Listener,
    Silence,
    SilenceAction,
    TellHeard,
    TellQuality,
    TellSilent,
    listen,
)
from softphone.media.quality import StreamQuality


class Line:
    """A call whose counters the test moves, looked at once a second."""

    def __init__(self, warn_s: float = 3, end_s: float = 10) -> None:
        self.state = Silence(warn_s, end_s)
        self.now_s = 100.0
        self.rtp = self.rtcp = 0

    def seconds(
        self, count: int, *, rtp: bool = False, rtcp: bool = False, expected: bool = True
    ) -> list[SilenceAction]:
        """What was said in so many seconds."""
        said: list[SilenceAction] = []
        for _ in range(count):
            self.now_s += 1
            self.rtp += 50 * rtp
            self.rtcp += rtcp
            self.state, actions = listen(self.state, self.now_s, self.rtp, self.rtcp, expected=expected)
            said += actions
        return said


def test_sound_that_arrives_is_not_worth_a_word() -> None:
    assert Line().seconds(100, rtp=True) == []


def test_silence_is_told_once_and_then_ends_the_call() -> None:
    line = Line()
    line.seconds(5, rtp=True)
    assert line.seconds(9) == [TellSilent(3, reports=False)]
    assert line.seconds(1) == [EndCall()]


def test_a_call_that_never_heard_anything_ends_too() -> None:
    assert Line().seconds(11) == [TellSilent(3, reports=False), EndCall()]


def test_sound_that_comes_back_is_told_and_starts_the_clock_anew() -> None:
    line = Line()
    line.seconds(5, rtp=True)
    line.seconds(6)
    assert line.seconds(1, rtp=True) == [TellHeard(7)]
    assert line.seconds(9) == [TellSilent(3, reports=False)]


def test_reports_keep_a_call_alive_that_sends_no_sound() -> None:
    """Comfort noise, or nobody speaks and the far end saves bandwidth: its RTCP still comes."""
    line = Line()
    line.seconds(5, rtp=True)
    assert line.seconds(2) == []
    assert line.seconds(60, rtcp=True) == [TellSilent(3, reports=True)]
    assert line.seconds(9) == []
    assert line.seconds(1) == [EndCall()]


def test_a_held_call_is_silent_by_right() -> None:
    line = Line()
    line.seconds(5, rtp=True)
    assert line.seconds(3600, expected=False) == []


def test_after_a_hold_the_clock_begins_anew() -> None:
    line = Line()
    line.seconds(5, rtp=True)
    line.seconds(9)
    line.seconds(60, expected=False)
    assert line.seconds(10) == [TellSilent(3, reports=False)]
    assert line.seconds(1) == [EndCall()]


def test_a_stream_begun_anew_counts_as_life() -> None:
    line = Line()
    line.seconds(8, rtp=True)
    line.seconds(8)
    line.rtp = 7  # a re-INVITE: the counters start again
    assert line.seconds(1) == [TellHeard(9)]


def test_zero_switches_each_of_them_off() -> None:
    assert Line(warn_s=0).seconds(30)[0] == EndCall()
    assert Line(end_s=0).seconds(300) == [TellSilent(3, reports=False)]


# ---- how it sounds


class Talk:
    """A PCMU call with 50 packets a second, and a report of the far end every five."""

    def __init__(self, limit: float = 3.1) -> None:
        self.listener = Listener(window_s=10, limit=limit)
        self.now_s = 50.0
        self.quality = StreamQuality(codec="PCMU", ptime_ms=20, jitter_buffer_ms=40, rtt_ms=20, rtt_mean_ms=20)
        self._unreported = 0

    def seconds(
        self, count: int, *, lost: int = 0, tx_lost: int = 0, late: int = 0, expected: bool = True
    ) -> list[TellQuality]:
        """`lost`, `tx_lost`, `late`: packets of 50 in each second."""
        said: list[TellQuality] = []
        for _ in range(count):
            self.now_s += 1
            self._unreported += tx_lost
            q = self.quality
            due = int(self.now_s) % 5 == 0
            self.quality = replace(
                q,
                rx_packets=q.rx_packets + 50 - lost,
                rx_lost=q.rx_lost + lost,
                rx_discarded=q.rx_discarded + late,
                tx_packets=q.tx_packets + 50,
                rtcp_reports=q.rtcp_reports + due,
                tx_lost=q.tx_lost + (self._unreported if due else 0),
            )
            self._unreported = 0 if due else self._unreported
            said += self.listener.look(self.now_s, self.quality, expected=expected)
        return said


def test_a_good_line_is_not_worth_a_word() -> None:
    talk = Talk()
    assert talk.seconds(60) == []
    recent = talk.listener.recent
    assert recent is not None
    assert (recent.loss_percent, recent.tx_loss_percent) == (0, 0)
    assert recent.mos is not None
    assert recent.mos > 4.2
    assert talk.listener.lowest_mos == recent.mos


def test_loss_is_told_and_so_is_recovery() -> None:
    talk = Talk()
    talk.seconds(30)
    (fell,) = talk.seconds(20, lost=15)  # 30 %
    assert (fell.direction, fell.good) == ("received", False)
    assert fell.mos < 3.1
    recent = talk.listener.recent
    assert recent is not None
    assert recent.loss_percent == pytest.approx(30)
    (rose,) = talk.seconds(20)
    assert (rose.direction, rose.good) == ("received", True)
    assert rose.mos >= 3.3
    assert talk.listener.lowest_mos is not None
    assert talk.listener.lowest_mos < 2.6


def test_what_comes_too_late_is_lost_too() -> None:
    talk = Talk()
    talk.seconds(30)
    assert [each.direction for each in talk.seconds(20, late=15)] == ["received"]


def test_what_the_far_end_hears_is_judged_by_its_reports() -> None:
    talk = Talk()
    talk.seconds(30)
    said = talk.seconds(30, tx_lost=15)
    assert [(each.direction, each.good) for each in said] == [("sent", False)]
    recent = talk.listener.recent
    assert recent is not None
    assert recent.tx_loss_percent == pytest.approx(30, abs=1)
    assert recent.loss_percent == 0


def test_a_line_that_sways_about_the_limit_is_told_once() -> None:
    talk = Talk(limit=3.1)
    talk.seconds(30)
    said = []
    for lost in (8, 7, 8, 7, 8, 7):  # 16 % and 14 %: MOS 3.0 to 3.2
        said += talk.seconds(15, lost=lost)
    assert len([each for each in said if not each.good]) == 1


def test_a_held_call_is_not_judged_and_its_silence_is_no_loss() -> None:
    talk = Talk()
    talk.seconds(30)
    assert talk.seconds(60, lost=50, expected=False) == []
    assert talk.seconds(9, lost=0) == []
    recent = talk.listener.recent
    assert recent is not None
    assert recent.loss_percent == 0


def test_a_stream_begun_anew_begins_a_window_anew() -> None:
    talk = Talk()
    talk.seconds(30)
    talk.quality = StreamQuality(codec="PCMU", ptime_ms=20)
    assert talk.seconds(5) == []
    recent = talk.listener.recent
    assert recent is not None
    assert recent.window_s < 5
    assert recent.loss_percent == 0


def test_no_limit_no_word() -> None:
    talk = Talk(limit=0)
    talk.seconds(30)
    assert talk.seconds(30, lost=25, tx_lost=25) == []


def test_no_packets_no_verdict() -> None:
    talk = Talk()
    talk.seconds(30)
    talk.quality = replace(talk.quality, rx_packets=talk.quality.rx_packets)
    for _ in range(20):
        talk.now_s += 1
        assert talk.listener.look(talk.now_s, talk.quality, expected=True) == []
    recent = talk.listener.recent
    assert recent is not None
    assert recent.mos is None
