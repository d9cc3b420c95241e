"""What the native build is and can do, as JSON on stdout: `python -m softphone.stacks.pjsip.report`.

A process of its own, so that whoever asks (`softphone doctor`) neither loads PJSIP nor falls with it.
"""

from __future__ import annotations

import asyncio
import json
import sys
from dataclasses import asdict
from importlib import metadata
from typing import Any

from softphone.config.model import Media, Sip
from softphone.stacks.pjsip.settings import StackOptions
from softphone.stacks.pjsip.stack import PjStack

WHEEL = "softphone-pjsua2"


async def report() -> dict[str, Any]:
    """Starts PJSIP on loopback, asks it, and stops it: wheel, pjsip, openssl, codecs, devices."""
    stack = PjStack(StackOptions(sip=Sip(bind=("127.0.0.1",)), media=Media(), max_calls=4, clock_rate_hz=16_000))
    await stack.start()
    try:
        return {
            "wheel": metadata.version(WHEEL),
            **stack.describe(),
            "devices": [asdict(device) for device in stack.devices()],
        }
    finally:
        await stack.stop()


def main() -> None:
    """The entry point."""
    json.dump(asyncio.run(report()), sys.stdout)


if __name__ == "__main__":
    main()
