"""How much of the speech got through: PESQ (ITU-T P.862) of what was heard against what was said."""

from __future__ import annotations

import numpy as np

from benchmarks.impairments.voices import PART_S, RATE_HZ, Samples
from benchmarks.processes import BenchError
from softphone.testing.audio import Sound, find

SLACK_S = 0.6
"""Heard parts are cut out with so much around them: PESQ aligns the rest."""


def scores(said: Samples, heard: Sound, *, wideband: bool) -> list[float]:
    """MOS-LQO of each part of PART_S seconds; 1.0 for a part of which nothing was heard."""
    rate_hz = RATE_HZ if wideband else 8_000
    spoken = Sound(said / 32768, RATE_HZ)
    lag_s = find(spoken, heard).lag_s
    parts = int(spoken.seconds / PART_S)
    return [
        _score(
            spoken.cut(part * PART_S, (part + 1) * PART_S),
            heard.cut(
                max(0.0, part * PART_S + lag_s - SLACK_S / 2), max(0.0, (part + 1) * PART_S + lag_s + SLACK_S / 2)
            ),
            rate_hz,
            "wb" if wideband else "nb",
        )
        for part in range(parts)
    ]


def score_of_parts(said: Samples, heard: Sound) -> list[float]:
    """The same by wideband PESQ where speech goes round: each part is looked for by itself, wherever it is."""
    spoken, found = Sound(said / 32768, RATE_HZ), []
    for part in range(int(spoken.seconds / PART_S)):
        piece = spoken.cut(part * PART_S, (part + 1) * PART_S)
        lag_s = find(piece, heard, min_overlap=0.99).lag_s
        around = heard.cut(max(0.0, lag_s - SLACK_S / 2), lag_s + PART_S + SLACK_S / 2)
        found.append(_score(piece, around, RATE_HZ, "wb"))
    return found


def _score(said: Sound, heard: Sound, rate_hz: int, mode: str) -> float:
    try:
        from pesq import PesqError, pesq
    except ImportError:
        raise BenchError("PESQ is not installed: .venv/bin/pip install -e '.[bench]'") from None
    found = pesq(rate_hz, _at(said, rate_hz), _at(heard, rate_hz), mode, on_error=PesqError.RETURN_VALUES)
    return max(1.0, float(found))  # -1: it found nothing that could be speech


def _at(sound: Sound, rate_hz: int) -> Samples:
    return np.clip(sound.at_rate(rate_hz).samples * 32768, -32768, 32767).astype(np.int16)
