"""What the limits of every listener name. How high they are is the listener's own affair."""

from __future__ import annotations

from typing import Protocol


class ConnectionLimits(Protocol):
    """Times in seconds, sizes in bytes."""

    @property
    def max_connections(self) -> int: ...

    @property
    def max_head_bytes(self) -> int:
        """Request line and headers together."""

    @property
    def head_timeout_s(self) -> float:
        """From the first byte of a request (or the connection's start) to the end of its headers."""

    @property
    def stall_timeout_s(self) -> float:
        """How long a client may leave full buffers unread."""

    @property
    def keep_alive_s(self) -> int:
        """How long a connection may idle between two requests."""


class BodyLimits(Protocol):
    """Time in seconds, size in bytes."""

    @property
    def max_body_bytes(self) -> int: ...

    @property
    def body_timeout_s(self) -> float:
        """From the end of the headers to the end of the body."""
