"""Keeps the channels of a recording side by side.

Channels come from ports on one mixer clock, so the same number of samples is the same moment; but the portions arrive
one after the other, and a port may lose sound (its queue overran while the program was busy). So a channel that is
ahead waits, and only when the distance is more than late delivery explains is it closed: the one behind gets silence.
If what it lacked arrives after all, that silence is taken back, by leaving out as much.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


class Aligner:
    """Signed 16 bit mono PCM per channel in, frames of all channels out."""

    def __init__(self, channels: int, max_skew_samples: int) -> None:
        self._queues = [bytearray() for _ in range(channels)]
        self._owed = [0] * channels  # bytes of silence that stand in for sound that may still come
        self._max_skew = max_skew_samples * 2

    @property
    def ready_samples(self) -> int:
        """How many frames are complete."""
        return min(len(queue) for queue in self._queues) // 2

    @property
    def skewed(self) -> bool:
        return self._lead > self._max_skew

    @property
    def _lead(self) -> int:
        lengths = [len(queue) for queue in self._queues]
        return max(lengths) - min(lengths)

    def feed(self, channel: int, pcm: bytes) -> None:
        self._queues[channel] += pcm

    def correct(self) -> None:
        """Closes a distance that has grown too big. To be called when all that has arrived has been fed."""
        if not self.skewed:
            return
        for channel, queue in enumerate(self._queues):
            late = min(self._owed[channel], len(queue) - min(len(other) for other in self._queues))
            del queue[:late]
            self._owed[channel] -= late
        if self.skewed:
            self.even_out(owing=True)

    def even_out(self, *, owing: bool = False) -> None:
        """Fills all channels up with silence to the length of the longest."""
        longest = max(len(queue) for queue in self._queues)
        for channel, queue in enumerate(self._queues):
            missing = longest - len(queue)
            queue += bytes(missing)
            self._owed[channel] = self._owed[channel] + missing if owing else 0

    def take(self, limit_samples: int) -> NDArray[np.int16]:
        """Removes up to `limit_samples` complete frames; shape (n, channels)."""
        size = min(self.ready_samples, limit_samples) * 2
        columns = [np.frombuffer(bytes(queue[:size]), np.int16) for queue in self._queues]
        for queue in self._queues:
            del queue[:size]
        return np.column_stack(columns)
