"""The lab as a process: it prints the phone's configurations for it and serves until its input ends.

    python -m benchmarks.labside

One line of JSON: transport (udp, tcp, tls, wss) to the phone's `provider` and `accounts` for extensions 901 and 902.
"""

from __future__ import annotations

import asyncio
import json
import sys

from softphone.lab import Lab, LabOptions

EXTENSIONS = ("901", "902")


async def serve() -> None:
    async with Lab(LabOptions(extensions=EXTENSIONS)) as lab:
        configs = {each: lab.agent_config(EXTENSIONS, transport=each) for each in ("udp", "tcp", "tls", "wss")}
        sys.stdout.write(json.dumps(configs) + "\n")
        sys.stdout.flush()
        await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(serve())
