"""Real speech for the measurement: prompts that a person spoke, from Debian's package of Asterisk's sounds (CC-BY-SA).

The package is downloaded once, by apt and so with its signature checked, and unpacked into the cache; it is not
installed.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from benchmarks.processes import BenchError

PACKAGE = "asterisk-core-sounds-en-g722"
PROMPTS = ("demo-congrats", "demo-instruct", "vm-intro", "vm-newuser")
RATE_HZ = 16_000
PART_S = 8.0
"""PESQ is made for pieces of 8 to 12 seconds (ITU-T P.862.3)."""

Samples = NDArray[np.int16]


def speech(parts: int) -> Samples:
    """So many parts of PART_S seconds, mono at RATE_HZ. Raises BenchError."""
    folder = _unpacked()
    spoken = np.concatenate([_decoded(_only(folder, f"{name}.g722")) for name in PROMPTS])
    wanted = int(parts * PART_S * RATE_HZ)
    return np.resize(spoken, wanted)


def _unpacked() -> Path:
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "softphone"
    folder = cache / PACKAGE
    if not folder.exists():
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache) as scratch:
            _run("apt-get", "download", "-q", PACKAGE, cwd=scratch)
            (package,) = Path(scratch).glob("*.deb")
            _run("dpkg-deb", "-x", package.name, "x", cwd=scratch)
            (Path(scratch) / "x").rename(folder)
    return folder


def _run(*command: str, cwd: str) -> None:
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise BenchError(f"no speech to measure with: {' '.join(command)}: {done.stderr.strip()}")


def _only(folder: Path, name: str) -> Path:
    found = sorted(folder.rglob(name))
    if not found:
        raise BenchError(f"{PACKAGE} has no {name}; remove {folder} and try again")
    return found[0]


def _decoded(file: Path) -> Samples:
    with av.open(str(file), format="g722") as opened:
        return np.concatenate([frame.to_ndarray().ravel() for frame in opened.decode(audio=0)])
