"""G.711 (ITU-T G.711): 16-bit linear samples to PCMU and PCMA, 8000 Hz."""

from __future__ import annotations

import functools
from collections.abc import Callable

_BIAS = 0x84
_CLIP = 32635


def encode_ulaw(sample: int) -> int:
    """One sample to mu-law."""
    sign = 0x80 if sample < 0 else 0
    magnitude = min(abs(sample), _CLIP) + _BIAS
    exponent = magnitude.bit_length() - 8
    mantissa = (magnitude >> (exponent + 3)) & 0x0F
    return ~(sign | exponent << 4 | mantissa) & 0xFF


def encode_alaw(sample: int) -> int:
    """One sample to A-law."""
    sign = 0 if sample < 0 else 0x80
    magnitude = min(abs(sample) if sample >= 0 else ~sample, 32767) >> 3
    if magnitude < 32:
        code = magnitude >> 1
    else:
        exponent = magnitude.bit_length() - 5
        code = exponent << 4 | (magnitude >> exponent) & 0x0F
    return (sign | code) ^ 0x55


ENCODERS: dict[str, Callable[[int], int]] = {"PCMU": encode_ulaw, "PCMA": encode_alaw}


def decode_ulaw(code: int) -> int:
    """One mu-law byte to a sample."""
    code = ~code & 0xFF
    magnitude = (((code & 0x0F) << 3) + _BIAS << (code >> 4 & 7)) - _BIAS
    return -magnitude if code & 0x80 else magnitude


def decode_alaw(code: int) -> int:
    """One A-law byte to a sample."""
    code ^= 0x55
    exponent, mantissa = code >> 4 & 7, code & 0x0F
    magnitude = (mantissa << 4) + 8 if exponent == 0 else (mantissa << 4) + 0x108 << (exponent - 1)
    return magnitude if code & 0x80 else -magnitude


# What bytes.translate needs to turn one law into the other
TRANSCODED = {
    ("PCMU", "PCMA"): bytes(encode_alaw(decode_ulaw(code)) for code in range(256)),
    ("PCMA", "PCMU"): bytes(encode_ulaw(decode_alaw(code)) for code in range(256)),
}


@functools.lru_cache(maxsize=64)
def encode(codec: str, samples: tuple[int, ...]) -> bytes:
    """Samples to the payload of one codec (PCMU, PCMA); remembered. Raises KeyError for others."""
    return bytes(map(ENCODERS[codec], samples))
