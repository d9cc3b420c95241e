"""Ports for peers, chosen free at start.

They lie below the range from which the kernel takes ports for outgoing connections, so that nobody
else's client is given one between our look and the peer's bind.
"""

import random
import socket

_FIRST = 12_000
_LAST = 27_000
_MEDIA_LAST = 32_000  # above _LAST: ranges of which a peer takes a port now and then
_TRIES = 400


class NoFreePortError(Exception):
    """No free port was found in a few hundred tries: something holds the whole range."""


def free_ports(count: int, host: str = "127.0.0.1") -> list[int]:
    """Different port numbers that are free for TCP and for UDP on `host`."""
    found: list[int] = []
    for port in random.sample(range(_FIRST, _LAST), _TRIES):
        if _is_free(port, host):
            found.append(port)
        if len(found) == count:
            return found
    raise NoFreePortError(f"{len(found)} of {count} free ports found on {host}")


def free_port(host: str = "127.0.0.1") -> int:
    """One port number that is free for TCP and for UDP on `host`."""
    return free_ports(1, host)[0]


def free_block(count: int, host: str = "127.0.0.1") -> int:
    """The first of `count` neighbouring ports, an even number, all free for UDP (RTP and RTCP)."""
    for _ in range(_TRIES):
        first = random.randrange(_FIRST, _LAST - count, 2)
        if all(_can_bind(socket.SOCK_DGRAM, port, host) for port in range(first, first + count)):
            return first
    raise NoFreePortError(f"no {count} neighbouring UDP ports are free on {host}")


def media_range(count: int, host: str = "127.0.0.1") -> int:
    """The first of `count` neighbouring ports for a peer that binds one whenever it needs one.

    No other function gives out ports of there, so none is taken before the peer gets to it.
    """
    for _ in range(_TRIES):
        first = random.randrange(_LAST, _MEDIA_LAST - count, 2)
        if all(_can_bind(socket.SOCK_DGRAM, port, host) for port in range(first, first + count)):
            return first
    raise NoFreePortError(f"no {count} neighbouring UDP ports are free on {host}")


def _is_free(port: int, host: str) -> bool:
    return all(_can_bind(kind, port, host) for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM))


def _can_bind(kind: socket.SocketKind, port: int, host: str) -> bool:
    with socket.socket(socket.AF_INET, kind) as probe:
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True
