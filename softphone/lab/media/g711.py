"""G.711 (ITU-T G.711): 16-bit linear samples to PCMU and PCMA, 8000 Hz."""

from __future__ import annotations

from collections.abc import Callable, Iterable

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


def encode(codec: str, samples: Iterable[int]) -> bytes:
    """Samples to the payload of one codec (PCMU, PCMA). Raises KeyError for others."""
    return bytes(map(ENCODERS[codec], samples))
