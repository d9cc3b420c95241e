"""Many starts and stops, many short calls: no crash, and nothing grows. The figures are printed (`pytest -s`)."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import wave
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from softphone.lab import Lab
from tests.support.daemon import Daemon
from tests.support.phone import local
from tests.support.procfs import Figures, figures

IN_PROCESS, PROCESSES, AT_ONCE = 38, 12, 3
CALLS, WARM_UP, PARALLEL = 500, 150, 20
POOL = min(32, (os.cpu_count() or 1) + 4)  # Python's threads for files, made when that many are wanted at once

GROWTH_KIB_PER_START = 200
"""Memory that one start and stop may leave behind, in KiB; what is measured is a fraction of it."""
GROWTH_KIB_PER_CALL = 20


def silence(path: Path, seconds: float = 1.0) -> Path:
    """A quiet WAV file."""
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 8000, 0, "NONE", ""))
        file.writeframes(bytes(int(16_000 * seconds)))
    return path


def test_starts_and_stops_in_one_process(tmp_path: Path) -> None:
    async def play() -> list[dict[str, Any]]:
        async with Lab() as lab:
            config = tmp_path / "softphone.yaml"
            config.write_text(yaml.safe_dump(local(lab.agent_config(["901"]), tmp_path)))
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "tests.support.soak",
                str(config),
                str(IN_PROCESS),
                str(silence(tmp_path / "quiet.wav")),
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
            )
            out, err = await asyncio.wait_for(process.communicate(), 100)
            assert process.returncode == 0, err.decode()[-3000:]
            assert lab.registrations() == []
            return [json.loads(line) for line in out.splitlines()]

    lines = asyncio.run(play())
    assert len(lines) == IN_PROCESS
    warm, last = lines[IN_PROCESS // 4], lines[-1]
    grown = last["rss_kib"] - warm["rss_kib"]
    print(f"\n{IN_PROCESS} starts and stops in one process: {warm['rss_kib']} KiB, then {last['rss_kib']} KiB")
    assert grown < GROWTH_KIB_PER_START * (IN_PROCESS - IN_PROCESS // 4)
    assert last["descriptors"] <= warm["descriptors"]
    assert last["threads"] <= warm["threads"]
    assert last["threads_of_python"] == ["MainThread"]


def test_starts_and_stops_of_the_process(tmp_path: Path) -> None:
    """Each with a call that is up at the stop; a few side by side."""

    async def live(lab: Lab, name: str) -> None:
        for number in range(PROCESSES // AT_ONCE):
            folder = tmp_path / f"{name}-{number}"
            folder.mkdir()
            config = lab.agent_config([name], transport="udp") | {"calls": {"drain_s": 0}}
            async with Daemon(folder, config) as daemon:
                await daemon.told("account.registered")
                call = await daemon.dial("9196")
                assert await daemon.stop() == 0
                assert (await daemon.told("call.ended", call=call))["reason"] == "shutdown"
                assert "Traceback" not in daemon.log

    async def play() -> None:
        async with Lab() as lab:
            await asyncio.gather(*(live(lab, name) for name in ("901", "902", "903")[:AT_ONCE]))
            assert lab.registrations() == []

    asyncio.run(play())


def test_many_short_calls(tmp_path: Path) -> None:
    """Every second one plays a file and is recorded.

    By TLS: over UDP PJSIP keeps its part of a call for 32 s, in case the last messages were lost (RFC 3261 17.1.2.2).
    """
    sound = str(silence(tmp_path / "quiet.wav"))

    async def one(daemon: Daemon, number: int) -> None:
        placed = await daemon.ask("POST", "/v1/calls", {"target": "9196"})
        call = placed.json()["id"]
        await daemon.get(f"/v1/calls/{call}?wait=answered&timeout_s=20")
        if number % 2:
            await daemon.ask("POST", f"/v1/calls/{call}/record", {"file": f"{number % 20}.wav", "overwrite": True})
            await daemon.ask("POST", f"/v1/calls/{call}/play", {"file": sound, "loop": True})
        await daemon.ask("DELETE", f"/v1/calls/{call}")
        ended = await daemon.get(f"/v1/calls/{call}?wait=ended&timeout_s=20")
        assert ended["end"]["reason"] == "local_hangup", ended

    async def series(daemon: Daemon, numbers: Sequence[int]) -> None:
        for number in numbers:
            await one(daemon, number)

    async def calls(daemon: Daemon, count: int) -> Figures:
        parts = [range(start, count, PARALLEL) for start in range(PARALLEL)]
        await asyncio.gather(*(series(daemon, part) for part in parts))
        await daemon.told("record.ended", count=len(daemon.all("record.started")))
        return figures(daemon.pid)

    async def play() -> None:
        async with Lab() as lab:
            config = lab.agent_config(["901"], max_calls=PARALLEL)
            config |= {"control": {"event_history": 500, "socket": str(tmp_path / "control.sock")}}
            config |= {"log": {"level": "warning"}}
            async with Daemon(tmp_path, config) as daemon:
                await daemon.told("account.registered")
                warm = await calls(daemon, WARM_UP)
                last = await calls(daemon, CALLS - WARM_UP)
                print(f"\n{WARM_UP} calls: {warm}; {CALLS} calls: {last}")
                assert len(daemon.all("call.ended", reason="local_hangup")) == CALLS
                assert (await daemon.get("/v1/status"))["calls"] == {"total": CALLS, "active": 0}
                assert last.rss_kib - warm.rss_kib < GROWTH_KIB_PER_CALL * (CALLS - WARM_UP)
                assert last.descriptors <= warm.descriptors + 2
                assert last.threads <= warm.threads + POOL
                assert daemon.log == ""
                assert await daemon.stop() == 0

    asyncio.run(play())
