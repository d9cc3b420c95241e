"""The lab in a thread of its own: beside a test without a loop, or in a network namespace that holds its sockets."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

from softphone.lab import Lab, LabOptions
from tests.support.netns import Namespace

START_S = 20.0


def lab_in(namespace: Namespace, options: LabOptions) -> AbstractContextManager[Lab]:
    """A lab in this namespace, as `lab_beside` runs it."""
    return lab_beside(options, namespace.entered)


@contextmanager
def lab_beside(options: LabOptions, place: Callable[[], AbstractContextManager[object]] = nullcontext) -> Iterator[Lab]:
    """Runs a lab until the end of the block. It belongs to another thread: look at it, but do not drive it."""
    lab = Lab(options)
    up = threading.Event()
    loop = asyncio.new_event_loop()
    over = asyncio.Event()
    failures: list[BaseException] = []

    async def serve() -> None:
        async with lab:
            up.set()
            await over.wait()

    def run() -> None:
        try:
            with place():
                loop.run_until_complete(serve())
        except BaseException as error:
            failures.append(error)
            up.set()
        finally:
            loop.close()

    thread = threading.Thread(target=run, name="lab")
    thread.start()
    try:
        assert up.wait(START_S), "the lab did not start"
        if not failures:
            yield lab
    finally:
        if thread.is_alive():
            loop.call_soon_threadsafe(over.set)
        thread.join()
    if failures:
        raise failures[0]
