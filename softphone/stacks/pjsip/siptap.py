"""SIP messages from PJSIP's threads to the loop, by the native tap (native/src/siptap.hpp)."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from itertools import islice
from typing import Any

import pjsua2 as pj

from softphone.tracing.message import Place, SipMessage

WAITING = 4096
WAITING_BYTES = 16_000_000
"""What may wait for the loop; more is lost and counted."""
BATCH = 50
"""Messages handled at a stretch: some milliseconds, then the loop has time for others."""

Receiver = Callable[[Sequence[SipMessage]], None]


class SipTap:
    """One for the process. Belongs to the loop's thread."""

    def __init__(self) -> None:
        self._receiver: Receiver | None = None
        self._pending: deque[Any] = deque()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._tunnels: set[int] = set()  # ports of 127.0.0.1, of all times: late messages are hidden as well

    def hide(self, port: int) -> None:
        """What goes between PJSIP and this port of 127.0.0.1 is told by who listens there (`tell`), as it really is."""
        self._tunnels.add(port)

    def tell(self, sent: bool, local: Place, remote: Place, data: bytes) -> None:
        """A message on a WebSocket."""
        if self._receiver is not None:
            self._receiver([SipMessage(time.time_ns() // 1000, sent, "wss", local, remote, data)])

    @property
    def open(self) -> bool:
        return self._receiver is not None

    def install(self) -> None:
        """Between libInit and libStart."""
        pj.installTap()

    def set(self, receiver: Receiver | None) -> None:
        """Opens the tap for a receiver, or closes it; what is waiting is then dropped."""
        self._receiver = receiver
        if receiver is None:
            self._close()
        elif self._loop is None:
            self._loop = asyncio.get_running_loop()
            self._loop.add_reader(pj.tapDescriptor(), self._wake)
            pj.openTap(WAITING, WAITING_BYTES)

    def _close(self) -> None:
        pj.closeTap()
        self._pending.clear()
        if self._loop is not None:
            self._loop.remove_reader(pj.tapDescriptor())
            self._loop = None

    def _wake(self) -> None:
        """Messages wait. Those of the last batches come first, and while they last nobody drains: the native queue
        is the one that is bounded."""
        if self._pending:
            return
        self._pending.extend(pj.drainTap())
        self._hand_over()

    def _hand_over(self) -> None:
        if self._receiver is None or self._loop is None:
            return
        taken = [_message(*found) for found in islice(self._pending, BATCH)]
        for _ in taken:
            self._pending.popleft()
        batch = [message for message in taken if not self._is_hidden(message)]
        if batch:
            self._receiver(batch)
        if self._pending and self._loop is not None:
            self._loop.call_soon(self._hand_over)

    def _is_hidden(self, message: SipMessage) -> bool:
        far = message.remote
        return message.transport == "tcp" and far.port in self._tunnels and far.address == "127.0.0.1"

    @property
    def lost(self) -> int:
        """Messages lost since the process began."""
        return int(pj.tapLost())


def _message(
    time_us: int, sent: bool, transport: str, local: str, local_port: int, remote: str, remote_port: int, data: bytes
) -> SipMessage:
    return SipMessage(time_us, sent, transport.lower(), Place(local, local_port), Place(remote, remote_port), data)
