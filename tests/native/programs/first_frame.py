"""A peer answers with Opus and is silent; prints how loud a listener of its call hears it, while another port is loud.

python -m tests.native.programs.first_frame
"""

import json
import struct
import threading

import numpy as np
import pjsua2 as pj

from ..bench import Bench, quiet_endpoint
from ..udp_peer import Request, UdpPeer

SDP = (
    "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
    "m=audio {port} RTP/AVP 96\r\na=rtpmap:96 opus/48000/2\r\n"
)
SILENCE = b"\xf8\xff\xfe"  # 20 ms of Opus (RFC 6716), mono
LOUD = np.full(16_000, 20_000, "<i2").tobytes()  # one second
PACKETS = 40


def packet(number: int) -> bytes:
    return struct.pack("!BBHII", 0x80, 96, number, 960 * number, 7) + SILENCE


def opus_at_the_rate_of_the_mixer(endpoint: pj.Endpoint) -> None:
    for codec in endpoint.codecEnum2():
        endpoint.codecSetPriority(codec.codecId, 255 if codec.codecId.startswith("opus") else 0)
    opus = endpoint.getCodecOpusConfig()
    opus.sample_rate, opus.channel_cnt = 16_000, 1
    endpoint.setCodecOpusConfig(opus)


def main() -> dict[str, int]:
    answered = threading.Event()
    invites: list[Request] = []

    def after_ack(invite: Request) -> None:
        invites.append(invite)
        answered.set()

    with quiet_endpoint() as endpoint:
        transport = pj.TransportConfig()
        transport.boundAddress = "127.0.0.1"
        endpoint.transportCreate(pj.PJSIP_TRANSPORT_UDP, transport)
        opus_at_the_rate_of_the_mixer(endpoint)
        bench = Bench()
        loud, elsewhere = bench.wire(txBufMs=30_000)  # its place in the mixer is before the call's
        ear = bench.port()
        peer = UdpPeer(after_ack=after_ack, sdp=SDP)
        account = pj.Account()
        config = pj.AccountConfig()
        config.idUri = "sip:caller@127.0.0.1"
        account.create(config)
        call = pj.Call(account)
        options = pj.CallOpParam(True)
        options.opt.videoCount = options.opt.textCount = 0
        call.makeCall(peer.uri, options)
        bench.until(lambda: answered.is_set() and call.hasMedia())
        for _ in range(20):
            loud.write(LOUD)
        call.getAudioMedia(-1).startTransmit(ear)
        bench.frames(ear, 5)
        for number in range(PACKETS):
            peer.rtp.sendto(packet(number), invites[0].rtp)
            bench.frames(ear, 1)
        bench.frames(ear, 20)
        heard = np.frombuffer(bench.heard[ear.getPortId()], "<i2")
        other = np.frombuffer(bench.heard[elsewhere.getPortId()], "<i2")
        received = int(call.getStreamStat(0).rtcp.rxStat.pkt)
        call.hangup(pj.CallOpParam())
        bench.until(lambda: not call.isActive())
        bench.close()
        account.shutdown()
        peer.close()
    return {"peak": int(abs(heard).max()), "other_port": int(other.max()), "received": received}


if __name__ == "__main__":
    print(json.dumps(main()))
