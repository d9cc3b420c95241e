"""A pair of UDP sockets for one stream: RTP on an even port, RTCP on the next (RFC 3550 section 11)."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable

from softphone.errors import SoftphoneError
from softphone.lab.addresses import family

Address = tuple[str, int]
Receiver = Callable[[bytes, Address, bool], None]  # datagram, source, whether it came to the RTCP port

ATTEMPTS = 100
MAX_DATAGRAM = 4096
BURST = 64
RECEIVE_BUFFER_BYTES = 256 * 1024


class RtpSockets:
    """Bound on construction, reading until `close`. Raises SoftphoneError when there is no port left."""

    def __init__(self, host: str, receiver: Receiver) -> None:
        self.host = host
        self._receiver = receiver
        self._rtp, self._rtcp = _bind_pair(host)
        self.port: int = self._rtp.getsockname()[1]
        self._closed = False
        loop = asyncio.get_running_loop()
        loop.add_reader(self._rtp, self._read, self._rtp, False)
        loop.add_reader(self._rtcp, self._read, self._rtcp, True)

    def _read(self, sock: socket.socket, rtcp: bool) -> None:
        """Take what is there, but not for ever: others want the loop too."""
        for _ in range(BURST):
            try:
                data, source = sock.recvfrom(MAX_DATAGRAM)
            except (BlockingIOError, InterruptedError):
                return
            except OSError:
                continue  # an ICMP error for something sent earlier
            self._receiver(data, source, rtcp)
            if self._closed:
                return

    def send(self, data: bytes, remote: Address, *, rtcp: bool = False) -> None:
        """Send one datagram; what the network refuses is lost, as UDP is."""
        if self._closed:
            return
        try:
            (self._rtcp if rtcp else self._rtp).sendto(data, remote)
        except OSError:
            return

    def close(self) -> None:
        """Stop reading and free the ports."""
        if self._closed:
            return
        self._closed = True
        loop = asyncio.get_running_loop()
        for sock in (self._rtp, self._rtcp):
            loop.remove_reader(sock)
            sock.close()


def _bind_pair(host: str) -> tuple[socket.socket, socket.socket]:
    for _ in range(ATTEMPTS):
        first = _bind(host, 0)
        number = first.getsockname()[1]
        try:
            second = _bind(host, number + 1 if number % 2 == 0 else number - 1)
        except OSError:
            first.close()
            continue
        return (first, second) if number % 2 == 0 else (second, first)
    raise SoftphoneError(f"the lab finds no free pair of RTP ports on {host}")


def _bind(host: str, port: int) -> socket.socket:
    sock = socket.socket(family(host), socket.SOCK_DGRAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
        sock.bind((host, port))
    except (OSError, OverflowError) as error:
        sock.close()
        raise OSError(str(error)) from error
    sock.setblocking(False)
    return sock
