"""How much of the daemon one client may take up. A client that goes beyond loses its connection, nobody else does."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """Times in seconds, sizes in bytes. The defaults suit a phone with hundreds of calls."""

    max_connections: int = 512
    max_head_bytes: int = 32 * 1024
    """Request line and headers together."""
    max_body_bytes: int = 1024 * 1024
    head_timeout_s: float = 10.0
    """From the first byte of a request (or the connection's start) to the end of its headers."""
    body_timeout_s: float = 15.0
    """From the end of the headers to the end of the body."""
    stall_timeout_s: float = 10.0
    """How long a client may leave full buffers unread."""
    keep_alive_s: int = 60
    """How long a connection may idle between two requests."""
    max_wait_s: float = 3600.0
    """The longest long poll."""
    heartbeat_s: float = 15.0
    """An event stream without events carries a comment this often."""
    stream_queue: int = 5000
    """Events that may wait for one stream's reader: what a thousand calls that end at once bring. The bus keeps them
    anyway."""
    shutdown_s: float = 1.0
    """How long running requests may take when the server stops."""
