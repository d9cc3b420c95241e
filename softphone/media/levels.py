"""How loud a recording is: peak, and how much of it is silence."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

SILENCE_DBFS = -50.0  # a quiet line with comfort noise is below, quiet speech above
WINDOW_MS = 20


@dataclass(frozen=True, slots=True)
class Level:
    """Of one channel. `peak_dbfs`: 0 is full scale, None when there was nothing but zeros (or nothing at all).

    `silence_share`: 0 to 1, the share of 20 ms windows whose peak stays below -50 dBFS.
    """

    peak_dbfs: float | None
    silence_share: float


class LevelMeter:
    """Takes samples as they come, in any portions."""

    def __init__(self, rate_hz: int, channels: int) -> None:
        self._window = max(1, rate_hz * WINDOW_MS // 1000)
        self._threshold = 32768 * 10 ** (SILENCE_DBFS / 20)
        self._rest = np.zeros((0, channels), np.int16)
        self._peaks = np.zeros(channels, np.int32)
        self._silent = np.zeros(channels, np.int64)
        self._windows = 0

    def add(self, samples: NDArray[np.int16]) -> None:
        """`samples`: shape (n, channels)."""
        joined = np.concatenate([self._rest, samples])
        whole = len(joined) // self._window * self._window
        self._count(joined[:whole].reshape(-1, self._window, joined.shape[1]))
        self._rest = joined[whole:]

    def _count(self, windows: NDArray[np.int16]) -> None:
        if not len(windows):
            return
        peaks = np.abs(windows.astype(np.int32)).max(axis=1)
        self._peaks = np.maximum(self._peaks, peaks.max(axis=0))
        self._silent += (peaks < self._threshold).sum(axis=0)
        self._windows += len(windows)

    def levels(self) -> tuple[Level, ...]:
        """One per channel, of all that was added. An incomplete last window counts as one."""
        if len(self._rest):
            self._count(self._rest[np.newaxis])
            self._rest = self._rest[:0]
        share = self._silent / self._windows if self._windows else np.zeros(len(self._peaks))
        return tuple(
            Level(round(20 * math.log10(peak / 32768), 2) if peak else None, round(float(silent), 4))
            for peak, silent in zip(self._peaks.tolist(), share.tolist(), strict=True)
        )
