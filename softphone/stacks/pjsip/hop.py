"""The one way from PJSIP's threads to the event loop.

A callback runs on PJSIP's thread: it copies what it needs, posts it, and returns. It never raises (an exception, above
all SystemExit, would kill or hang the worker), never blocks and never decides.
"""

from __future__ import annotations

import asyncio
import functools
import logging
from collections.abc import Callable
from typing import Any, TypeVar

log = logging.getLogger(__name__)

_F = TypeVar("_F", bound=Callable[..., Any])


def callback(fn: _F) -> _F:
    """Marks a method that PJSIP calls: whatever goes wrong in it is logged and stays in it."""

    @functools.wraps(fn)
    def guarded(*args: Any) -> Any:
        try:
            return fn(*args)
        except BaseException:  # nothing at all may cross into C++
            log.exception("fault in %s", fn.__qualname__)
            return None

    return guarded  # type: ignore[return-value]


class Hop:
    """Posts to one event loop, in order, until closed."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop: asyncio.AbstractEventLoop | None = loop

    def post(self, fn: Callable[..., None], *args: Any) -> None:
        """`fn(*args)` runs on the loop's thread. After `close`, or when the loop is gone, nothing happens."""
        if (loop := self._loop) is None:
            return
        try:
            loop.call_soon_threadsafe(fn, *args)
        except RuntimeError:  # the loop was closed between the two lines
            self._loop = None

    def close(self) -> None:
        self._loop = None
