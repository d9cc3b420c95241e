"""This machine's addresses, and word of their change from the kernel (rtnetlink(7)).

The kernel tells of every address, link and route that comes or goes. Of one event (a cable, a VPN, another Wi-Fi) it
tells in many messages, so we look SETTLE_S after the first of them what is there now.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass

log = logging.getLogger(__name__)

SETTLE_S = 0.7
"""How long a change may go on before we look."""

_GROUPS = 0x1 | 0x10 | 0x40 | 0x100 | 0x400  # RTMGRP_LINK, IPV4_IFADDR, IPV4_ROUTE, IPV6_IFADDR, IPV6_ROUTE
_GETADDR, _NEWADDR, _ERROR, _DONE = 22, 20, 2, 3
_REQUEST_DUMP = 0x301  # NLM_F_REQUEST | NLM_F_DUMP
_IFA_ADDRESS, _IFA_LOCAL, _IFA_FLAGS = 1, 2, 8
_TENTATIVE, _DAD_FAILED = 0x40, 0x08
_SCOPE_LINK = 253  # from here on an address does not lead beyond its link
_HEADER = struct.Struct("=IHHII")  # nlmsghdr: length, type, flags, sequence, port id
_ADDRESS = struct.Struct("=BBBBI")  # ifaddrmsg: family, prefix length, flags, scope, interface
_ATTRIBUTE = struct.Struct("=HH")  # rtattr: length, type
_BUFFER_BYTES = 1 << 16
_FAR = ((socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1"))  # documentation addresses; nothing is sent


@dataclass(frozen=True, slots=True)
class Addresses:
    """`all`: what this machine can be reached at, sorted. `out`: what it is known by along its default routes."""

    all: tuple[str, ...] = ()
    out: tuple[str, ...] = ()


def read_addresses() -> Addresses:
    """What is there now. Raises OSError where the kernel does not say."""
    return Addresses(
        tuple(sorted(set(_dump()))), tuple(each for each in map(_source, *zip(*_FAR, strict=True)) if each)
    )


def _source(family: socket.AddressFamily, far: str) -> str:
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((far, 9))
            return str(probe.getsockname()[0])
    except OSError:
        return ""


def _dump() -> Iterator[str]:
    request = _HEADER.pack(_HEADER.size + _ADDRESS.size, _GETADDR, _REQUEST_DUMP, 1, 0)
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as asking:
        asking.settimeout(1)
        asking.sendto(request + bytes(_ADDRESS.size), (0, 0))
        while True:
            for kind, body in _messages(asking.recv(_BUFFER_BYTES)):
                if kind in (_DONE, _ERROR):
                    return
                if kind == _NEWADDR and (address := parse_address(body)):
                    yield address


def _messages(data: bytes) -> Iterator[tuple[int, bytes]]:
    while len(data) >= _HEADER.size:
        length, kind, *_ = _HEADER.unpack_from(data)
        if not _HEADER.size <= length <= len(data):
            return
        yield kind, data[_HEADER.size : length]
        data = data[(length + 3) & ~3 :]


def parse_address(body: bytes) -> str:
    """The address in an RTM_NEWADDR message; '' if it cannot be used beyond its link, or not yet."""
    if len(body) < _ADDRESS.size:
        return ""
    family, _, flags, scope, _ = _ADDRESS.unpack_from(body)
    found = dict(_attributes(body[_ADDRESS.size :]))
    if len(wide := found.get(_IFA_FLAGS, b"")) == 4:
        flags = int(struct.unpack("=I", wide)[0])
    raw = found.get(_IFA_LOCAL) or found.get(_IFA_ADDRESS, b"")
    sizes = {int(socket.AF_INET): 4, int(socket.AF_INET6): 16}
    if scope >= _SCOPE_LINK or flags & (_TENTATIVE | _DAD_FAILED) or sizes.get(family) != len(raw):
        return ""
    return socket.inet_ntop(family, raw)


def _attributes(data: bytes) -> Iterator[tuple[int, bytes]]:
    while len(data) >= _ATTRIBUTE.size:
        length, kind = _ATTRIBUTE.unpack_from(data)
        if not _ATTRIBUTE.size <= length <= len(data):
            return
        yield kind, data[_ATTRIBUTE.size : length]
        data = data[(length + 3) & ~3 :]


class AddressWatch:
    """Calls `changed(before, after)` on the event loop when this machine's addresses or default routes have changed."""

    def __init__(self, changed: Callable[[Addresses, Addresses], None]) -> None:
        self._changed = changed
        self._socket: socket.socket | None = None
        self._settling: asyncio.TimerHandle | None = None
        self.now = Addresses()

    def start(self) -> None:
        """Begins to watch. Where the system does not let us, that is logged, and nothing is ever told."""
        try:
            self.now = read_addresses()
            watching = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE)
            self._socket = watching
            watching.setblocking(False)
            watching.bind((0, _GROUPS))
        except OSError as error:
            log.warning("changes of the network go unnoticed: %s", error.strerror or error)
            self.close()
            return
        asyncio.get_running_loop().add_reader(watching, self._read, watching)

    def close(self) -> None:
        if self._settling is not None:
            self._settling.cancel()
            self._settling = None
        if self._socket is not None:
            asyncio.get_running_loop().remove_reader(self._socket)
            self._socket.close()
            self._socket = None

    def _read(self, watching: socket.socket) -> None:
        try:
            while True:
                watching.recv(_BUFFER_BYTES)
        except BlockingIOError:
            pass
        except OSError as error:  # ENOBUFS: there was more news than fits, which is news enough
            log.debug("netlink: %s", error)
        if self._settling is None:
            self._settling = asyncio.get_running_loop().call_later(SETTLE_S, self._look)

    def _look(self) -> None:
        self._settling = None
        try:
            after = read_addresses()
        except OSError as error:
            log.warning("the machine's addresses cannot be read: %s", error.strerror or error)
            return
        before, self.now = self.now, after
        if after != before:
            self._changed(before, after)
