"""The cache outside the tree: finished things under a key of their inputs, made once, never half-made.

An artifact is a folder `<kind>-<key>`. It is made in a scratch folder of the same file system and renamed when it is
complete, so a folder with that name is always whole. Whoever makes things holds the lock.
"""

import fcntl
import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

KEPT_PER_KIND = 4
KEPT_LOGS = 10


def key_of(parts: Iterable[tuple[str, bytes]]) -> str:
    """16 hex digits for named pieces of content. The same pieces give the same key, in any order."""
    digest = hashlib.sha256()
    for name, content in sorted(parts):
        digest.update(f"{name}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()[:16]


def files(folder: Path, *patterns: str) -> list[tuple[str, bytes]]:
    """Name (relative to `folder`) and content of all files that match, for key_of."""
    found = {path for pattern in patterns for path in folder.glob(pattern) if path.is_file()}
    return [(str(path.relative_to(folder)), path.read_bytes()) for path in sorted(found)]


class Cache:
    """`root` holds everything; it is created when something is first made."""

    def __init__(self, root: Path) -> None:
        self.root = root

    @classmethod
    def default(cls) -> "Cache":
        base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
        return cls(Path(base).expanduser().absolute() / "softphone" / "native")

    def find(self, kind: str, key: str) -> Path | None:
        """The artifact, or None. Finding it counts as use: what is used is kept."""
        path = self.root / f"{kind}-{key}"
        try:
            os.utime(path)
        except FileNotFoundError:
            return None
        except PermissionError:
            pass  # a cache made by another user can be used, only not marked as used
        return path

    @contextmanager
    def lock(self, waiting: Callable[[], None]) -> Iterator[None]:
        """One build at a time per cache. `waiting` is called once when another holds it."""
        self.root.mkdir(parents=True, exist_ok=True)
        with (self.root / "lock").open("a") as handle:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                waiting()
                fcntl.flock(handle, fcntl.LOCK_EX)
            self._sweep()
            yield

    @contextmanager
    def scratch(self) -> Iterator[Path]:
        """A folder for making an artifact in; gone afterwards. Hold the lock."""
        path = Path(tempfile.mkdtemp(prefix="tmp-", dir=self.root))
        try:
            yield path
        finally:
            shutil.rmtree(path, ignore_errors=True)

    def publish(self, kind: str, key: str, folder: Path) -> Path:
        """Makes `folder` (in a scratch) the artifact; older ones of its kind beyond a few are dropped."""
        path = self.root / f"{kind}-{key}"
        if path.exists():
            return path
        folder.chmod(0o755)
        folder.rename(path)
        self._prune(kind)
        return path

    def new_log(self) -> Path:
        logs = self.root / "logs"
        logs.mkdir(parents=True, exist_ok=True)
        for old in sorted(logs.glob("*.log"))[: -KEPT_LOGS or None]:
            old.unlink(missing_ok=True)
        return logs / f"{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}.log"

    def _sweep(self) -> None:
        """What a killed build left behind. We hold the lock, so nobody is using it."""
        for stale in self.root.glob("tmp-*"):
            shutil.rmtree(stale, ignore_errors=True)

    def _prune(self, kind: str) -> None:
        found = sorted(self.root.glob(f"{kind}-*"), key=lambda path: path.stat().st_mtime, reverse=True)
        for old in found[KEPT_PER_KIND:]:
            shutil.rmtree(old, ignore_errors=True)
