"""A real browser as one end: it speaks into its microphone, or keeps what it hears.

    python -m benchmarks.handsets.chromium [--speech N]

Lines in: `offers 1` and then `answers [...]`, or `offers [...]` of the other end; `listen`, `heard`. Lines out: JSON.
Chromium's own treatment of the microphone is off: it would take pauses for noise, and the level for a fault.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.impairments.voices import RATE_HZ, speech
from softphone.testing.audio import Sound
from tests.interop.browser.chromium import Tab, chromium

PAGE = "http://localhost/"
SCRIPT = """
let connection;
const sound = async (microphone) => {
  if (!microphone) return new AudioContext().createMediaStreamDestination().stream;
  const plain = { echoCancellation: false, noiseSuppression: false, autoGainControl: false };
  return await navigator.mediaDevices.getUserMedia({ audio: plain });
};
const gathered = async () => {
  while (connection.iceGatheringState !== "complete")
    await new Promise((done) => connection.addEventListener("icegatheringstatechange", done, { once: true }));
  return connection.localDescription.sdp;
};
window.end = {
  async described(offer, microphone) {
    connection = new RTCPeerConnection();
    if (offer) await connection.setRemoteDescription({ type: "offer", sdp: offer });
    for (const track of (await sound(microphone)).getTracks()) connection.addTrack(track);
    await connection.setLocalDescription();
    return await gathered();
  },
  take: (answer) => connection.setRemoteDescription({ type: "answer", sdp: answer }),
};
"""
DOCUMENT = f"<!doctype html><title>One end</title><script>{SCRIPT}</script>"


class End:
    """Answers lines of text."""

    def __init__(self, tab: Tab, *, speaks: bool) -> None:
        self._tab, self._speaks = tab, speaks

    async def offers(self, given: Any) -> list[str]:
        """Its own offer, for a number; its answer to the other's."""
        offer = given[0] if isinstance(given, list) else None
        return [await self._tab.page.evaluate("([sdp, speaks]) => end.described(sdp, speaks)", [offer, self._speaks])]

    async def answers(self, given: list[str]) -> str:
        await self._tab.page.evaluate("(sdp) => end.take(sdp)", given[0])
        return "ok"

    async def listen(self, _: Any) -> str:
        await self._tab.connected()
        await self._tab.listen()
        return "ok"

    async def heard(self, _: Any) -> list[tuple[float, str]]:
        """As the gateway tells it; there are no times."""
        sound = (await self._tab.heard()).at_rate(RATE_HZ)
        pcm = np.clip(sound.samples * 32768, -32768, 32767).astype(np.int16)
        return [(0.0, base64.b64encode(pcm.tobytes()).decode())]


async def serve(parts: int) -> None:
    """Answers lines until its input ends."""
    loop = asyncio.get_running_loop()
    microphone = Sound(speech(parts) / 32768, RATE_HZ) if parts else None
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        async with chromium(Path(folder), microphone=microphone) as browser:
            tab = await browser.open(PAGE, routes={PAGE: ("text/html", DOCUMENT)})
            end = End(tab, speaks=microphone is not None)
            while text := await loop.run_in_executor(None, sys.stdin.readline):
                word, _, rest = text.strip().partition(" ")
                if word in ("offers", "answers", "listen", "heard"):
                    answer = await getattr(end, word)(json.loads(rest) if rest else None)
                    sys.stdout.write(json.dumps(answer) + "\n")
                    sys.stdout.flush()


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument(
        "--speech", type=int, default=0, metavar="N", help="says N parts of real speech, again and again"
    )
    parts = parser.parse_args().speech
    # Chromium's sound has a priority of its own: processes of a higher one would wait for it in vain, and for ever
    os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
    asyncio.run(serve(parts))


if __name__ == "__main__":
    main()
