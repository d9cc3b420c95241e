"""python -m benchmarks.impairments [--quick] [--json FILE]: the table of docs/quality.md. Needs root.

Each row is one call of each phone, both at the same time on the same packets. PESQ is the mean of its parts.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import mean

from benchmarks.impairments.encoding import payloads
from benchmarks.impairments.listeners import baresip, both_listen, heard, softphone
from benchmarks.impairments.score import scores
from benchmarks.impairments.stage import Impairment, Stage, line
from benchmarks.impairments.voices import Samples, speech
from benchmarks.processes import BenchError, undisturbed
from softphone.config.sound import Opus
from tests.support.netns import Namespace, NetworkError

CODECS = ("PCMU", "opus")
LINES = (
    Impairment(),
    Impairment(loss_percent=1),
    Impairment(loss_percent=5),
    Impairment(loss_percent=10),
    Impairment(jitter_ms=50),
    Impairment(loss_percent=5, jitter_ms=50),
)
LAST_WORDS_S = 0.7  # what still waits in jitter buffers


@dataclass(frozen=True, slots=True)
class Row:
    """One line with one codec. `mos`: what our phone estimates; the others are PESQ."""

    codec: str
    impairment: str
    lost_percent: float
    told_percent: float
    jitter_ms: float
    buffer_ms: float
    mos: float
    ours: float
    baresip: float


async def measured(stage: Stage, codec: str, said: Samples, opus: Opus, folder: Path) -> tuple[Row, dict[str, Path]]:
    """Speaks to both phones. The row lacks its PESQ, which has time."""
    frames = payloads(said, codec, opus)
    async with softphone(stage, codec, folder) as (phone, call), baresip(stage, codec, folder / "baresip") as played:
        await both_listen(stage)
        await phone.agent.record(call, str(folder / "ours.wav"), mode="stereo")
        spoken = await asyncio.to_thread(stage.speak, frames)
        await asyncio.sleep(LAST_WORDS_S)
        await phone.agent.stop_record(call)
        told = phone.agent.quality(call) or {}
    row = Row(
        codec=codec,
        impairment=str(stage.impairment),
        lost_percent=round(100 * spoken.lost / spoken.sent, 1),
        told_percent=float(told["loss_percent"]),
        jitter_ms=float(told["jitter_mean_ms"] or 0.0),
        buffer_ms=float(told["jitter_buffer_ms"] or 0.0),
        mos=float(told["mos"]),
        ours=0.0,
        baresip=0.0,
    )
    return row, {"ours": folder / "ours.wav", "baresip": played}


def row_of(near: Namespace, far: Namespace, codec: str, impairment: Impairment, parts: int, opus: Opus) -> Row:
    said = speech(parts)
    with tempfile.TemporaryDirectory(prefix="softphone-bench-") as folder, Stage(near, far, codec, impairment) as stage:
        row, files = asyncio.run(measured(stage, codec, said, opus, Path(folder)))
        found = {
            name: round(mean(scores(said, heard(file), wideband=codec == "opus")), 2) for name, file in files.items()
        }
    return Row(**asdict(row) | found)


def rows(parts: int, opus: Opus, codecs: tuple[str, ...], lines: tuple[Impairment, ...]) -> Iterator[Row]:
    with line() as (near, far):
        for codec in codecs:
            for impairment in lines:
                sys.stderr.write(f"{codec}, {impairment} …\n")
                yield row_of(near, far, codec, impairment, parts, opus)


def table(found: list[Row]) -> str:
    """As docs/quality.md shows it."""
    head = "| codec | impairment | lost, told | jitter, buffer | MOS told | PESQ ours | PESQ baresip |"
    lines = [head, "|---|---|---|---|---|---|---|"]
    for r in found:
        lines.append(
            f"| {r.codec} | {r.impairment} | {r.lost_percent:.1f} %, {r.told_percent:.1f} %"
            f" | {r.jitter_ms:.0f} ms, {r.buffer_ms:.0f} ms | {r.mos:.2f} | {r.ours:.2f}"
            f" | {r.baresip:.2f} |"
        )
    return "\n".join(lines)


def arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="benchmarks.impairments", description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--quick", action="store_true", help="one part of eight seconds in each call")
    parser.add_argument("--codec", choices=CODECS, action="append", help="only this one; may be repeated")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there too")
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    args = arguments(argv)
    try:
        with undisturbed():
            found = list(rows(1 if args.quick else 3, Opus(), tuple(args.codec or CODECS), LINES))
    except (BenchError, NetworkError) as error:
        sys.stderr.write(f"benchmarks: {error}\n")
        return 2
    print(table(found))
    if args.json:
        args.json.write_text(json.dumps([asdict(row) for row in found], indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
