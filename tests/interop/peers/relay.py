"""A TCP relay between phone and PBX, whose link can be cut the way networks do it: without a word."""

import contextlib
import select
import socket
import threading
from typing import Self


class TcpRelay:
    """Listens on a free port of 127.0.0.1 and passes everything to `target_port`, both ways.

    `cut` silences the connections of now: they stay open, but nothing passes any more, as when a router
    lost its state. New connections work. `down` refuses those too, until `up`. `reset` closes what is open.
    """

    def __init__(self, target_port: int) -> None:
        self._target_port = target_port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(0.1)
        self._changed = threading.Condition()
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self._silent: set[int] = set()  # indexes of _pairs
        self._accepts = True
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._listen, name="relay", daemon=True)]
        self._threads[0].start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(timeout=5)
        for side in [self._listener, *(side for pair in self._pairs for side in pair)]:
            side.close()

    @property
    def port(self) -> int:
        return int(self._listener.getsockname()[1])

    @property
    def connections(self) -> int:
        """How many connections have ever been accepted."""
        with self._changed:
            return len(self._pairs)

    def wait_connections(self, count: int, timeout_s: float = 10) -> None:
        """Waits until so many connections in all have been accepted."""
        with self._changed:
            if not self._changed.wait_for(lambda: len(self._pairs) >= count, timeout=timeout_s):
                raise AssertionError(f"{len(self._pairs)} of {count} connections came")

    def cut(self) -> None:
        """Silences all connections that are open now."""
        with self._changed:
            self._silent.update(range(len(self._pairs)))

    def reset(self) -> None:
        """Cuts all connections that are open now, and both sides see it at once."""
        with self._changed:
            pairs = list(self._pairs)
        for side in (side for pair in pairs for side in pair):
            with contextlib.suppress(OSError):  # gone already
                side.shutdown(socket.SHUT_RDWR)

    def down(self) -> None:
        """Silences what is open, and closes every new connection at once."""
        self.cut()
        self._accepts = False

    def up(self) -> None:
        """Lets new connections through again."""
        self._accepts = True

    def _listen(self) -> None:
        while not self._stop.is_set():
            try:
                near, _ = self._listener.accept()
            except TimeoutError:
                continue
            if not self._accepts:
                near.close()
                continue
            far = socket.create_connection(("127.0.0.1", self._target_port), timeout=5)
            with self._changed:
                self._pairs.append((near, far))
                index = len(self._pairs) - 1
                self._changed.notify_all()
            thread = threading.Thread(target=self._pass_on, args=(index,), name="relay-link", daemon=True)
            self._threads.append(thread)
            thread.start()

    def _pass_on(self, index: int) -> None:
        near, far = self._pairs[index]
        other = {near: far, far: near}
        while not self._stop.is_set():
            ready, _, _ = select.select([near, far], [], [], 0.1)
            if index in self._silent:
                self._stop.wait()  # reads nothing more: what still comes is never answered
                return
            for side in ready:
                if not _pass_some(side, other[side]):
                    return


def _pass_some(source: socket.socket, sink: socket.socket) -> bool:
    """Passes what is there; False when either side is gone, and then both are."""
    try:
        data = source.recv(65536)
        sink.sendall(data)
    except OSError:
        data = b""
    if not data:
        for side in (source, sink):
            try:
                side.shutdown(socket.SHUT_RDWR)
            except OSError:  # gone already
                pass
    return bool(data)
