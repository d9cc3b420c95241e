"""python -m benchmarks.handsets.impaired: speech by WebRTC over a bad line, by PESQ; ours, aiortc's way, and Chromium.

Each pair of ends has the same speech, and the same chance for each packet (see line.py). PESQ and Chromium are needed
for nothing else here: pip install -e '.[bench]', apt-get install chromium.
"""

from __future__ import annotations

import argparse
import base64
import json
import statistics
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from benchmarks.farside import FarSide
from benchmarks.handsets.__main__ import _answer, _asked
from benchmarks.handsets.line import BadLine
from benchmarks.impairments.score import score_of_parts
from benchmarks.impairments.voices import PART_S, speech
from benchmarks.processes import PYTHON, Child, undisturbed
from softphone.testing.audio import Sound

PARTS = 3
SETTLE_S = 5.0  # jitter buffers have settled, and Chromium has learnt of the loss by RTCP
LISTEN_S = (PARTS + 1) * PART_S + 1
"""Speech goes round and round: in so long a time each part comes once in one piece."""
RATE_HZ = 16_000
END_S = 20
LINES = ((0, 0), (5, 0), (0, 50), (5, 50))
"""Loss in per cent, and jitter: each packet waits between 0 and so many milliseconds."""

PAIRS = (
    ("aiortc", "ours"),
    ("aiortc", "documented"),
    ("aiortc", "Chromium"),
    ("Chromium", "ours"),
    ("Chromium", "Chromium"),
    ("ours", "Chromium"),
)
"""Who speaks, and who hears. `documented`: aiortc's own tracks, resampler and jitter buffer."""
GATEWAYS = ("ours", "documented")


def heard(speaker: str, hearer: str, loss: int, jitter_ms: int) -> Sound:
    """What comes out at one end while the other speaks."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
        far = stack.enter_context(FarSide("PCMU", folder))
        line = stack.enter_context(BadLine(loss_percent=loss, jitter_ms=jitter_ms))
        speaks, hears = (
            stack.enter_context(Child(_command(kind, far.port, parts), folder / f"{kind} {parts}.log", talks=True))
            for kind, parts in ((speaker, PARTS), (hearer, 0))
        )
        for child in [child for child, kind in ((speaks, speaker), (hears, hearer)) if kind in GATEWAYS]:
            _answer(child)
        # a gateway answers and never offers
        offering, answering = (hears, speaks) if speaker in GATEWAYS else (speaks, hears)
        offer = line.offer(_asked(offering, "offers 1")[0])
        answer = line.answer(_asked(answering, "offers " + json.dumps([offer]))[0])
        _asked(offering, "answers " + json.dumps([answer]))
        time.sleep(SETTLE_S)
        _asked(hears, "listen")
        time.sleep(LISTEN_S)
        pieces = [np.frombuffer(base64.b64decode(pcm), np.int16) for _, pcm in _asked(hears, "heard")]
        for child, kind in ((speaks, speaker), (hears, hearer)):
            if kind == "Chromium":
                child.process.communicate(timeout=END_S)  # the end of its input: it closes the browser
    return Sound(np.concatenate(pieces) / 32768, RATE_HZ)


def _command(kind: str, far_port: int, parts: int) -> list[str]:
    """An end that says so many parts of speech; without any, one that hears."""
    programs = {"aiortc": "browsers", "Chromium": "chromium"}
    command = [PYTHON, "-m", f"benchmarks.handsets.{programs.get(kind, 'gateway')}", "--speech", str(parts)]
    return [*command, "--port", str(far_port), kind] if kind in GATEWAYS else command


def main() -> int:
    parser = argparse.ArgumentParser(prog="benchmarks.handsets.impaired", description=(__doc__ or "").split(": ", 1)[1])
    parser.add_argument("--pair", nargs=2, action="append", metavar=("SPEAKER", "HEARER"), help="these pairs alone")
    args = parser.parse_args()
    said = speech(PARTS)
    names = [f"{loss} % loss, {jitter_ms} ms jitter" for loss, jitter_ms in LINES]
    print(f"| who speaks | who hears | {' | '.join(names)} |\n|---|---|{'---|' * len(names)}")
    for speaker, hearer in args.pair or PAIRS:
        found = []
        for loss, jitter_ms in LINES:
            with undisturbed():
                sound = heard(speaker, hearer, loss, jitter_ms)
            found.append(f"{statistics.mean(score_of_parts(said, sound)):.2f}")
        print(f"| {speaker} | {hearer} | {' | '.join(found)} |", flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
