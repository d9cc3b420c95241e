"""A phone that ends while its sound system hangs, in a process of its own: what hangs is left behind in it.

python -m tests.e2e.frozen_end FOLDER PULSEAUDIO_PID
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from pathlib import Path

from softphone.engine.views import AudioRoute
from softphone.lab import Lab, LabOptions
from tests.support.phone import running


async def main(folder: Path, pulseaudio: int) -> None:
    async with Lab(LabOptions()) as lab:
        async with running(lab.agent_config(["901"]), folder) as phone:
            await phone.registered(1)
            audio = AudioRoute(route="device", input="kiosk_mic", output="kiosk_speaker")
            call = await phone.connected("9196", account="901")
            await phone.agent.set_audio(call, audio)
            os.kill(pulseaudio, signal.SIGSTOP)
            began = time.monotonic()
        print(f"{time.monotonic() - began:.2f}")


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2])))
