"""baresip 1.0.0 as the far end: one process with one account, told what to do over its module ctrl_tcp.

It says a tone of its own and keeps what it hears (module sndfile, one file for each call). It has no audio player: its
own remark that none could be started is no fault.
"""

import json
import re
import socket
import subprocess
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from softphone.testing.audio import Sound, read_wav
from tests.interop.peers.ports import free_ports, media_range

Json = dict[str, Any]

DEADLINE_S = 15.0
_MODULES = Path("/usr/lib/baresip/modules")
_RTP_PORTS = 40
_CONFIG = """\
sip_listen {sip}
sip_transports {transports}
call_local_timeout 120
call_max_calls 8
audio_player none,none
audio_alert none,none
audio_source ausine,{tone_hz}
ausrc_srate 48000
ausrc_channels 2
auplay_srate 48000
auplay_channels 1
rtp_ports {rtp}
audio_jitter_buffer_type fixed
audio_jitter_buffer_delay 5-10
net_interface 127.0.0.1
module_path {modules}
module opus.so
module g722.so
module g711.so
module gsm.so
module ausine.so
module sndfile.so
module srtp.so
module dtls_srtp.so
module_tmp account.so
module_app menu.so
module_app ctrl_tcp.so
ctrl_tcp_listen 127.0.0.1:{control}
snd_path {folder}
"""


class BaresipError(AssertionError):
    """baresip did not do what it was told; the text has its log."""


@dataclass(frozen=True)
class Packets:
    """RTP as baresip counts it."""

    sent: int
    received: int


