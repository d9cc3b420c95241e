"""What has been done already, remembered under a key of what it was done from."""

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path


class Stamps:
    """Step name -> key of its inputs, in a JSON file that is gone when what it speaks of is gone."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def exist(self) -> bool:
        """Whether anything was ever done here."""
        return self._path.exists()

    def has(self, step: str, key: str) -> bool:
        """Whether `step` was done, from exactly these inputs."""
        return self._read().get(step) == key

    def put(self, step: str, key: str) -> None:
        """`step` is done."""
        stamps = self._read() | {step: key}
        scratch = self._path.with_suffix(".new")
        scratch.write_text(json.dumps(stamps, indent=1) + "\n")
        scratch.replace(self._path)

    def _read(self) -> dict[str, str]:
        try:
            stamps = json.loads(self._path.read_text())
        except (OSError, ValueError):
            return {}
        return stamps if isinstance(stamps, dict) else {}


def key_of(*parts: object) -> str:
    """16 hex digits for anything that prints its content."""
    return hashlib.sha256("\0".join(map(str, parts)).encode()).hexdigest()[:16]


def key_of_files(root: Path, patterns: Iterable[str]) -> str:
    """16 hex digits for the names and contents of all files below `root` that match."""
    digest = hashlib.sha256()
    for path in sorted({path for pattern in patterns for path in root.glob(pattern) if path.is_file()}):
        digest.update(f"{path.relative_to(root)}\0{path.stat().st_size}\0".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]
