"""Whether a connection on the loopback interface was made by this very process."""

from __future__ import annotations

import os
import stat
from pathlib import Path

_TABLE = Path("/proc/thread-self/net/tcp")  # of the network namespace that this thread is in


def is_ours(end: tuple[str, int], listener: tuple[str, int], table: Path = _TABLE) -> bool:
    """Whether the far end `end` of a connection to `listener`, both numeric IPv4, is a socket of this process."""
    inode = _inode(_shown(end), _shown(listener), table)
    return inode > 0 and any(_is_socket(int(name), inode) for name in os.listdir("/proc/self/fd"))


def _shown(place: tuple[str, int]) -> str:
    address = "".join(f"{int(part):02X}" for part in reversed(place[0].split(".")))
    return f"{address}:{place[1]:04X}"


def _inode(local: str, remote: str, table: Path) -> int:
    for line in table.read_text().splitlines()[1:]:
        words = line.split()
        if words[1] == local and words[2] == remote:
            return int(words[9])
    return 0


def _is_socket(descriptor: int, inode: int) -> bool:
    try:
        found = os.fstat(descriptor)
    except OSError:  # closed since the list was made
        return False
    return found.st_ino == inode and stat.S_ISSOCK(found.st_mode)
