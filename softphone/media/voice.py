"""A port whose other end is RTP: it codes, decodes, buffers and keeps time by itself, without Python.

What Python does is carry packets: those that `on_packet` gives go out (encrypted elsewhere), those that came in go to
`receive`. Times are milliseconds, rates parts per million of the mixer's clock.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from softphone.media.ports import Port


@dataclass(frozen=True, slots=True)
class VoiceSettings:
    """What was negotiated, and the limits of the jitter buffer.

    `codec`: opus, pcmu or pcma. `events_type`: the payload type of telephone-event (RFC 4733), None without; its clock
    is `events_rate_hz`. `ssrc` is ours. `bitrate_bps` and `complexity` (0 to 10) are Opus's.
    """

    codec: str
    payload_type: int
    ssrc: int
    events_type: int | None = None
    events_rate_hz: int = 8000
    bitrate_bps: int = 28_000
    complexity: int = 5
    least_delay_ms: int = 20
    most_delay_ms: int = 500


@dataclass(frozen=True, slots=True)
class VoiceFigures:
    """What one voice port saw since it was opened.

    Received: `rx_packets`, of them `rx_lost` never came, `rx_late` came after their time, `rx_duplicates`,
    `rx_reordered`; `fec_frames` were restored from the next packet, `concealed_frames` were made up, `underruns` counts
    the times that nothing was there to play, `overruns` the packets thrown away because too many waited.
    `delay_ms` waits to be played now, `target_ms` should wait; `drift_ppm` is the far clock against the mixer's (None
    until it is known), `correction_ppm` what the resampler does about it now.
    Sent: `tx_packets`, and `tx_dropped` that nobody took in time.
    """

    rx_packets: int = 0
    rx_bytes: int = 0
    rx_lost: int = 0
    rx_late: int = 0
    rx_duplicates: int = 0
    rx_reordered: int = 0
    fec_frames: int = 0
    concealed_frames: int = 0
    underruns: int = 0
    overruns: int = 0
    jitter_ms: float = 0.0
    delay_ms: float = 0.0
    target_ms: float = 0.0
    drift_ppm: float | None = None
    correction_ppm: float = 0.0
    tx_packets: int = 0
    tx_bytes: int = 0
    tx_dropped: int = 0


@dataclass(frozen=True, slots=True)
class VoiceClock:
    """What RTCP needs: `rtp_time` of the frame that went out last, and how long ago that was.

    Of what came in: the extended highest sequence number, the count of lost packets, jitter in RTP clock units, and the
    sender's SSRC (None until a packet came).
    """

    rtp_time: int
    age_s: float
    highest: int
    lost: int
    expected: int
    jitter: int
    ssrc: int | None


class VoicePort(Port, Protocol):
    """All methods and callbacks belong to the event loop's thread. None of them blocks."""

    def receive(self, packet: bytes) -> None:
        """An RTP packet came in, decrypted. What is no packet of this stream is counted and dropped."""

    def on_packet(self, callback: Callable[[bytes], None] | None) -> None:
        """`callback(packet)` runs with each RTP packet that is to go out."""

    def on_digit(self, callback: Callable[[str, int], None] | None) -> None:
        """`callback(digit, duration_ms)` runs when the far end has pressed a key and let go."""

    def send_digit(self, digit: str, duration_ms: int) -> bool:
        """Queues a key (RFC 4733); False where that was not negotiated or too many wait."""

    def expect_loss(self, percent: int) -> None:
        """What the far end loses of ours: makes Opus spend more on redundancy."""

    def figures(self) -> VoiceFigures: ...

    def clock(self) -> VoiceClock: ...

    def close(self) -> None:
        """Leaves the mixer. Idempotent; callbacks stop at once."""


class VoiceMixer(Protocol):
    """A mixer that has voice ports."""

    def open_voice(self, name: str, settings: VoiceSettings) -> VoicePort:
        """Raises MediaError."""
