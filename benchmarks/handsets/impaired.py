"""python -m benchmarks.handsets.impaired: speech from a browser over a bad line, ours and as documented, by PESQ.

The browser's packets are lost and delayed by chance that repeats; both gateways get the same. PESQ and root are not
needed for anything else here: pip install -e '.[bench]'.
"""

from __future__ import annotations

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
from benchmarks.impairments.score import scores
from benchmarks.impairments.voices import speech
from benchmarks.processes import PYTHON, Child, undisturbed
from softphone.testing.audio import Sound

PARTS = 3
SETTLE_S = 3.0
RATE_HZ = 16_000
LINES = ((0, 0), (0, 50), (5, 0), (5, 50))
"""Loss in per cent, and jitter: each packet waits between 0 and so many milliseconds."""


def heard(kind: str, loss: int, jitter_ms: int, seconds: float) -> Sound:
    """What comes out of the mixer while the browser speaks for so long."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
        far = stack.enter_context(FarSide("PCMU", folder))
        gateway = stack.enter_context(
            Child(
                [PYTHON, "-m", "benchmarks.handsets.gateway", kind, "--port", str(far.port)],
                folder / "gateway.log",
                talks=True,
            )
        )
        line = ["--loss", str(loss), "--jitter", str(jitter_ms), "--speech", str(PARTS)]
        browsers = stack.enter_context(
            Child([PYTHON, "-m", "benchmarks.handsets.browsers", *line], folder / "browsers.log", talks=True)
        )
        _answer(gateway)
        _asked(browsers, "answers " + json.dumps(_asked(gateway, "offers " + json.dumps(_asked(browsers, "offers 1")))))
        _asked(gateway, "listen")
        time.sleep(SETTLE_S + seconds)
        pieces = [np.frombuffer(base64.b64decode(pcm), np.int16) for _, pcm in _asked(gateway, "heard")]
    return Sound(np.concatenate(pieces) / 32768, RATE_HZ)


def main() -> int:
    said = speech(PARTS)
    print("| loss | jitter | ours | aiortc's tracks as documented |\n|---|---|---|---|")
    for loss, jitter_ms in LINES:
        found = []
        for kind in ("ours", "documented"):
            with undisturbed():
                sound = heard(kind, loss, jitter_ms, len(said) / RATE_HZ + 1)
            found.append(f"{statistics.mean(scores(said, sound, wideband=True)):.2f}")
        print(f"| {loss} % | {jitter_ms} ms | {' | '.join(found)} |", flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
