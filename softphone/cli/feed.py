"""Events while a command goes on: read by a thread of their own, so that the command can wait for a time as well."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from softphone.errors import SoftphoneError

if TYPE_CHECKING:
    from softphone.control.client import ControlClient

OPEN_LIMIT_S = 10.0

Event = dict[str, Any]


class Feed:
    """Use as a context manager; inside, every event that happens is delivered.

    connect: makes a client; the reading thread needs one of its own.
    types: wire names or their first parts.
    """

    def __init__(self, connect: Callable[[], ControlClient], types: Iterable[str]) -> None:
        self._connect, self._types = connect, tuple(types)
        self._queue: queue.SimpleQueue[Event | BaseException | None] = queue.SimpleQueue()
        self._open = threading.Event()

    def __enter__(self) -> Feed:
        threading.Thread(target=self._read, name="events", daemon=True).start()
        if not self._open.wait(OPEN_LIMIT_S):
            raise SoftphoneError(f"the phone sent no events within {OPEN_LIMIT_S:g} s")
        return self

    def __exit__(self, *_: object) -> None:
        """The thread ends with the process, or with the daemon."""

    def _read(self) -> None:
        try:
            with self._connect() as phone:
                for event in phone.events(types=self._types, reconnect=False, on_open=self._open.set):
                    self._queue.put(event)
            self._queue.put(None)
        except SoftphoneError as error:
            self._queue.put(error)
        self._open.set()

    def interrupt(self) -> None:
        """`next` raises KeyboardInterrupt once it comes to this. May be called by a signal handler."""
        self._queue.put(KeyboardInterrupt())

    def next(self, limit_s: float | None) -> Event | None:
        """The next event; None when `limit_s` is over. Raises ControlUnreachable when the phone is gone."""
        from softphone.control.client import ControlUnreachable

        try:
            found = self._queue.get(timeout=limit_s)
        except queue.Empty:
            return None
        if isinstance(found, BaseException):
            raise found
        if found is None:
            raise ControlUnreachable("the softphone stopped while this command waited")
        return found

    def until(self, call: str, *types: str, limit_s: float | None = None, **wanted: Any) -> Event:
        """The next event of one of these types, of this call, with these fields. Raises SoftphoneError too late."""
        deadline = None if limit_s is None else time.monotonic() + limit_s
        while True:
            event = self.next(None if deadline is None else max(0.0, deadline - time.monotonic()))
            if event is None:
                raise SoftphoneError(f"call {call}: no {' or '.join(types)} within {limit_s:g} s")
            if event.get("call") == call and event["type"] in types and wanted.items() <= event.items():
                return event
