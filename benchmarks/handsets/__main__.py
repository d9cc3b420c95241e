"""python -m benchmarks.handsets [--quick]: processor time and delay of browser handsets, ours and as documented."""

from __future__ import annotations

import argparse
import base64
import json
import statistics
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.farside import FarSide
from benchmarks.handsets.browsers import chirp
from benchmarks.processes import PYTHON, BenchError, Child, cpu_s, spent_s, undisturbed

COUNTS = (1, 5, 10, 20)
WINDOW_S = 8.0
SETTLE_S = 6.0  # jitter buffers have settled, and aiortc's first packets have come
RATE_HZ = 16_000

CPU_AIM, DELAY_AIM = 0.35, 0.45


@dataclass(frozen=True, slots=True)
class Found:
    """One run: per cent of a core per call, the delay from the browser to the mixer, and gaps of over 60 ms."""

    kind: str
    codec: str
    calls: int
    cpu_percent: float
    delay_ms: float
    worst_ms: float
    chirps: int


def one_run(kind: str, codec: str, calls: int, *, window_s: float = WINDOW_S) -> Found:
    """A gateway process of one kind with so many browsers, each in a call."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
        far = stack.enter_context(FarSide("PCMU", folder))
        command = [PYTHON, "-m", "benchmarks.handsets.gateway", kind, "--port", str(far.port)]
        gateway = stack.enter_context(Child(command, folder / "gateway.log", talks=True))
        browsers = stack.enter_context(
            Child([PYTHON, "-m", "benchmarks.handsets.browsers", "--codec", codec], folder / "browsers.log", talks=True)
        )
        _answer(gateway)
        offers = _asked(browsers, f"offers {calls}")
        answers = _asked(gateway, f"offers {json.dumps(offers)}")
        _asked(browsers, f"answers {json.dumps(answers)}")
        time.sleep(SETTLE_S)
        _asked(gateway, "listen")
        before, start_s = cpu_s(gateway.pid), time.monotonic()
        time.sleep(window_s)
        after, lasted_s = cpu_s(gateway.pid), time.monotonic() - start_s
        delays = _delays(_asked(browsers, "sent"), _asked(gateway, "heard"))
        if not delays:
            raise BenchError(f"{kind}, {calls} calls: no chirp was heard")
        cpu = spent_s(before, after) / lasted_s / calls * 100
        return Found(kind, codec, calls, cpu, float(statistics.median(delays)), float(max(delays)), len(delays))


def _asked(child: Child, line: str) -> list:  # type: ignore[type-arg]
    child.enter(line)
    return _answer(child)


def _answer(child: Child) -> list:  # type: ignore[type-arg]
    line = child.read_line(60)
    if not line:
        raise BenchError(f"it has ended: {child.words()[-2000:]}")
    return json.loads(line)  # type: ignore[no-any-return]


def _delays(sent: Sequence[float], heard: Sequence[tuple[float, str]]) -> list[float]:
    """Milliseconds from each chirp's sending to its coming out of the mixer."""
    pieces = [np.frombuffer(base64.b64decode(pcm), np.int16) for _, pcm in heard]
    if not pieces:
        return []
    # a piece that holds more than one frame was waiting: its time is that of its last frame
    starts = np.cumsum([0, *(len(piece) for piece in pieces)])
    sound = np.concatenate(pieces).astype(float)
    reference = chirp().astype(float)
    size = 1 << int(np.ceil(np.log2(len(sound) + len(reference))))
    match = np.fft.irfft(np.fft.rfft(sound, size) * np.conj(np.fft.rfft(reference, size)), size)[: len(sound)]
    found = []
    for piece, (at_s, _) in enumerate(heard):
        lo, hi = starts[piece], starts[piece + 1]
        peak = int(lo + np.argmax(match[lo:hi]))
        near = match[max(0, peak - RATE_HZ // 3) : peak + RATE_HZ // 3]
        if match[peak] < near.max() or match[peak] < 0.3 * match.max():
            continue
        last_frame = hi - RATE_HZ // 50
        when_s = at_s + (peak - last_frame) / RATE_HZ
        begun = [when_s - each for each in sent if 0 < when_s - each < 0.9]
        found += [min(begun) * 1000] if begun else []
    return found


def show(found: Sequence[Found]) -> Table:
    grid = Table(title="Browser handsets, each in a SIP call: CPU per call (% of a core) and one-way delay (ms)")
    for column in ("codec", "calls", "CPU", "documented", "ratio", "delay", "documented", "ratio"):
        grid.add_column(column, justify="right")
    for ours in (each for each in found if each.kind == "ours"):
        theirs = next(x for x in found if (x.kind, x.codec, x.calls) == ("documented", ours.codec, ours.calls))
        grid.add_row(
            ours.codec,
            str(ours.calls),
            f"{ours.cpu_percent:.2f}",
            f"{theirs.cpu_percent:.2f}",
            f"{ours.cpu_percent / theirs.cpu_percent:.2f}",
            f"{ours.delay_ms:.0f}",
            f"{theirs.delay_ms:.0f}",
            f"{ours.delay_ms / theirs.delay_ms:.2f}",
        )
    return grid


def compared(codecs: Sequence[str], counts: Sequence[int]) -> list[Found]:
    """Both kinds in turn, each told as it is done."""
    found = []
    for codec in codecs:
        for calls in counts:
            for kind in ("ours", "documented"):
                with undisturbed():
                    found.append(one_run(kind, codec, calls))
                done = found[-1]
                print(f"{done.kind}, {codec}, {calls}: {done.cpu_percent:.2f} %, {done.delay_ms:.0f} ms", flush=True)
    return found


def short() -> Table:
    """What fits beside other benchmarks, within a minute: ten calls with Opus."""
    return show(compared(("opus",), (10,)))


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="benchmarks.handsets", description=(__doc__ or "").split(": ", 1)[1])
    parser.add_argument("--quick", action="store_true", help="ten calls alone")
    parser.add_argument("--calls", type=int, nargs="+", help="how many calls, instead of 1, 5, 10 and 20")
    args = parser.parse_args(argv)
    counts = args.calls or ((10,) if args.quick else COUNTS)
    found = compared(("opus", "PCMU"), counts)
    Console(width=120).print(show(found), f"aims: CPU at most {CPU_AIM} of it, delay at most {DELAY_AIM}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
