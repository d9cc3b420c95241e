"""Sends digits of several lengths in a PCMU call, and compares RTP's clock with the packets that were sent.

A packet is sent every 20 ms, so the timestamp of each, but for those that go on with an event, follows from its number.
"""

import json
import struct

import pjsua2 as pj

from ..bench import quiet_endpoint, until
from ..udp_peer import UdpPeer

EVENTS = 101
SDP = (
    "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
    f"m=audio {{port}} RTP/AVP 0 {EVENTS}\r\na=rtpmap:{EVENTS} telephone-event/8000\r\n"
)
DIGITS = {"1": 60, "2": 160, "3": 170, "4": 500}  # ms
SAMPLES = 160  # in a packet


class Listener:
    """Takes packets, and tells how far the clock is from what their numbers say."""

    def __init__(self, peer: UdpPeer) -> None:
        self.peer = peer
        self.first: tuple[int, int] | None = None  # number and timestamp, once sound flows
        peer.rtp.recv(2048)  # at the start of a stream the clock may begin anew
        self.ended = ""
        self.after = 0  # sound since the last digit's end
        self.off_ms: list[float] = []

    def take(self) -> None:
        packet = self.peer.rtp.recv(2048)
        _, kind, number, stamp, _ = struct.unpack("!BBHII", packet[:12])
        event, marked = kind & 0x7F == EVENTS, bool(kind & 0x80)
        if event and packet[13] & 0x80 and str(packet[12]) not in self.ended:
            self.ended += str(packet[12])
            self.after = 0
        if event and not marked:
            return
        if self.first is None:
            self.first = number, stamp
        packets, samples = (number - self.first[0]) % 2**16, (stamp - self.first[1]) % 2**32
        self.off_ms.append((samples - SAMPLES * packets) / 8)
        self.after += not event

    def until_sound(self, digit: str) -> None:
        """Until a digit has ended and sound has come after it."""
        while digit not in self.ended or self.after < 3:
            self.take()


def main() -> dict[str, object]:
    with quiet_endpoint() as endpoint:
        transport = pj.TransportConfig()
        transport.boundAddress = "127.0.0.1"
        endpoint.transportCreate(pj.PJSIP_TRANSPORT_UDP, transport)
        for codec in endpoint.codecEnum2():
            endpoint.codecSetPriority(codec.codecId, 255 if codec.codecId.startswith("PCMU") else 0)
        peer = UdpPeer(sdp=SDP)
        peer.rtp.settimeout(10)
        account, config = pj.Account(), pj.AccountConfig()
        config.idUri = "sip:caller@127.0.0.1"
        config.mediaConfig.transportConfig.port = 0
        account.create(config)
        call, options = pj.Call(account), pj.CallOpParam(True)
        options.opt.videoCount = options.opt.textCount = 0
        call.makeCall(peer.uri, options)
        until(call.hasMedia)
        listener = Listener(peer)
        for digit, ms in DIGITS.items():
            press = pj.CallSendDtmfParam()
            press.digits, press.duration, press.method = digit, ms, pj.PJSUA_DTMF_METHOD_RFC2833
            call.sendDtmf(press)
            listener.until_sound(digit)
        call.hangup(pj.CallOpParam())
        until(lambda: not call.isActive())
        account.shutdown()
        peer.close()
    return {"digits": listener.ended, "off_ms": sorted(set(listener.off_ms))}


if __name__ == "__main__":
    print(json.dumps(main()))
