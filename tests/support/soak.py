"""Agents started and stopped again and again in one process, each with a call that is up when it stops.

    python -m tests.support.soak CONFIG.yaml CYCLES      # prints one JSON line of figures for each cycle

A process of its own, so that a crash of the native part is seen as one.
"""

from __future__ import annotations

import asyncio
import gc
import json
import sys
import threading
from dataclasses import asdict
from pathlib import Path

from softphone.config import Config, load
from softphone.wiring import build
from tests.support.phone import Phone
from tests.support.procfs import figures


async def cycle(config: Config, sound: str) -> None:
    """Start, register, call the echo, play into the call, and stop while both go on."""
    agent = build(config)
    phone = Phone(agent)
    await agent.start()
    try:
        await phone.registered()
        call = await phone.connected("9196")
        await agent.play(call, sound, loop=True)
    finally:
        await agent.stop()
    ended = await phone.told("call.ended", call=call)
    if ended["reason"] != "shutdown":
        raise SystemExit(f"the call ended otherwise: {ended}")
    left = {task.get_name() for task in asyncio.all_tasks()} - {asyncio.current_task().get_name()}  # type: ignore[union-attr]
    if left:
        raise SystemExit(f"tasks are left: {left}")


def main(path: str, cycles: int, sound: str) -> None:
    config = load(path)
    for number in range(cycles):
        asyncio.run(cycle(config, sound))
        gc.collect()
        names = sorted(thread.name for thread in threading.enumerate())
        print(json.dumps({"cycle": number, "threads_of_python": names} | asdict(figures())), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), str(Path(sys.argv[3])))
