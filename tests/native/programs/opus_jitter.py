"""An endpoint that calls itself with Opus at 16 kHz: the least jitter that it measures, and that the far end
reports. (What a busy machine adds comes and goes; a wrong clock is always wrong.)
"""

import json

import pjsua2 as pj

from ..bench import quiet_endpoint, until

PACKETS = 150  # the first 25 do not count


class Answering(pj.Account):
    """Takes every call."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[pj.Call] = []

    def onIncomingCall(self, prm: pj.OnIncomingCallParam) -> None:
        call = pj.Call(self, prm.callId)
        self.calls.append(call)
        answer = pj.CallOpParam()
        answer.statusCode = 200
        call.answer(answer)


def heard_by(call: pj.Call, uri: str) -> dict[str, object]:
    """Calls, and waits for enough packets and a report of the far end."""
    options = pj.CallOpParam(True)
    options.opt.videoCount = options.opt.textCount = 0
    call.makeCall(uri, options)
    until(call.hasMedia)
    until(lambda: pj.mediaFigures(call.getId(), 0).rxPackets >= PACKETS, 30)
    until(lambda: pj.mediaFigures(call.getId(), 0).txJitterMs >= 0, 30)
    figures = call.getStreamStat(0).rtcp
    stream = call.getStreamInfo(0)
    found = {
        "codec": stream.codecName.lower(),
        "clock_rate_hz": stream.codecClockRate,
        "packets": figures.rxStat.pkt,
        "jitter_ms": figures.rxStat.jitterUsec.min / 1000,
        "peer_jitter_ms": figures.txStat.jitterUsec.min / 1000,
    }
    call.hangup(pj.CallOpParam())
    until(lambda: not call.isActive())
    return found


def main() -> dict[str, object]:
    with quiet_endpoint() as endpoint:
        settings = pj.TransportConfig()
        settings.boundAddress = "127.0.0.1"
        transport = endpoint.transportGetInfo(endpoint.transportCreate(pj.PJSIP_TRANSPORT_UDP, settings))
        for codec in endpoint.codecEnum2():
            endpoint.codecSetPriority(codec.codecId, 255 if codec.codecId.startswith("opus") else 0)
        opus = endpoint.getCodecOpusConfig()
        opus.sample_rate = 16_000
        opus.channel_cnt = 1
        endpoint.setCodecOpusConfig(opus)
        account = Answering()
        config = pj.AccountConfig()
        config.idUri = f"sip:both@{transport.localAddress}"
        config.mediaConfig.transportConfig.boundAddress = "127.0.0.1"
        account.create(config)
        found = heard_by(pj.Call(account), config.idUri)
        until(lambda: not any(call.isActive() for call in account.calls))
        account.calls.clear()
        account.shutdown()
    return found


if __name__ == "__main__":
    print(json.dumps(main()))
