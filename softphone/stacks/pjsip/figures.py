"""The figures of a call's media, from PJSIP's counters to ours."""

from __future__ import annotations

import pjsua2 as pj

from softphone.media.emodel import e_model, mos
from softphone.media.quality import PeerMetrics, StreamQuality

_UNAVAILABLE = 127  # RFC 3611 section 4.7.5


def measure(call_id: int, codec: str, clock_rate_hz: int) -> StreamQuality | None:
    """The figures of a call's audio stream; None where there is none. Any thread."""
    found = pj.mediaFigures(call_id, 0)
    if not found.valid:
        return None
    quality = StreamQuality(
        codec=codec,
        clock_rate_hz=clock_rate_hz,
        ptime_ms=found.ptimeMs,
        rx_packets=found.rxPackets,
        rx_bytes=found.rxBytes,
        rx_lost=found.rxLost,
        rx_loss_bursts=found.rxLossPeriods,
        rx_discarded=found.rxDiscarded,
        rx_duplicates=found.rxDuplicates,
        rx_reordered=found.rxReordered,
        tx_packets=found.txPackets,
        tx_bytes=found.txBytes,
        tx_lost=found.txLost,
        rtcp_reports=found.reports,
        jitter_ms=_known(found.jitterMs),
        jitter_mean_ms=_known(found.jitterMeanMs),
        jitter_max_ms=_known(found.jitterMaxMs),
        tx_jitter_ms=_known(found.txJitterMs),
        jitter_buffer_ms=_known(found.bufferMs),
        rtt_ms=_known(found.rttMs),
        rtt_mean_ms=_known(found.rttMeanMs),
        xr=_peer(found.peer) if found.xr and found.peer.known else None,
    )
    if found.xr and quality.r_factor is not None and quality.mos is not None:
        listening = mos(e_model(loss_percent=quality.loss_percent, codec=codec))  # without delay: nobody converses
        pj.setVoipMetrics(call_id, 0, quality.r_factor, listening, quality.mos)
    return quality


def _known(value: float) -> float | None:
    return None if value < 0 else round(value, 3)


def _peer(block: pj.PeerVoipMetrics) -> PeerMetrics:
    return PeerMetrics(
        loss_percent=_share(block.lossRate),
        discarded_percent=_share(block.discardRate),
        burst_percent=_share(block.burstDensity),
        gap_percent=_share(block.gapDensity),
        burst_ms=block.burstMs,
        gap_ms=block.gapMs,
        rtt_ms=block.roundTripMs,
        end_system_ms=block.endSystemMs,
        jitter_buffer_ms=block.bufferMs,
        jitter_buffer_max_ms=block.bufferMaxMs,
        r_factor=None if block.rFactor >= _UNAVAILABLE else block.rFactor,
        mos_listening=None if block.mosLq >= _UNAVAILABLE else block.mosLq / 10,
        mos_conversational=None if block.mosCq >= _UNAVAILABLE else block.mosCq / 10,
    )


def _share(of_256: int) -> float:
    return round(100 * of_256 / 256, 2)
