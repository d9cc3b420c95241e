"""The lab in a namespace of its own: its sockets are made by a thread that lives there."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from softphone.lab import Lab, LabOptions
from tests.support.netns import Namespace

START_S = 20.0


@contextmanager
def lab_in(namespace: Namespace, options: LabOptions) -> Iterator[Lab]:
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
            with namespace.entered():
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
