"""`softphone run` with one addition: SIGUSR1 makes its calls do what pjsua's calls do.

    python -m benchmarks.talking --config FILE --wav FILE

pjsua connects every call with its (null) sound device, both ways, and here plays a file into it. Our phone takes the
sound out of every call too, but what is said in a call is that call's own, so this program asks PJSIP for the rest of
pjsua's connections. From then on both phones decode, mix and encode the same, and what differs is what our phone adds.
Everything else is the daemon as it is.
"""

from __future__ import annotations

import argparse
import signal
from typing import Any

import pjsua2 as pj

from softphone import daemon


class Talk:
    """Every call on the mixer hears the null device and one player. Right to ask for again."""

    def __init__(self, wav: str) -> None:
        self._wav = wav
        self._player: Any = None
        self._done: set[int] = set()

    def __call__(self, *_: object) -> None:
        endpoint = pj.Endpoint.instance()
        if self._player is None:
            self._player = pj.AudioMediaPlayer()
            self._player.createPlayer(self._wav)
        device = endpoint.audDevManager().getCaptureDevMedia()
        for port in endpoint.mediaEnumPorts2():
            if port.getPortInfo().name.startswith("sip:") and port.getPortId() not in self._done:
                self._done.add(port.getPortId())
                device.startTransmit(port)
                self._player.startTransmit(port)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--config", required=True)
    parser.add_argument("--wav", required=True)
    arguments = parser.parse_args()
    signal.signal(signal.SIGUSR1, Talk(arguments.wav))
    return daemon.run(arguments.config)


if __name__ == "__main__":
    raise SystemExit(main())
