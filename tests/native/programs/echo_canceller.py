"""Opens ALSA's null device with AEC3 between microphone and loudspeaker; prints what PJSIP's log says of it.

python -m tests.native.programs.echo_canceller ASOUND_CONF
"""

import json
import os
import sys

import pjsua2 as pj

from ..bench import until

AEC3 = 4  # PJMEDIA_ECHO_WEBRTC_AEC3


class Log(pj.LogWriter):
    """Keeps what the log says."""

    def __init__(self) -> None:
        super().__init__()
        self.text = ""

    def write(self, entry: pj.LogEntry) -> None:
        self.text += entry.msg


def main(asound_conf: str) -> dict[str, object]:
    os.environ["ALSA_CONFIG_PATH"] = asound_conf
    pj.setLogLevel(0)
    log = Log()
    endpoint = pj.Endpoint()
    endpoint.libCreate()
    config = pj.EpConfig()
    config.logConfig.level = config.logConfig.consoleLevel = 4
    config.logConfig.writer = log
    config.medConfig.ecOptions = AEC3
    config.medConfig.sndAutoCloseTime = -1
    config.uaConfig.threadCnt = 0
    endpoint.libInit(config)
    endpoint.libStart()
    devices = endpoint.audDevManager()
    names = [f"{device.driver} {device.name}" for device in devices.enumDev2()]
    port = pj.PcmPort()
    port.open("probe", pj.PcmPortConfig())
    devices.setCaptureDev(0)
    devices.setPlaybackDev(0)
    devices.getCaptureDevMedia().startTransmit(port)
    until(lambda: port.stat().framesPut > 5)
    tail_ms = devices.getEcTail()
    port.close()
    log.__disown__()
    endpoint.libDestroy(pj.PJSUA_DESTROY_NO_RX_MSG)
    return {"devices": names, "tail_ms": tail_ms, "created": "WebRTC AEC3 created" in log.text}


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1])))
