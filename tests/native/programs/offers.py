"""Holds a call while the far end has not answered an UPDATE, and again once it has."""

import json
import re
import threading

import pjsua2 as pj

from ..bench import DEADLINE_S, quiet_endpoint, until
from ..udp_peer import Request, UdpPeer


class SlowPeer(UdpPeer):
    """Answers an UPDATE when it is allowed to."""

    def __init__(self) -> None:
        self.updates = 0
        self.may_answer = threading.Event()
        self.directions: list[str] = []  # what each INVITE says
        super().__init__(self.note)

    def note(self, invite: Request) -> None:
        self.directions += re.findall(r"^a=(sendrecv|sendonly|recvonly|inactive)", invite.text, re.MULTILINE)

    def _take(self, request: Request) -> None:
        if request.method == "UPDATE":
            self.updates += 1
            self.may_answer.wait(DEADLINE_S)
        super()._take(request)


def hold(call: pj.Call) -> bool:
    """Whether the re-INVITE was sent."""
    options = pj.CallOpParam(True)
    options.opt.videoCount = options.opt.textCount = 0
    try:
        call.setHold(options)
    except pj.Error:
        return False
    return True


def main() -> dict[str, object]:
    with quiet_endpoint() as endpoint:
        transport = pj.TransportConfig()
        transport.boundAddress = "127.0.0.1"
        endpoint.transportCreate(pj.PJSIP_TRANSPORT_UDP, transport)
        for codec in endpoint.codecEnum2():
            endpoint.codecSetPriority(codec.codecId, 255 if codec.codecId.startswith("PCMU") else 0)
        peer = SlowPeer()
        account, config = pj.Account(), pj.AccountConfig()
        config.idUri = "sip:caller@127.0.0.1"
        config.mediaConfig.transportConfig.port = 0
        account.create(config)
        call, options = pj.Call(account), pj.CallOpParam(True)
        options.opt.videoCount = options.opt.textCount = 0
        call.makeCall(peer.uri, options)
        until(call.hasMedia)
        call.update(options)
        until(lambda: peer.updates)
        at_once = hold(call)
        peer.may_answer.set()
        until(lambda: hold(call))
        until(lambda: len(peer.directions) > 1)
        call.hangup(pj.CallOpParam())
        until(lambda: not call.isActive())
        account.shutdown()
        peer.close()
    return {"held_at_once": at_once, "offered": peer.directions}


if __name__ == "__main__":
    print(json.dumps(main()))
