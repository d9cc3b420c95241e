"""A process that speaks: sends RTP packets 20 ms apart to one address, by the clock on the wall.

    python -m benchmarks.impairments.speaker HOST PORT TICKS     < one payload a line, in hex

It knows nothing of losses and jitter: what befalls its packets is done on the way.
"""

from __future__ import annotations

import socket
import sys
import time

from benchmarks.farend_rtp import FRAME_S, Voice

SSRC = 0x50EE_C401


def speak(address: tuple[str, int], frames: list[bytes], ticks: int) -> int:
    """Sends all frames once; returns how many."""
    voice = Voice(frames, 0, ticks, SSRC, place=-1)
    out = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    due_s = time.monotonic()
    for _ in frames:
        time.sleep(max(0.0, due_s - time.monotonic()))
        out.sendto(voice.packet(), address)
        due_s += FRAME_S
    return len(frames)


def main() -> None:
    host, port, ticks = sys.argv[1:]
    frames = [bytes.fromhex(line) for line in sys.stdin]
    print(speak((host, int(port)), frames, int(ticks)))


if __name__ == "__main__":
    main()
