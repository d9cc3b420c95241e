"""How good a call sounds, from what RTP and RTCP count: totals since the stream began, and the last seconds apart."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from typing import Any

from softphone.media.emodel import codec_factors, e_model, mos

ENOUGH_PACKETS = 25
"""Below so many packets in a window there is no verdict on it: half a second of speech."""


@dataclass(frozen=True, slots=True)
class PeerMetrics:
    """What the far end says of what it hears, by RTCP-XR (RFC 3611 section 4.7). None where it does not say.

    `burst_*` and `gap_*`: how dense loss is, and how long such times last on average, where it comes in bursts and
    between them. `end_system_ms`: delay within the far end. `jitter_buffer_ms`: how long packets wait there now.
    """

    loss_percent: float
    discarded_percent: float
    burst_percent: float
    gap_percent: float
    burst_ms: int
    gap_ms: int
    rtt_ms: int
    end_system_ms: int
    jitter_buffer_ms: int
    jitter_buffer_max_ms: int
    r_factor: int | None = None
    mos_listening: float | None = None
    mos_conversational: float | None = None


@dataclass(frozen=True, slots=True)
class StreamQuality:
    """One call's media in figures, both directions. Times in milliseconds; None where nothing is known yet.

    `rx_lost` never arrived; `rx_discarded` came too late to be played, which sounds the same. `rx_loss_bursts` counts
    runs of lost packets. What begins with `tx_` and is not a count of ours is what the far end reports by RTCP;
    `rtcp_reports` counts those reports, and `xr` is the last extended one. `ptime_ms`: speech in one packet of ours.

    The rest is computed. `delay_ms`: the way from the far end to our ear, as far as it can be known (half the round
    trip, packet, codec and jitter buffer). `loss_percent`, `r_factor` and `mos`: as heard here; `tx_loss_percent`,
    `tx_r_factor` and `tx_mos`: as heard there.
    """

    codec: str = ""
    clock_rate_hz: int = 0
    ptime_ms: int = 0
    rx_packets: int = 0
    rx_bytes: int = 0
    rx_lost: int = 0
    rx_loss_bursts: int = 0
    rx_discarded: int = 0
    rx_duplicates: int = 0
    rx_reordered: int = 0
    tx_packets: int = 0
    tx_bytes: int = 0
    tx_lost: int = 0
    rtcp_reports: int = 0
    jitter_ms: float | None = None
    jitter_mean_ms: float | None = None
    jitter_max_ms: float | None = None
    tx_jitter_ms: float | None = None
    jitter_buffer_ms: float | None = None
    rtt_ms: float | None = None
    rtt_mean_ms: float | None = None
    xr: PeerMetrics | None = None
    delay_ms: float | None = field(init=False)
    loss_percent: float = field(init=False)
    r_factor: float | None = field(init=False)
    mos: float | None = field(init=False)
    tx_loss_percent: float | None = field(init=False)
    tx_r_factor: float | None = field(init=False)
    tx_mos: float | None = field(init=False)

    def __post_init__(self) -> None:
        loss = _percent(self.rx_lost + self.rx_discarded, self.rx_packets + self.rx_lost)
        burst_ratio = _burst_ratio(self.rx_lost, self.rx_loss_bursts, loss)
        delay_ms = _way_ms(self, self.jitter_buffer_ms)
        r = e_model(loss_percent=loss, delay_ms=delay_ms, codec=self.codec, burst_ratio=burst_ratio)
        self._set("loss_percent", loss, 2)
        self._set("delay_ms", delay_ms if self.rx_packets else None, 1)
        self._set("r_factor", r if self.rx_packets else None, 1)
        self._set("mos", mos(r) if self.rx_packets else None, 2)
        tx_loss = _percent(self.tx_lost, self.tx_packets) + (self.xr.discarded_percent if self.xr else 0.0)
        tx_r = e_model(loss_percent=tx_loss, delay_ms=self._tx_delay_ms(), codec=self.codec)
        self._set("tx_loss_percent", min(100.0, tx_loss) if self.rtcp_reports else None, 2)
        self._set("tx_r_factor", tx_r if self.rtcp_reports else None, 1)
        self._set("tx_mos", mos(tx_r) if self.rtcp_reports else None, 2)

    def _tx_delay_ms(self) -> float:
        """Without the far end's own word its jitter buffer is taken for one like ours."""
        return _way_ms(self, self.xr.jitter_buffer_ms if self.xr else self.jitter_buffer_ms)

    def _set(self, name: str, value: float | None, digits: int) -> None:
        # the dataclass is frozen for everybody else
        object.__setattr__(self, name, None if value is None else round(value, digits))


