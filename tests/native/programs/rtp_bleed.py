"""A far end, and a stranger who sends more to the same port; prints who is heard and who is sent our sound.

python -m tests.native.programs.rtp_bleed
"""

import json
import socket
import struct
import threading
import time

import numpy as np
import pjsua2 as pj

from ..bench import Bench, quiet_endpoint
from ..udp_peer import Request, UdpPeer

THEIRS, STRANGERS, MOVED = 0xA0, 0x80, 0x90  # PCMU codes of a constant level: 7,932, 32,124 and 15,996
PACE_S = 0.02


def peak_of(code: int) -> int:
    """The sample that a PCMU code stands for (ITU-T G.711), without its sign."""
    code = ~code & 0x7F
    return (((code & 0x0F) << 3) + 0x84 << (code >> 4)) - 0x84


class Speaker:
    """Sends packets of one sound every 20 ms from its own socket until told to stop."""

    def __init__(self, sound: int, target: tuple[str, int], at: socket.socket | None = None, burst: int = 1) -> None:
        self.socket = at or socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.setblocking(False)
        if at is None:
            self.socket.bind(("127.0.0.1", 0))
        self._sound, self._target, self._burst = sound, target, burst
        self._number, self._over = 0, threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._over.wait(PACE_S):
            for _ in range(self._burst):
                head = struct.pack("!BBHII", 0x80, 0, self._number & 0xFFFF, 160 * self._number, self._sound)
                self.socket.sendto(head + bytes([self._sound]) * 160, self._target)
                self._number += 1

    def stop(self) -> None:
        self._over.set()
        self._thread.join()

    def sent_to_it(self) -> int:
        """RTP packets that came here."""
        count = 0
        while True:
            try:
                data = self.socket.recv(2048)
            except BlockingIOError:
                return count
            count += data[1] == 0


class Ear:
    """What the call's listener hears, as the loudest sample since the last question."""

    def __init__(self, bench: Bench, call: pj.Call) -> None:
        self._bench = bench
        self._port = bench.port()
        call.getAudioMedia(-1).startTransmit(self._port)

    def peak(self, frames: int) -> int:
        self._bench.heard[self._port.getPortId()] = b""
        self._bench.frames(self._port, frames)
        samples = np.frombuffer(self._bench.heard[self._port.getPortId()], "<i2").astype(int)
        return int(abs(samples).max())

    def hears(self, sound: int, within_s: float) -> float:
        """Seconds until this sound is there; -1 if it is not in time."""
        start = time.monotonic()
        while time.monotonic() < start + within_s:
            if abs(self.peak(2) - peak_of(sound)) < peak_of(sound) / 10:
                return time.monotonic() - start
        return -1.0


def play(bench: Bench, call: pj.Call, peer: UdpPeer, target: tuple[str, int]) -> dict[str, object]:
    ear = Ear(bench, call)
    result: dict[str, object] = {}
    stranger = Speaker(STRANGERS, target, burst=3)
    result["stranger_alone_is_followed_s"] = ear.hears(STRANGERS, 5)
    theirs = Speaker(THEIRS, target, at=peer.rtp)
    result["the_far_end_wins_its_call_back_s"] = ear.hears(THEIRS, 5)
    ear.peak(25)  # what the jitter buffer still held
    stranger.sent_to_it()
    result["peak_under_attack"] = ear.peak(50)
    result["sent_to_stranger"] = stranger.sent_to_it()
    result["sent_to_far_end"] = theirs.sent_to_it() > 25
    stranger.stop()
    theirs.stop()
    moved = Speaker(MOVED, target)
    result["moved_far_end_is_followed_s"] = ear.hears(MOVED, 5)
    moved.stop()
    return result


def main() -> dict[str, object]:
    invites: list[Request] = []
    with quiet_endpoint() as endpoint:
        transport = pj.TransportConfig()
        transport.boundAddress = "127.0.0.1"
        endpoint.transportCreate(pj.PJSIP_TRANSPORT_UDP, transport)
        for codec in endpoint.codecEnum2():
            endpoint.codecSetPriority(codec.codecId, 255 if codec.codecId.startswith("PCMU") else 0)
        bench = Bench()
        peer = UdpPeer(after_ack=invites.append)
        account = pj.Account()
        config = pj.AccountConfig()
        config.idUri = "sip:caller@127.0.0.1"
        account.create(config)
        call = pj.Call(account)
        options = pj.CallOpParam(True)
        options.opt.videoCount = options.opt.textCount = 0
        call.makeCall(peer.uri, options)
        bench.until(lambda: bool(invites) and call.hasMedia())
        result = play(bench, call, peer, invites[0].rtp)
        result["theirs"] = peak_of(THEIRS)
        call.hangup(pj.CallOpParam())
        bench.until(lambda: not call.isActive())
        bench.close()
        account.shutdown()
        peer.close()
    return result


if __name__ == "__main__":
    print(json.dumps(main()))
