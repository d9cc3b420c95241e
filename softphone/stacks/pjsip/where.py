"""Our own address on the way to a registrar, and ports that are free."""

from __future__ import annotations

import socket


def local_address(address: str, port: int) -> str:
    """Our own address on the way to `address`; '' if there is no route. Sends nothing."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((address, port or 5060))
        except OSError:
            return ""
        return str(probe.getsockname()[0])


def may_listen(address: str, port: int) -> bool:
    """Whether a TCP server could bind here now. PJSIP's TLS transport does not tell when it could not."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:  # as PJSIP does
            probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        try:
            probe.bind((address, port))
        except OSError:
            return False
        return True
