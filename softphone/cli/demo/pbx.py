"""The demo's PBX: the lab, on a thread of its own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any, TypeVar

from softphone.errors import SoftphoneError
from softphone.lab import Lab, LabEvent, LabOptions

START_LIMIT_S = 20.0
T = TypeVar("T")


class Pbx:
    """Use as a context manager. Its methods may be called from any thread."""

    def __init__(self, state_dir: Path, extensions: tuple[str, ...]) -> None:
        self._options = LabOptions(state_dir=state_dir, extensions=extensions)
        self._up: Future[tuple[Lab, asyncio.AbstractEventLoop]] = Future()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="lab", daemon=True)

    def __enter__(self) -> Pbx:
        self._thread.start()
        self._up.result(START_LIMIT_S)
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join(START_LIMIT_S)

    def _run(self) -> None:
        asyncio.run(self._live())

    async def _live(self) -> None:
        try:
            async with Lab(self._options) as lab:
                self._up.set_result((lab, asyncio.get_running_loop()))
                await asyncio.to_thread(self._over.wait)
        except SoftphoneError as error:
            if not self._up.done():
                self._up.set_exception(error)

    def ask(self, question: Callable[[Lab], T]) -> T:
        """Runs `question` where the lab runs."""
        lab, loop = self._up.result()

        async def now() -> T:
            return question(lab)

        return asyncio.run_coroutine_threadsafe(now(), loop).result(START_LIMIT_S)

    def wait_for(self, name: str, *, timeout_s: float, **wanted: Any) -> LabEvent:
        """An event of the lab that has happened, or does within `timeout_s`. Raises SoftphoneError."""
        lab, loop = self._up.result()
        waiting = lab.wait_for(name, timeout_s=timeout_s, **wanted)
        try:
            return asyncio.run_coroutine_threadsafe(waiting, loop).result(timeout_s + START_LIMIT_S)
        except TimeoutError:
            raise SoftphoneError(f"the PBX saw no `{name}` within {timeout_s:g} s") from None
