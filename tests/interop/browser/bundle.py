"""SIP.js as one script: fetched once into the cache, by the pins of package-lock.json, and bundled by esbuild.

Standard library only: peers/install.py uses it before anything else is there.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
from pathlib import Path

HERE = Path(__file__).parent
_PINS = ("package.json", "package-lock.json")


class BundleError(Exception):
    """The script could not be made; says what to do."""


def ensure_packages() -> Path:
    """The folder with node_modules; the first time, npm fetches them (SIP.js and esbuild; no script of theirs runs)."""
    folder = _folder()
    folder.parent.mkdir(parents=True, exist_ok=True)
    with (folder.parent / "sipjs.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            _fetch(folder)
    return folder


def _fetch(folder: Path) -> None:
    half = folder.with_suffix(".half")
    shutil.rmtree(half, ignore_errors=True)
    half.mkdir()
    for name in _PINS:
        shutil.copy(HERE / name, half)
    command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
    done = subprocess.run(command, cwd=half, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise BundleError(f"npm could not fetch SIP.js: see whether it reaches its registry\n{done.stderr[-2000:]}")
    half.rename(folder)


def bundled(script: Path) -> str:
    """A script with everything that it imports, as one script for a page."""
    modules = _folder() / "node_modules"
    if not modules.exists():  # the test may have no network to fetch it by
        raise BundleError("SIP.js is not there: run python3 tests/interop/peers/install.py")
    # npm leaves esbuild's program beside the package when no script of the package may run
    programs = [*modules.glob("@esbuild/*/bin/esbuild"), modules / "esbuild" / "bin" / "esbuild"]
    command = [str(programs[0]), str(script), "--bundle", "--format=iife", "--log-level=warning"]
    environment = {**os.environ, "NODE_PATH": str(modules)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise BundleError(f"esbuild could not bundle {script.name}\n{done.stderr[-2000:]}")
    return done.stdout


def _folder() -> Path:
    pins = b"".join((HERE / name).read_bytes() for name in _PINS)
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "softphone" / "peers"
    return cache / f"sipjs-{hashlib.sha256(pins).hexdigest()[:12]}"
