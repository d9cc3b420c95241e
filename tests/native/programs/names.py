"""A stranger's messages name hosts wherever they can; prints how fast another one is answered, and what was refused.

python -m tests.native.programs.names      (with slow_names.c before the system's look-up)
"""

import json
import re
import socket
import time

import pjsua2 as pj

from ..bench import DEADLINE_S, quiet_endpoint, until
from ..udp_peer import UdpPeer

HEAD = "v=0\r\no=- 1 1 IN IP4 slow-origin.test\r\ns=-\r\n"
HERE = "c=IN IP4 127.0.0.1\r\nt=0 0\r\n"
AUDIO = "m=audio {port} RTP/AVP 0\r\n"
DESCRIPTIONS = {
    "connection": HEAD + "c=IN IP4 slow-connection.test\r\nt=0 0\r\n" + AUDIO,
    "connection of the wrong family": HEAD + "c=IN IP6 127.0.0.1\r\nt=0 0\r\n" + AUDIO,
    "rtcp": HEAD + HERE + AUDIO + "a=rtcp:9 IN IP4 slow-rtcp.test\r\n",
    "candidate": HEAD + HERE + AUDIO + "a=ice-ufrag:abcd\r\na=ice-pwd:abcdefghijklmnopqrstuvwx\r\n"
    "a=candidate:1 1 UDP 2130706431 slow-candidate.test 9 typ host\r\n"
    "a=candidate:1 2 UDP 2130706430 slow-candidate.local 9 typ host\r\n"
    "a=candidate:2 1 UDP 1862270975 127.0.0.1 {port} typ host\r\n",
}  # fmt: skip


class Stranger:
    def __init__(self, target: int) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self._socket.settimeout(DEADLINE_S)
        self._target = ("127.0.0.1", target)
        self.port = self._socket.getsockname()[1]
        self._number = 0

    def ask(self, via: str, headers: str = "") -> str:
        """Sends OPTIONS; returns its Call-ID."""
        self._number += 1
        call = f"{self.port}-{self._number}"
        self._socket.sendto(
            f"OPTIONS sip:x@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:{self.port};branch=z9hG4bK{call};{via}\r\n"
            f"From: <sip:y@127.0.0.1>;tag=1\r\nTo: <sip:x@127.0.0.1>\r\nCall-ID: {call}\r\nCSeq: 1 OPTIONS\r\n"
            f"{headers}Content-Length: 0\r\n\r\n".encode(),
            self._target,
        )
        return call

    def answered(self, call: str) -> bool:
        """Whether the next answer is to this request."""
        return re.search(rf"\r\nCall-ID: {call}\r\n", self._socket.recv(65536).decode()) is not None

    def close(self) -> None:
        self._socket.close()


def answered_beside_slow_names(port: int) -> dict[str, object]:
    slow, quick = Stranger(port), Stranger(port)
    found = quick.answered(quick.ask("maddr=here.test"))
    for number in range(100):
        slow.ask(f"maddr=slow-{number}.test")
    start = time.monotonic()
    answered = quick.answered(quick.ask("rport"))
    took = time.monotonic() - start
    slow.close()
    quick.close()
    return {"answered": answered, "took_s": took, "a_name_is_found": found}


class Watched(pj.Call):
    """Tells when it is over."""

    over = False

    def onCallState(self, prm: pj.OnCallStateParam) -> None:
        self.over = self.over or self.getInfo().state == pj.PJSIP_INV_STATE_DISCONNECTED


def described(account: pj.Account, sdp: str) -> dict[str, object]:
    """What becomes of a call that is answered with this."""
    peer = UdpPeer(sdp=sdp)
    call = Watched(account)
    options = pj.CallOpParam(True)
    options.opt.videoCount = options.opt.textCount = 0
    start = time.monotonic()
    call.makeCall(peer.uri, options)
    until(lambda: call.over or (call.isActive() and call.hasMedia()))
    result = {"up": not call.over, "took_s": time.monotonic() - start}
    if not call.over:
        call.hangup(pj.CallOpParam())
        until(lambda: call.over)
    peer.close()
    return result


def main() -> dict[str, object]:
    with quiet_endpoint() as endpoint:
        pj.installPins()
        transport = pj.TransportConfig()
        transport.boundAddress = "127.0.0.1"
        number = endpoint.transportCreate(pj.PJSIP_TRANSPORT_UDP, transport)
        port = int(endpoint.transportGetInfo(number).localName.rpartition(":")[2])
        config = pj.AccountConfig()
        config.idUri = "sip:caller@127.0.0.1"
        config.natConfig.iceEnabled = True
        config.mediaConfig.ipv6Use = pj.PJSUA_IPV6_DISABLED
        account = pj.Account()
        account.create(config)
        result: dict[str, object] = {kind: described(account, sdp) for kind, sdp in DESCRIPTIONS.items()}
        result["headers"] = answered_beside_slow_names(port)
        account.shutdown()
    return result


if __name__ == "__main__":
    print(json.dumps(main()))