def _percent(part: int, whole: int) -> float:
    return 100 * min(max(part, 0), whole) / whole if whole > 0 else 0.0


def _burst_ratio(lost: int, bursts: int, loss_percent: float) -> float:
    """G.107 section 7.5: the mean run of lost packets against what it would be if chance alone had its way."""
    if lost < 20 or bursts <= 0 or loss_percent >= 100:
        return 1.0  # too few to speak of
    return lost / bursts * (1 - loss_percent / 100)


def _way_ms(quality: StreamQuality, buffer_ms: float | None) -> float:
    rtt_ms = quality.rtt_mean_ms or 0.0
    return rtt_ms / 2 + quality.ptime_ms + codec_factors(quality.codec).look_ahead_ms + (buffer_ms or 0.0)


@dataclass(frozen=True, slots=True)
class RecentQuality:
    """The last `window_s` seconds. None where nothing can be said of them: no packets, no reports.

    `tx_`: as the far end hears us, by its reports; they come some seconds apart, so this lags behind.
    """

    window_s: float
    loss_percent: float | None
    jitter_ms: float | None
    rtt_ms: float | None
    mos: float | None
    tx_loss_percent: float | None
    tx_jitter_ms: float | None
    tx_mos: float | None


def between(
    earlier: StreamQuality,
    later: StreamQuality,
    seconds: float,
    reports: tuple[StreamQuality, StreamQuality] | None = None,
) -> RecentQuality:
    """What happened from one measurement to another of the same stream, `seconds` later.

    `reports`: two measurements, each taken right after a report of the far end.
    """
    expected = later.rx_packets + later.rx_lost - earlier.rx_packets - earlier.rx_lost
    heard = later.rx_packets - earlier.rx_packets
    missing = later.rx_lost + later.rx_discarded - earlier.rx_lost - earlier.rx_discarded
    loss = _percent(missing, expected) if expected >= ENOUGH_PACKETS and heard > 0 else None
    tx_loss = _reported_loss(*reports) if reports else None
    delay_ms = _way_ms(later, later.jitter_buffer_ms)
    return RecentQuality(
        window_s=round(seconds, 1),
        loss_percent=None if loss is None else round(loss, 2),
        jitter_ms=later.jitter_ms,
        rtt_ms=later.rtt_ms,
        mos=_mos(later, loss, delay_ms),
        tx_loss_percent=None if tx_loss is None else round(tx_loss, 2),
        tx_jitter_ms=later.tx_jitter_ms,
        tx_mos=_mos(later, tx_loss, delay_ms),
    )


def _reported_loss(earlier: StreamQuality, later: StreamQuality) -> float | None:
    sent = later.tx_packets - earlier.tx_packets
    return _percent(later.tx_lost - earlier.tx_lost, sent) if sent >= ENOUGH_PACKETS else None


def _mos(quality: StreamQuality, loss_percent: float | None, delay_ms: float) -> float | None:
    if loss_percent is None:
        return None
    return round(mos(e_model(loss_percent=loss_percent, delay_ms=delay_ms, codec=quality.codec)), 2)


def same_stream(earlier: StreamQuality, later: StreamQuality) -> bool:
    """Whether the counters of `later` go on from `earlier`: a re-INVITE may begin a stream anew."""
    return (
        later.rx_packets >= earlier.rx_packets
        and later.tx_packets >= earlier.tx_packets
        and later.codec == earlier.codec
    )


_COUNTERS = (
    "rx_packets",
    "rx_bytes",
    "rx_lost",
    "rx_loss_bursts",
    "rx_discarded",
    "rx_duplicates",
    "rx_reordered",
    "tx_packets",
    "tx_bytes",
    "tx_lost",
    "rtcp_reports",
)


def joined(before: StreamQuality | None, now: StreamQuality) -> StreamQuality:
    """The figures of a call whose stream was begun anew: what was counted before counts on."""
    if before is None:
        return now
    return replace(now, **{name: getattr(before, name) + getattr(now, name) for name in _COUNTERS})


def as_data(total: StreamQuality, recent: RecentQuality | None, lowest_mos: float | None) -> dict[str, Any]:
    """All figures as JSON-able data: the totals, `recent`, and `lowest_mos`, the worst window of the call."""
    return asdict(total) | {"recent": None if recent is None else asdict(recent), "lowest_mos": lowest_mos}
