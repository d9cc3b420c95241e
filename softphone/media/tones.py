"""Sounds made by arithmetic: DTMF, ringback, busy, beep, sine.

Levels are the peak of the sum of a tone's frequencies in dBFS (0 = full scale). Every burst fades in and out over
5 ms, so that no tone starts or ends with a click.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from softphone.errors import UsageError
from softphone.media import dtmf as keypad
from softphone.media.sources import Chunks

FADE_S = 0.005
DTMF_FADE_S = 0.002  # receivers count what is loud
_PIECE_S = 0.5


@dataclass(frozen=True, slots=True)
class Burst:
    """One stretch of sound; without frequencies it is silence."""

    duration_s: float
    frequencies_hz: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Tones:
    """A sequence of bursts as a source, the whole sequence `times` times (None: until stopped)."""

    bursts: tuple[Burst, ...]
    times: int | None = 1
    level_dbfs: float = -10.0

    def __post_init__(self) -> None:
        if not any(burst.duration_s > 0 for burst in self.bursts):
            raise UsageError("a tone needs a duration above 0 s")
        if self.level_dbfs > 0:
            raise UsageError(f"level {self.level_dbfs} dBFS: nothing can be louder than 0 dBFS")

    def chunks(self, rate_hz: int) -> Chunks:
        turn = 0
        while self.times is None or turn < self.times:
            for burst in self.bursts:
                yield from _render(burst, rate_hz, self.level_dbfs)
            turn += 1


def _render(burst: Burst, rate_hz: int, level_dbfs: float) -> Chunks:
    """One burst in pieces; the phase runs through, so the pieces join without a step."""
    total = round(burst.duration_s * rate_hz)
    step = round(_PIECE_S * rate_hz)
    for start in range(0, total, step):
        places = np.arange(start, min(start + step, total), dtype=np.float64)
        wave = _sum_of_sines(places / rate_hz, burst.frequencies_hz) * _fade(places, total, rate_hz)
        yield np.rint(wave * 10 ** (level_dbfs / 20) * 32767).astype(np.int16).tobytes()


def _sum_of_sines(times_s: NDArray[np.float64], frequencies_hz: Sequence[float]) -> NDArray[np.float64]:
    wave = np.zeros_like(times_s)
    for frequency_hz in frequencies_hz:
        wave += np.sin(2 * np.pi * frequency_hz * times_s)
    return wave / max(1, len(frequencies_hz))


def _fade(places: NDArray[np.float64], total: int, rate_hz: int, fade_s: float = FADE_S) -> NDArray[np.float64]:
    """Gain 0 to 1 at the start, 1 to 0 at the end of a burst of `total` samples."""
    nearest_edge = np.minimum(places, total - 1 - places)
    ramp: NDArray[np.float64] = np.clip(nearest_edge / max(1.0, fade_s * rate_hz), 0.0, 1.0)
    return ramp


def sine(frequency_hz: float, duration_s: float, level_dbfs: float = -10.0) -> Tones:
    """One pure tone: what a test sends to recognise itself."""
    return Tones((Burst(duration_s, (frequency_hz,)),), level_dbfs=level_dbfs)


def beep(duration_s: float = 0.3) -> Tones:
    """The signal to speak after."""
    return sine(1000, duration_s)


def ringback(times: int | None = None) -> Tones:
    """What a European caller hears while it rings: 425 Hz, 1 s on, 4 s off (ITU-T E.180)."""
    return Tones((Burst(1.0, (425,)), Burst(4.0)), times)


def ring() -> Tones:
    """What a bell sounds like here: two short trills, then a pause."""
    trill = tuple(Burst(0.05, (760,) if n % 2 else (950,)) for n in range(8))
    return Tones((*trill, Burst(0.2), *trill, Burst(2.0)))


def attention() -> Tones:
    """Before a call that nobody answered by hand is heard: a rising chime of half a second."""
    return Tones((Burst(0.2, (660,)), Burst(0.3, (880,)), Burst(0.05)))


def busy(times: int | None = None) -> Tones:
    """The European busy tone: 425 Hz, 0.5 s on, 0.5 s off (ITU-T E.180)."""
    return Tones((Burst(0.5, (425,)), Burst(0.5)), times)


def dtmf(digits: str, tone_ms: int = 100, gap_ms: int = 100, level_dbfs: float = -6.0) -> Tones:
    """Digits as sound. Receivers need 40 ms of tone and of gap (ITU-T Q.24); UsageError below that or for no digit."""
    if tone_ms < 40 or gap_ms < 40:
        raise UsageError(f"a tone of {tone_ms} ms and a gap of {gap_ms} ms: receivers need 40 ms of each")
    bursts: list[Burst] = []
    for digit in keypad.normalize(digits):
        if digit == keypad.PAUSE:
            bursts.append(Burst(keypad.PAUSE_S))
        else:
            bursts += [Burst(tone_ms / 1000, keypad.FREQUENCIES_HZ[digit]), Burst(gap_ms / 1000)]
    return Tones(tuple(bursts), level_dbfs=level_dbfs)


DTMF_HIGH_DBM0 = -7.0
DTMF_TWIST_DB = 2.0
"""The high tone is this much louder, since lines damp it more."""

_0_DBM0 = 10 ** (-3.14 / 20)
"""The peak of a tone of 0 dBm0, of full scale (ITU-T G.711)."""


def dtmf_digit(digit: str, duration_ms: int, rate_hz: int) -> bytes:
    """One digit as PCM to send to a receiver (ITU-T Q.23): its tones at -9 and -7 dBm0. UsageError for no digit."""
    key = keypad.normalize(digit)
    if key not in keypad.FREQUENCIES_HZ:
        raise UsageError(f"{digit!r} is not one digit that sounds")
    total = round(duration_ms / 1000 * rate_hz)
    places = np.arange(total, dtype=np.float64)
    wave = np.zeros_like(places)
    for frequency_hz, level in zip(
        keypad.FREQUENCIES_HZ[key], (DTMF_HIGH_DBM0 - DTMF_TWIST_DB, DTMF_HIGH_DBM0), strict=True
    ):
        wave += _0_DBM0 * 10 ** (level / 20) * np.sin(2 * np.pi * frequency_hz * places / rate_hz)
    return np.rint(wave * _fade(places, total, rate_hz, DTMF_FADE_S) * 32767).astype(np.int16).tobytes()
