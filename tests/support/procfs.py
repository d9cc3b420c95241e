"""What the kernel says of a process: memory, descriptors, threads, and the ports it listens on."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

_LISTENING = {"tcp": "0A", "udp": "07"}  # TCP_LISTEN; an unconnected UDP socket


@dataclass(frozen=True, slots=True)
class Figures:
    """`rss_kib`: memory in use; the others are counts."""

    rss_kib: int
    descriptors: int
    threads: int


def figures(pid: int | None = None) -> Figures:
    """Of one process, this one by default."""
    place = Path("/proc") / str(pid or os.getpid())
    status = (place / "status").read_text()
    return Figures(
        rss_kib=int(re.search(r"VmRSS:\s+(\d+)", status)[1]),  # type: ignore[index]
        descriptors=len(os.listdir(place / "fd")),
        threads=int(re.search(r"Threads:\s+(\d+)", status)[1]),  # type: ignore[index]
    )


def listening(pid: int, protocol: str) -> list[int]:
    """The IPv4 ports of a process: TCP ones it listens on, UDP ones that take packets from anybody."""
    sockets = {os.readlink(link) for link in Path(f"/proc/{pid}/fd").iterdir() if link.is_symlink()}
    found = []
    for line in Path(f"/proc/{pid}/net/{protocol}").read_text().splitlines()[1:]:
        words = line.split()
        if words[3] == _LISTENING[protocol] and f"socket:[{words[9]}]" in sockets:
            found.append(int(words[1].rpartition(":")[2], 16))
    return sorted(found)
