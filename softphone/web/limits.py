"""How much of the phone one page, or one stranger, may take up."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """Times in seconds, sizes in bytes. The defaults suit a phone with dozens of pages."""

    max_connections: int = 256
    max_head_bytes: int = 16 * 1024
    max_body_bytes: int = 64 * 1024
    """A body of HTTP: the token, or an offer."""
    max_message_bytes: int = 128 * 1024
    """A message of the WebSocket: an offer at most."""
    handshake_s: float = 10.0
    """TLS, from the first byte."""
    head_timeout_s: float = 10.0
    body_timeout_s: float = 10.0
    keep_alive_s: int = 30
    ping_s: float = 15.0
    """The WebSocket is pinged this often, and lost where no answer comes within the same time."""
    stall_timeout_s: float = 10.0
    """How long a page may leave full buffers unread."""
    queue: int = 2000
    """Events that may wait for one page."""
    max_running: int = 16
    """Commands of one page that may be at work at once."""
    figures_s: float = 0.25
    """How often levels and quality are told."""
    shutdown_s: float = 1.0
    session_s: float = 12 * 3600.0
    """How long a login lasts."""
    wrong_tokens: int = 5
    wrong_window_s: float = 60.0
    """So many wrong tokens of one address within this time, and no further one is looked at for as long."""
