"""Where the phone keeps its socket and its recordings when the configuration does not say."""

from __future__ import annotations

import os
from collections.abc import Mapping
from hashlib import blake2b
from pathlib import Path


def default_socket(environ: Mapping[str, str] | None = None) -> Path:
    """systemd's RuntimeDirectory=, else the user's runtime folder, else /run/softphone."""
    env = os.environ if environ is None else environ
    if folder := _first(env.get("RUNTIME_DIRECTORY")):
        return Path(folder) / "control.sock"
    if runtime := env.get("XDG_RUNTIME_DIR"):
        return Path(runtime) / "softphone" / "control.sock"
    return Path("/run/softphone/control.sock")


def default_recordings(environ: Mapping[str, str] | None = None) -> Path:
    """A folder of its own among what the phone keeps."""
    return default_state(environ) / "recordings"


def default_state(environ: Mapping[str, str] | None = None) -> Path:
    """systemd's StateDirectory=, else the user's state folder."""
    env = os.environ if environ is None else environ
    if folder := _first(env.get("STATE_DIRECTORY")):
        return Path(folder)
    state = env.get("XDG_STATE_HOME")
    return (Path(state) if state else Path.home() / ".local" / "state") / "softphone"


def _first(folders: str | None) -> str:
    """systemd lists several folders with colons between."""
    return folders.split(":")[0] if folders else ""


def name_of(socket: Path) -> str:
    """Part of the names of state files: each phone of a machine has its own, known by its control socket."""
    return blake2b(str(socket.absolute()).encode(), digest_size=6).hexdigest()
