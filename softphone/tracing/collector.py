"""The way to a HEP collector. Sending never waits: what cannot go out now is dropped and counted."""

from __future__ import annotations

import asyncio
import logging
import socket
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress

from softphone.aio import Backoff, Tasks
from softphone.config.trace import Hep
from softphone.errors import UsageError
from softphone.tracing import hep
from softphone.tracing.message import SipMessage

log = logging.getLogger(__name__)

WAITING = 256
"""Packets that wait for the connection; the oldest go first."""
BUFFER_BYTES = 1_000_000
"""What may wait in a TCP connection whose far end reads slowly."""
CONNECT_S = 10.0
CALM_S = 5.0
"""A UDP collector that refused is there again when nothing came back for so long."""

Tell = Callable[[str], None]


class Collector:
    """One collector, from `start` to `close`. `tell(cause)` hears when it fails, and `tell("")` when it is back."""

    def __init__(self, settings: Hep, tell: Tell) -> None:
        self.sent = 0
        self.dropped = 0
        self.cause = "not connected yet"
        self._settings, self._tell = settings, tell
        self._key = settings.auth_key.reveal() if settings.auth_key else ""
        self._tasks = Tasks("hep collector")
        self._waiting: deque[bytes] = deque()
        self._socket: socket.socket | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._down_told = False
        self._refused_s = 0.0

    def start(self) -> None:
        work = self._keep_socket() if self._settings.transport == "udp" else self._keep_connection()
        self._tasks.spawn(work, "connect")

    async def close(self) -> None:
        await self._tasks.close()
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def send(self, message: SipMessage, correlation: str) -> None:
        """Wraps a message and sends it, or drops and counts it."""
        try:
            packet = hep.packet(
                message, capture_id=self._settings.capture_id, auth_key=self._key, correlation=correlation
            )
        except UsageError:
            self.dropped += 1
            return
        if self._socket is not None:
            self._datagram(self._socket, packet)
        elif self._writer is not None:
            self._stream(self._writer, packet)
        else:
            self._wait(packet)

    def _wait(self, packet: bytes) -> None:
        if len(self._waiting) >= WAITING:
            self._waiting.popleft()
            self.dropped += 1
        self._waiting.append(packet)

    def _up(self) -> None:
        """Connected: what waited goes out."""
        waiting, self._waiting = self._waiting, deque()
        for packet in waiting:
            if self._socket is not None:
                self._datagram(self._socket, packet)
            elif self._writer is not None:
                self._stream(self._writer, packet)

    def _note(self, cause: str) -> None:
        """'' for all is well."""
        self.cause = cause
        if bool(cause) != self._down_told:
            self._down_told = bool(cause)
            self._tell(cause)

    # ---- UDP

    async def _keep_socket(self) -> None:
        """Finds the address, which may take its time; a datagram socket then lasts."""
        backoff = Backoff(1, 60)
        while self._socket is None:
            try:
                self._socket = await self._open_socket()
            except OSError as error:
                self._note(f"{self._place}: {error.strerror or error}")
                await asyncio.sleep(backoff.next_s())
        self._note("")
        self._up()

    async def _open_socket(self) -> socket.socket:
        host, port = self._settings.place
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_DGRAM)
        family, kind, protocol, _, address = found[0]
        made = socket.socket(family, kind, protocol)
        made.setblocking(False)
        try:
            made.connect(address)
        except OSError:
            made.close()
            raise
        return made

    def _datagram(self, open_socket: socket.socket, packet: bytes) -> None:
        now = time.monotonic()
        try:
            open_socket.send(packet)
        except OSError as error:  # full, too long, or the collector's machine said that nobody listens
            self.dropped += 1
            self._refused_s = now
            self._note(f"{self._place}: {error.strerror or error}")
            return
        self.sent += 1
        if self._down_told and now - self._refused_s > CALM_S:
            self._note("")

    # ---- TCP

    async def _keep_connection(self) -> None:
        backoff = Backoff(1, 60)
        while True:
            try:
                async with asyncio.timeout(CONNECT_S):
                    reader, writer = await asyncio.open_connection(*self._settings.place)
            except TimeoutError:
                self._note(f"{self._place}: no answer within {CONNECT_S:g} s")
            except OSError as error:
                self._note(f"{self._place}: {error.strerror or error}")
            else:
                backoff.reset()
                await self._stay(reader, writer)
                self._note(f"{self._place}: the connection closed")
            await asyncio.sleep(backoff.next_s())

    async def _stay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writer = writer
        self._note("")
        self._up()
        try:
            with suppress(OSError):
                while await reader.read(4096):  # a collector has nothing to say; its end has
                    pass
        finally:
            self._writer = None
            writer.close()

    def _stream(self, writer: asyncio.StreamWriter, packet: bytes) -> None:
        if writer.is_closing() or writer.transport.get_write_buffer_size() > BUFFER_BYTES:
            self.dropped += 1
            return
        writer.write(packet)
        self.sent += 1

    @property
    def _place(self) -> str:
        host, port = self._settings.place
        return f"{host}:{port} ({self._settings.transport})"
