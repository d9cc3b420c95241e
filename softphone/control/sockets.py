"""The control socket in the file system: who may reach it, and that only one daemon answers on it."""

from __future__ import annotations

import errno
import fcntl
import grp
import os
import socket
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from softphone.errors import ConfigError, Conflict

BACKLOG = 512
MAX_PATH_BYTES = 107  # sun_path of unix(7) less its closing zero
LOCK_TIMEOUT_S = 2.0
PROBE_TIMEOUT_S = 1.0


@dataclass(frozen=True, slots=True)
class OwnedSocket:
    """A listening socket, and which file is ours."""

    path: Path
    sock: socket.socket
    device: int
    inode: int

    def unlink(self) -> None:
        """Removes the file unless it is no longer ours (a successor's, say)."""
        with suppress(OSError):
            found = os.lstat(self.path)
            if (found.st_dev, found.st_ino) == (self.device, self.inode):
                os.unlink(self.path)


def listen(path: Path, *, group: str | None = None, mode: int = 0o660) -> OwnedSocket:
    """Makes `path` our listening socket. Blocks for some milliseconds.

    group: name or number of the group that may use it; None leaves it to the process.
    The folder above is made where missing: 0750 and of that group if there is one, 0755 otherwise.

    Raises ConfigError where the path or the group cannot be, Conflict where another daemon answers.
    """
    if len(os.fsencode(path)) > MAX_PATH_BYTES:
        raise _wrong(f"{path} is too long for a socket: {MAX_PATH_BYTES} bytes at most")
    gid = _gid(group) if group else None
    try:
        _make_folder(path.parent, gid)
        with _locked(path.parent):
            _clear(path)
            return _bind(path, gid, mode)
    except OSError as error:
        raise _wrong(f"cannot make {error.filename or path}: {error.strerror}. {_CURE}") from error


_CURE = "Let the process own the folder (systemd: RuntimeDirectory=), or set another path"


def _wrong(message: str, key: str = "control.socket") -> ConfigError:
    return ConfigError(message, key=key)


def _gid(group: str) -> int:
    if group.isdigit():
        return int(group)
    try:
        return grp.getgrnam(group).gr_gid
    except KeyError:
        raise _wrong(f"there is no group {group!r} here; make it by groupadd", "control.group") from None


def _make_folder(folder: Path, gid: int | None) -> None:
    if folder.is_dir():
        return
    folder.mkdir(mode=0o755, parents=True)
    if gid is None:
        folder.chmod(0o755)  # whatever the umask says
    else:
        _give(folder, gid)
        folder.chmod(0o750)


def _give(path: Path, gid: int) -> None:
    try:
        os.chown(path, -1, gid)
    except PermissionError:
        message = f"may not give {path} to group {gid}: make this user a member of it, or start as root"
        raise _wrong(message, "control.group") from None


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Two daemons that start at once look and bind one after the other. The lock leaves no file behind."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        _lock(descriptor, folder)
        yield
    finally:
        os.close(descriptor)


def _lock(descriptor: int, folder: Path) -> None:
    deadline = time.monotonic() + LOCK_TIMEOUT_S
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise Conflict(f"another process holds {folder}; is another softphone starting?") from None
            time.sleep(0.01)


def _clear(path: Path) -> None:
    """Removes a socket that nobody listens on. Anything else stays and is an error."""
    try:
        found = os.lstat(path)
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(found.st_mode):
        raise _wrong(f"{path} exists and is no socket; it stays untouched. Remove it or set another path")
    if _answers(path):
        raise Conflict(f"another softphone already answers on {path}; stop it, or give this one another control.socket")
    path.unlink(missing_ok=True)


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(PROBE_TIMEOUT_S)
        try:
            probe.connect(os.fspath(path))
        except TimeoutError:
            return True  # somebody listens, though too busy to accept
        except OSError as error:
            if error.errno in (errno.ECONNREFUSED, errno.ENOENT):
                return False
            if error.errno == errno.EAGAIN:
                return True
            raise
    return True


def _bind(path: Path, gid: int | None, mode: int) -> OwnedSocket:
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        os.fchmod(sock.fileno(), 0o600)  # what bind gives the file (Linux): nobody gets in before the group is set
        sock.bind(os.fspath(path))
        if gid is not None:
            _give(path, gid)
        path.chmod(mode)
        sock.listen(BACKLOG)
        sock.setblocking(False)
        made = os.lstat(path)
    except BaseException:
        sock.close()
        raise
    return OwnedSocket(path, sock, made.st_dev, made.st_ino)
