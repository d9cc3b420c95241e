"""Why nobody answers on a control socket, in words: what is wrong with the path, and what to do."""

from __future__ import annotations

import grp
import os
import stat
from pathlib import Path


def explain(path: Path, error: Exception) -> str:
    """One sentence or two for a person. `error` is what the connection attempt said."""
    folder = _closed_folder(path)
    if folder is not None:
        return _no_permission(folder, path)
    try:
        found = path.stat()
    except FileNotFoundError:
        return f"no softphone runs here: there is no socket {path}. Start it (softphone run), or name its socket"
    except OSError as problem:
        return f"cannot look at {path}: {problem.strerror}"
    if not stat.S_ISSOCK(found.st_mode):
        return f"{path} is no socket; name the softphone's control socket"
    if not os.access(path, os.R_OK | os.W_OK):
        return _no_permission(path, path)
    if isinstance(error.__cause__, ConnectionRefusedError) or "refused" in str(error):
        return f"no softphone answers on {path}: it was left behind by one that is gone. Start it again (softphone run)"
    return f"the softphone on {path} did not answer: {str(error) or type(error).__name__}"


def _closed_folder(path: Path) -> Path | None:
    """The uppermost folder on the way that we may not pass."""
    for folder in reversed(path.absolute().parents):
        if folder.is_dir() and not os.access(folder, os.X_OK):
            return folder
    return None


def _no_permission(place: Path, socket: Path) -> str:
    group = _group(place)
    return (
        f"no permission to use {socket}: {place} is for group {group}. "
        f"Become a member (sudo usermod -aG {group} $USER) and log in again"
    )


def _group(place: Path) -> str:
    gid = place.stat().st_gid
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)
