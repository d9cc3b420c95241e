"""Calls a peer that sends RTP before its 200 OK, many times; counts the calls that never receive anything.

python -m tests.native.programs.early_rtp CALLS
"""

import json
import sys
from contextlib import suppress

import pjsua2 as pj

from ..bench import quiet_endpoint, until
from ..udp_peer import Request, UdpPeer, rtp_packet

AT_ONCE = 25
BEFORE, AFTER = 4, 3  # packets before the answer and after the ACK
PATIENCE_S = 1.0  # for packets that were sent, to be counted


class Caller:
    """Makes the calls in batches and sorts them into hearing and deaf."""

    def __init__(self) -> None:
        self.peer = UdpPeer(self.send_early, self.send_late)
        self.late = 0  # calls that were sent their last packets
        self.account = pj.Account()
        config = pj.AccountConfig()
        config.idUri = "sip:caller@127.0.0.1"
        config.mediaConfig.transportConfig.port = 0  # the system chooses
        self.account.create(config)

    def send_early(self, invite: Request) -> None:
        for n in range(BEFORE):
            self.peer.rtp.sendto(rtp_packet(n, 1), invite.rtp)

    def send_late(self, invite: Request) -> None:
        for n in range(AFTER):
            self.peer.rtp.sendto(rtp_packet(BEFORE + n, 1), invite.rtp)
        self.late += 1

    def batch(self, n: int) -> int:
        """How many of `n` calls were deaf."""
        end = self.late + n
        calls = [self.call() for _ in range(n)]
        until(lambda: self.late >= end)
        with suppress(TimeoutError):
            until(lambda: all(packets(call) >= 2 for call in calls), PATIENCE_S)
        deaf = sum(packets(call) < 2 for call in calls)
        for call in calls:
            call.hangup(pj.CallOpParam())
        until(lambda: not any(call.isActive() for call in calls))
        return deaf

    def call(self) -> pj.Call:
        call = pj.Call(self.account)
        options = pj.CallOpParam(True)
        options.opt.videoCount = options.opt.textCount = 0
        call.makeCall(self.peer.uri, options)
        return call


def packets(call: pj.Call) -> int:
    """How many arrived. A deaf call has taken one: the one that came in the moment before the transport was started."""
    count: int = call.getStreamStat(0).rtcp.rxStat.pkt
    return count


def main(count: int) -> dict[str, int]:
    def roomy(config: pj.EpConfig) -> None:
        config.uaConfig.maxCalls = 4 * AT_ONCE  # an ended call keeps its place for a moment
        config.medConfig.maxMediaPorts = 8 * AT_ONCE

    with quiet_endpoint(roomy) as endpoint:
        transport = pj.TransportConfig()
        transport.boundAddress = "127.0.0.1"
        endpoint.transportCreate(pj.PJSIP_TRANSPORT_UDP, transport)
        for codec in endpoint.codecEnum2():
            endpoint.codecSetPriority(codec.codecId, 255 if codec.codecId.startswith("PCMU") else 0)
        caller = Caller()
        deaf = sum(caller.batch(min(AT_ONCE, count - done)) for done in range(0, count, AT_ONCE))
        caller.account.shutdown()
        caller.peer.close()
    return {"calls": count, "deaf": deaf}


if __name__ == "__main__":
    print(json.dumps(main(int(sys.argv[1]))))
