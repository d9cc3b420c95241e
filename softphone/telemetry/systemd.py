"""What systemd is told: readiness, reloading, stopping, a status text, signs of life (sd_notify(3)).

A datagram to the socket that $NOTIFY_SOCKET names; without one, nothing is sent and nothing fails, so the daemon runs
the same under any supervisor.
"""

from __future__ import annotations

import logging
import os
import socket
import time
from collections.abc import Mapping

log = logging.getLogger(__name__)

SEND_TIMEOUT_S = 0.5  # systemd reads at once; if it ever does not, the phone goes on


def notify(*assignments: str, environ: Mapping[str, str] = os.environ) -> bool:
    """Sends assignments such as `READY=1` or `STATUS=3 of 3 accounts registered` in one message.

    Returns whether there is a supervisor and it was told. Never raises.
    """
    address = environ.get("NOTIFY_SOCKET", "")
    if not address:
        return False
    message = "\n".join(" ".join(line.splitlines()) for line in assignments)
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock:
            sock.settimeout(SEND_TIMEOUT_S)
            sock.sendto(message.encode(), _path(address))
    except (OSError, ValueError) as error:
        log.warning("the supervisor cannot be told %s by $NOTIFY_SOCKET: %s", assignments[0], error)
        return False
    return True


def _path(address: str) -> bytes:
    """A path, or with a leading @ a name in the abstract namespace (unix(7))."""
    if address[0] not in "/@":
        raise ValueError(f"expected a Unix socket, got {address!r}")
    return b"\0" + address[1:].encode() if address[0] == "@" else address.encode()


def notify_reloading(environ: Mapping[str, str] = os.environ) -> bool:
    """Reloading begins now; READY=1 tells its end. Type=notify-reload needs the time beside it."""
    return notify("RELOADING=1", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}", environ=environ)


def notify_stopping(within_s: float, status: str, environ: Mapping[str, str] = os.environ) -> bool:
    """Stopping begins now and takes up to `within_s` seconds, whatever TimeoutStopSec= says."""
    extend = f"EXTEND_TIMEOUT_USEC={int(within_s * 1_000_000)}"
    return notify("STOPPING=1", f"STATUS={status}", extend, environ=environ)


def watchdog_interval_s(environ: Mapping[str, str] = os.environ) -> float | None:
    """How often WATCHDOG=1 is due: half of WatchdogSec=. None when no watchdog waits for this process."""
    if environ.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return None
    try:
        interval_us = int(environ.get("WATCHDOG_USEC", ""))
    except ValueError:
        return None
    return interval_us / 2 / 1_000_000 if interval_us > 0 else None