class Baresip:
    """A baresip from `with` to the end of the block.

    Args:
        folder: where its configuration, its log and its sounds go.
        tone_hz: the tone that it says.
        account: further account parameters, such as `mediaenc=srtp-mand` or `audio_codecs=pcmu`.
        answers: whether it takes calls by itself.
        aor: `sip:901@pbx.test` of a PBX, which the account parameters say how to reach; or else it is called directly.
        ca_file: makes it speak TLS too, and trust this authority.
    """

    user = "baresip"

    def __init__(
        self,
        folder: Path,
        tone_hz: int = 1000,
        *account: str,
        transport: str = "udp",
        answers: bool = True,
        aor: str = "",
        ca_file: Path | None = None,
    ) -> None:
        self.folder = folder
        self.tone_hz = tone_hz
        self.port, self._control_port = free_ports(2)
        self._transport = transport
        self._aor, self._ca_file = aor, ca_file
        self._parameters = [f"regint={600 if aor else 0}", f"answermode={'auto' if answers else 'manual'}", *account]
        self._events: list[Json] = []
        self._answers: list[Json] = []
        self._changed = threading.Condition()

    def __enter__(self) -> Self:
        self.folder.mkdir(parents=True)
        first = media_range(_RTP_PORTS)
        config = _CONFIG.format(
            sip=f"127.0.0.1:{self.port}",
            tone_hz=self.tone_hz,
            rtp=f"{first}-{first + _RTP_PORTS - 1}",
            modules=_MODULES,
            control=self._control_port,
            folder=self.folder,
            transports="udp,tcp,tls" if self._ca_file else "udp,tcp",
        )
        if self._ca_file:
            config += f"sip_cafile {self._ca_file}\n"
        (self.folder / "config").write_text(config)
        (self.folder / "contacts").write_text("")
        (self.folder / "accounts").write_text(";".join([f"<{self._aor or self.uri}>", *self._parameters]) + "\n")
        with (self.folder / "log").open("wb") as log:
            self._process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", "baresip", "-4", "-s", "-f", str(self.folder)],
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        try:
            self._link = self._connect()
        except BaseException:
            self._kill()
            raise
        self._reader = threading.Thread(target=self._read, name="baresip", daemon=True)
        self._reader.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._kill()  # it has nothing to lose, and over TLS it may wait for ever
        self._reader.join(timeout=5)
        self._link.close()

    @property
    def uri(self) -> str:
        return f"sip:{self.user}@127.0.0.1:{self.port};transport={self._transport}"

    # --- commands ----------------------------------------------------------------------------------

    def does(self, command: str, parameters: str = "") -> str:
        """Gives a command of its menu, and returns what it says to it."""
        with self._changed:
            count = len(self._answers)
        text = json.dumps({"command": command, "params": parameters, "token": "x"}).encode()
        self._link.sendall(b"%d:%s," % (len(text), text))
        with self._changed:
            if not self._changed.wait_for(lambda: len(self._answers) > count, timeout=DEADLINE_S):
                raise BaresipError(f"no answer to {command}\n{self.log()[-3000:]}")
            answer = self._answers[count]
        if not answer["ok"]:
            raise BaresipError(f"{command} {parameters}: {answer['data']}\n{self.log()[-3000:]}")
        return str(answer["data"])

    def calls(self, uri: str) -> None:
        self.does("dial", uri)

    # --- what it tells ------------------------------------------------------------------------------

    def all(self, type: str, **fields: Any) -> list[Json]:
        """Its events of a type so far (CALL_INCOMING, CALL_ESTABLISHED, CALL_CLOSED, …)."""
        with self._changed:
            events = list(self._events)
        return [e for e in events if e["type"] == type and all(e.get(key) == value for key, value in fields.items())]

    def told(self, type: str, *, count: int = 1, within_s: float = DEADLINE_S, **fields: Any) -> Json:
        """Waits until it told of this `count` times; returns the last of these."""
        with self._changed:
            if not self._changed.wait_for(lambda: len(self.all(type, **fields)) >= count, timeout=within_s):
                raise BaresipError(f"baresip did not tell {type} {fields} {count} times\n{self.log()[-3000:]}")
        return self.all(type, **fields)[count - 1]

    def log(self) -> str:
        """Its log, with every SIP message, without colours and progress lines."""
        text = (self.folder / "log").read_text(errors="replace")
        return re.sub(r"\x1b\[[0-9;]*m|\[\d+:\d\d:\d\d\] audio=[^\n\[]*|\r", "", text)

    def logged(self, pattern: str, within_s: float = DEADLINE_S) -> re.Match[str]:
        """Waits until its log has this."""
        deadline = time.monotonic() + within_s
        while not (found := re.search(pattern, self.log())):
            if time.monotonic() > deadline:
                raise BaresipError(f"baresip did not log {pattern!r}\n{self.log()[-3000:]}")
            time.sleep(0.02)
        return found

    def packets(self) -> Packets:
        """The RTP packets of its only call so far."""
        text = self.does("audio_debug")
        sent, received = re.search(r"TX: packets=(\d+)", text), re.search(r"rcvd=(\d+)", text)
        return Packets(int(sent[1]) if sent else 0, int(received[1]) if received else 0)

    def heard(self) -> Sound:
        """What it heard in its last call that is over."""
        files = sorted(self.folder.glob("dump-*-dec.wav"))
        if not files:
            raise BaresipError(f"baresip heard nothing\n{self.log()[-3000:]}")
        return read_wav(files[-1], channel=0)

    # --- inside --------------------------------------------------------------------------------------

    def _connect(self) -> socket.socket:
        deadline = time.monotonic() + DEADLINE_S
        while True:
            try:
                return socket.create_connection(("127.0.0.1", self._control_port))
            except OSError as error:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    raise BaresipError(f"baresip did not start: {error}\n{self.log()[-3000:]}") from error
            time.sleep(0.02)

    def _kill(self) -> None:
        self._process.kill()
        self._process.wait()

    def _read(self) -> None:
        """Netstrings: `<length>:<JSON>,`."""
        data = b""
        while True:
            try:
                more = self._link.recv(65536)
            except OSError:
                return
            if not more:
                return
            data += more
            while match := re.match(rb"(\d+):", data):
                end = match.end() + int(match[1])
                if len(data) <= end:
                    break
                self._take(json.loads(data[match.end() : end].decode(errors="replace")))
                data = data[end + 1 :]

    def _take(self, message: Json) -> None:
        with self._changed:
            (self._events if message.get("event") else self._answers).append(message)
            self._changed.notify_all()
