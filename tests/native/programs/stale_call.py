"""Destroys the object of an ended call while another call has its id; says what happened to that one.

python -m tests.native.programs.stale_call
"""

import gc
import json
import time

import pjsua2 as pj

from ..bench import quiet_endpoint, until
from ..udp_peer import UdpPeer

TOO_MANY = 70010  # PJ_ETOOMANY of pj/errno.h


class Watched(pj.Call):
    """Counts its own events."""

    events = 0

    def onCallState(self, prm: pj.OnCallStateParam) -> None:
        self.events += 1


def placed(call: Watched, uri: str) -> bool:
    """Whether there was room for the call: an ended one gives its id back once the answer to its BYE is dealt with."""
    try:
        call.makeCall(uri, pj.CallOpParam(True))
    except pj.Error as e:
        if e.status == TOO_MANY:
            return False
        raise RuntimeError(e.info()) from e
    return True


def confirmed(account: pj.Account, peer: UdpPeer) -> Watched:
    call = Watched(account)
    until(lambda: placed(call, peer.uri))
    until(lambda: call.getInfo().state == pj.PJSIP_INV_STATE_CONFIRMED)
    return call


def main() -> dict[str, bool]:
    def one_call(config: pj.EpConfig) -> None:
        config.uaConfig.maxCalls = 1  # so that the second call must take the id of the first

    with quiet_endpoint(one_call) as endpoint:
        transport = pj.TransportConfig()
        transport.boundAddress = "127.0.0.1"
        endpoint.transportCreate(pj.PJSIP_TRANSPORT_UDP, transport)
        peer = UdpPeer()
        account = pj.Account()
        config = pj.AccountConfig()
        config.idUri = "sip:caller@127.0.0.1"
        account.create(config)

        kept = [confirmed(account, peer)]
        first_id = kept[0].getId()
        kept[0].hangup(pj.CallOpParam())
        until(lambda: not kept[0].isActive())
        until(lambda: peer.byes == 1)
        second = confirmed(account, peer)
        same_id = second.getId() == first_id
        kept.clear()
        gc.collect()
        time.sleep(0.3)  # a BYE for the second call would be on its way by now
        survived = second.isActive() and peer.byes == 1
        before = second.events
        if second.isActive():
            second.hangup(pj.CallOpParam())
            until(lambda: not second.isActive())
        told = second.events > before
        peer.close()
        account.shutdown()
    return {"same_id": same_id, "survived": survived, "told_of_its_end": told}


if __name__ == "__main__":
    print(json.dumps(main()))
