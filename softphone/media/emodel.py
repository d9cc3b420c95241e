"""What a connection would be called by people who talk over it, from packet loss, delay and codec.

The estimate is the E-model of ITU-T G.107 (06/2015) with all its default values, reduced to what a phone can see. It
predicts what listeners would say on the scale 1 to 5; it hears nothing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

R_DEFAULT = 93.2  # G.107 table 3: no delay, no loss, G.711

# G.107 table 3 and equations 7-3 to 7-5 at default values
_RO = 94.77  # basic signal-to-noise ratio
_TELR_DB = 65.0  # talker echo loudness rating
_WEPL_DB = 110.0  # weighted echo path loss
_ROE = _RO  # equation 7-20: the same noise and loudness at default values


@dataclass(frozen=True, slots=True)
class CodecFactors:
    """`ie`: equipment impairment without loss; `bpl`: robustness to packet loss (bigger is better).

    `look_ahead_ms`: speech that the encoder waits for beyond the packet itself.
    """

    ie: float
    bpl: float
    look_ahead_ms: float = 0.0


# G.113 Appendix I (2007), tables I.1 and I.4: G.711 with loss concealment (which PJSIP has), GSM full rate, G.729A.
# The recommendation gives no bpl for GSM full rate (that of GSM-EFR stands in), and no values on this narrowband
# scale for G.722 and Opus: they are at least as good as G.711, so its values stand in.
_G711 = CodecFactors(0, 25.1)
CODECS: Mapping[str, CodecFactors] = MappingProxyType(
    {
        "PCMU": _G711,
        "PCMA": _G711,
        "G722": CodecFactors(0, 25.1, 1.5),
        "OPUS": CodecFactors(0, 25.1, 6.5),
        "GSM": CodecFactors(20, 10.0),
        "G729": CodecFactors(11, 19.0, 5.0),
    }
)


def codec_factors(codec: str) -> CodecFactors:
    """By RTP encoding name, any case ("PCMU", "opus", "G722"); an unknown codec counts as G.711."""
    return CODECS.get(codec.upper().replace(".", ""), _G711)


def e_model(*, loss_percent: float = 0, delay_ms: float = 0, codec: str = "PCMU", burst_ratio: float = 1.0) -> float:
    """The transmission rating R, 0 to 93.2 (G.107 equation 7-1 with every other term at its default).

    `delay_ms` is one way, mouth to ear; `burst_ratio` is 1 for random loss and above 1 for loss in bursts (2 at most:
    beyond that the equation is not validated).
    """
    impairment = loss_impairment(codec_factors(codec), loss_percent, burst_ratio)
    return max(0.0, R_DEFAULT - delay_impairment(delay_ms) - impairment)


def loss_impairment(codec: CodecFactors, loss_percent: float, burst_ratio: float = 1.0) -> float:
    """Ie,eff of G.107 equation 7-29."""
    loss_percent = min(100.0, max(0.0, loss_percent))
    burst_ratio = min(2.0, max(1.0, burst_ratio))
    return codec.ie + (95 - codec.ie) * loss_percent / (loss_percent / burst_ratio + codec.bpl)


def delay_impairment(delay_ms: float) -> float:
    """Id of G.107 equation 7-18 for a connection with default echo losses; 0 at 0 ms."""
    delay_ms = max(0.0, delay_ms)
    echo_at_listener = _listener_echo(2 * delay_ms) - _listener_echo(0)  # R_DEFAULT holds its value at 0 ms
    return _talker_echo(delay_ms) + echo_at_listener + _pure_delay(delay_ms)


def _talker_echo(delay_ms: float) -> float:
    """Idte, equations 7-19 to 7-22."""
    growth = math.log10((1 + delay_ms / 10) / (1 + delay_ms / 150))
    terv_db = _TELR_DB - 40 * growth + 6 * math.exp(-0.3 * delay_ms**2)
    half = (_ROE - (80 + 2.5 * (terv_db - 14))) / 2
    return (half + math.sqrt(half**2 + 100) - 1) * (1 - math.exp(-delay_ms))


def _listener_echo(round_trip_ms: float) -> float:
    """Idle, equations 7-25 and 7-26."""
    half = (_RO - 10.5 * (_WEPL_DB + 7) * math.pow(round_trip_ms + 1, -0.25)) / 2
    return half + math.sqrt(half**2 + 169)


def _pure_delay(delay_ms: float) -> float:
    """Idd, equation 7-27: what delay alone costs a conversation, nothing up to 100 ms."""
    if delay_ms <= 100:
        return 0.0
    x = math.log2(delay_ms / 100)
    return float(25 * ((1 + x**6) ** (1 / 6) - 3 * (1 + (x / 3) ** 6) ** (1 / 6) + 2))


def mos(r: float) -> float:
    """Mean opinion score, 1 to 4.5, of a transmission rating (G.107 Annex B, equation B-4)."""
    if r <= 0:
        return 1.0
    if r >= 100:
        return 4.5
    return max(1.0, 1 + 0.035 * r + r * (r - 60) * (100 - r) * 7e-6)
