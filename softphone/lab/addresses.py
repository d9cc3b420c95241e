"""IPv4 or IPv6: how sockets, URIs and SDP want an address."""

from __future__ import annotations

import socket


def family(host: str) -> socket.AddressFamily:
    """What a socket for this address must be."""
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def in_uri(host: str) -> str:
    """IPv6 addresses stand in brackets (RFC 3986 section 3.2.2)."""
    return f"[{host}]" if ":" in host else host


def in_sdp(host: str) -> str:
    """Network type, address type and address (RFC 8866 section 5.7)."""
    return f"IN {'IP6' if ':' in host else 'IP4'} {host}"
