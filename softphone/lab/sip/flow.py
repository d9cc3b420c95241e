"""A connection that a phone opened, whatever is spoken on it."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from softphone.lab.sip.transport import Address, Network, TransportName

MAX_UNSENT_BYTES = 1024 * 1024


class ConnectionFlow(asyncio.Protocol, ABC):
    """What connections have in common; how messages stand on one is for its kind to say."""

    reliable = True

    def __init__(self, network: Network, transport: TransportName) -> None:
        self.transport: TransportName = transport
        self.remote: Address = ("", 0)
        self.silent = False  # as a link that was cut without a word: takes everything, says nothing
        self._network = network
        self._writer: asyncio.Transport | None = None

    @property
    def closed(self) -> bool:
        """Whether the connection is gone."""
        return self._writer is None or self._writer.is_closing()

    @property
    def _mute(self) -> bool:
        return self.silent or self._network.frozen

    @abstractmethod
    def send(self, data: bytes) -> None:
        """Queue one message; a peer that reads nothing loses its connection instead of filling our memory."""

    def connection_made(self, transport: Any) -> None:
        """asyncio: accepted, and the TLS handshake done."""
        self._writer = transport
        self.remote = transport.get_extra_info("peername")[:2]
        self._network.opened(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """asyncio: the other side, or we, closed it."""
        self._network.lost(self)
        self._writer = None

    def abort(self) -> None:
        """Cut the connection at once."""
        if self._writer is not None:
            self._writer.abort()
