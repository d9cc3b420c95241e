"""The product as its users run it: a daemon process, its configuration in a file, driven over the control socket."""

import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import pytest
import yaml

from softphone.control.client import ControlClient, ControlError, ControlUnreachable
from softphone.testing.audio import Sound, heard_share, read_wav, write_wav
from tests.interop.peers.asterisk.server import Asterisk
from tests.interop.peers.kavkom_api import KavkomApi
from tests.interop.peers.ports import media_range

Json = dict[str, Any]

START_S = 20.0
DEADLINE_S = 15.0
_FROM_THE_BEGINNING = "0-0"
_RTP_PORTS = 200


def sounds_like(reference: Sound, recording: Sound) -> bool:
    """Whether a sound is in a recording, but for the parts in which a jitter buffer adapted to a busy machine.

    Of other speech, noise or silence not a single part is found.
    """
    return heard_share(reference, recording, part_s=0.25) >= 0.7


class Phone:
    """A daemon from `with` to the end of the block. It must end with exit code 0 and without a traceback."""

    def __init__(self, config: Json, folder: Path, **environment: str) -> None:
        self.folder = folder
        self._socket = folder / "control.sock"
        self._config_file = folder / "softphone.yaml"
        self._environment = {**os.environ, **environment}
        self._events: list[Json] = []
        self._changed = threading.Condition()
        self.configure(config)

    def configure(self, config: Json) -> None:
        """Writes the configuration; the daemon reads it at start, and on `reload`."""
        first = media_range(_RTP_PORTS)
        media = {"recordings_dir": str(self.folder / "recordings"), "rtp_ports": f"{first}-{first + _RTP_PORTS - 1}"}
        local = {
            "sip": {"bind": "127.0.0.1"} | config.get("sip", {}),
            "media": media | config.get("media", {}),
            "calls": {"drain_s": 0} | config.get("calls", {}),
            "control": {"socket": str(self._socket)},
            "log": {"level": "debug", "format": "console"},
        }
        self._config_file.write_text(yaml.safe_dump(config | local))

    def __enter__(self) -> Self:
        program = Path(sys.executable).with_name("softphone")
        command = [str(program), "run", "--config", str(self._config_file)]
        with (self.folder / "daemon.log").open("wb") as log:
            self._process = subprocess.Popen(command, env=self._environment, stdout=log, stderr=log)
        try:
            self.control = self._connect()
        except BaseException:
            self._process.kill()
            self._process.wait()
            raise
        self._reader = threading.Thread(target=self._read_events, name="events", daemon=True)
        self._reader.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            code = self.stop()
        finally:
            self._process.kill()
            self._process.wait()
            self._reader.join(timeout=5)
            self.control.close()
        if kind is None:
            assert code == 0, f"the daemon ended with {code}\n{self.log()[-3000:]}"
            assert "Traceback" not in self.log(), self.log()[-6000:]

    def stop(self) -> int:
        """Ends it as a service manager does, and returns its exit code."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
        return self._process.wait(timeout=30)

    def reload(self) -> None:
        self._process.send_signal(signal.SIGHUP)

    def log(self) -> str:
        return (self.folder / "daemon.log").read_text(errors="replace")

    # --- events ----------------------------------------------------------------------------------

    def all(self, type: str, **fields: Any) -> list[Json]:
        """What was told so far of this type, with these fields."""
        wanted = {"type": type} | fields
        with self._changed:
            return [event for event in self._events if _has(event, wanted)]

    def told(self, type: str, *, count: int = 1, within_s: float = DEADLINE_S, **fields: Any) -> Json:
        """Waits until this was told `count` times since the start; returns the last of these."""
        with self._changed:
            if not self._changed.wait_for(lambda: len(self.all(type, **fields)) >= count, timeout=within_s):
                last = "\n".join(str(event) for event in self._events[-20:])
                raise AssertionError(f"{type} {fields} was not told {count} times; the last events:\n{last}")
            return self.all(type, **fields)[count - 1]

    # --- what tests do often ------------------------------------------------------------------------

    def registered(self, *extensions: str, within_s: float = DEADLINE_S) -> None:
        """Waits until these accounts have registered."""
        for extension in extensions:
            self.told("account.registered", account=f"{extension}@pbx.test", within_s=within_s)

    def dial(self, target: str, account: str | None = None, **options: Any) -> str:
        """Places a call and returns its id."""
        return str(self.control.dial(target, account=account, **options)["id"])

    def connected(self, target: str, account: str | None = None, **options: Any) -> str:
        """Dials, and waits for the answer and for media."""
        call = self.dial(target, account, **options)
        self.told("call.answered", call=call)
        self.told("call.media", call=call, active=True)
        return call

    def ended(self, call: str, within_s: float = DEADLINE_S) -> Json:
        """Waits for the end of a call."""
        return self.told("call.ended", call=call, within_s=within_s)

    def hung_up(self, call: str) -> Json:
        """Hangs up and waits for the end."""
        self.control.hang_up(call)
        return self.ended(call)

    def says(self, call: str, sound: Sound, *, waits: bool = True) -> None:
        """Plays a sound into a call, and waits for its end."""
        file = self.folder / f"says-{len(list(self.folder.glob('says-*')))}.wav"
        write_wav(file, sound)
        play = self.control.play(call, str(file))["id"]
        if waits:
            told = self.told("play.ended", call=call, play=play, within_s=sound.seconds + DEADLINE_S)
            assert told["reason"] == "finished", told

    def records(self, call: str) -> Path:
        """Starts a stereo recording: them left, us right."""
        file = self.folder / f"recording-{call}-{len(list(self.folder.glob('recording-*')))}.wav"
        self.control.record(call, str(file), mode="stereo")
        return file

    def heard_in(self, file: Path) -> Sound:
        """What they said, in a finished recording."""
        self.told("record.ended", file=str(file))
        return read_wav(file, channel=0)

    def hears(self, call: str, sound: Sound) -> Sound:
        """Says a sound, and returns what came back during it and in the second after it."""
        file = self.records(call)
        self.says(call, sound)
        time.sleep(1)  # the sound's way there and back, jitter buffers included
        self.control.stop_record(call)
        return read_wav(file, channel=0)

    # --- inside ----------------------------------------------------------------------------------

    def _connect(self) -> ControlClient:
        deadline = time.monotonic() + START_S
        while True:
            client = ControlClient(self._socket)
            try:
                client.status()
                return client
            except ControlUnreachable as error:
                client.close()
                if self._process.poll() is not None or time.monotonic() > deadline:
                    raise AssertionError(f"the daemon did not start: {error}\n{self.log()[-3000:]}") from error
            time.sleep(0.03)

    def _read_events(self) -> None:
        try:
            for event in self.control.events(_FROM_THE_BEGINNING, reconnect=False):
                with self._changed:
                    self._events.append(event)
                    self._changed.notify_all()
        except ControlError:  # the daemon has ended
            pass


def _has(event: Json, wanted: Json) -> bool:
    return all(event.get(key) == value for key, value in wanted.items())


@dataclass(frozen=True)
class Line:
    """Three extensions of Asterisk, and how a phone speaks to it as any of them."""

    transport: str
    first: str
    second: str
    third: str

    def __str__(self) -> str:
        return self.transport


TLS_LINE = Line("tls", "901", "902", "903")
WSS_LINE = Line("wss", "931", "932", "933")
"""The same features, over TLS with RTP, and over WebSocket with ICE and DTLS-SRTP."""

over_tls = pytest.mark.parametrize("line", [TLS_LINE], ids=str)
"""For what a WebSocket has no part in, or what test_wss_*.py tries."""


class Phones:
    """Makes phones for one test: provisioned from the API in front of Asterisk, or with accounts of one's own."""

    def __init__(self, asterisk: Asterisk, api: KavkomApi, folder: Path) -> None:
        self._asterisk = asterisk
        self._api = api
        self._folder = folder
        self._made: list[Phone] = []

    def provisioned(self, *extensions: str, transport: str = "tls", sip: Json | None = None, **account: Any) -> Phone:
        """A phone with these extensions of the API, registering with Asterisk; `account` is their configuration."""
        pbx = self._asterisk
        ports = {"tls": pbx.tls_port, "tcp": pbx.tcp_port, "udp": pbx.udp_port, "wss": pbx.ports.wss}
        settings = {
            "extensions": list(extensions),
            "transport": transport,
            "registrar": f"127.0.0.1:{ports[transport]}",
            "tls": {"ca_file": str(pbx.ca_file)},
            "websocket_path": "/ws",
        }
        provider = {
            "api_url": self._api.url,
            "domain_uuid": self._api.domain_uuid,
            "token": {"env": "KAVKOM_TOKEN"},
        }
        return self.configured({"provider": provider, "accounts": [settings | account], "sip": sip or {}})

    def static(self, username: str, password: str, port: int, **account: Any) -> Phone:
        """A phone with one account whose registrar is at a UDP port of 127.0.0.1."""
        settings = {
            "username": username,
            "password": {"env": "SIP_PASSWORD"},
            "domain": self._asterisk.domain,
            "transport": "udp",
            "registrar": f"127.0.0.1:{port}",
        }
        return self.configured({"accounts": [settings | account]}, SIP_PASSWORD=password)

    def configured(self, config: Json, **environment: str) -> Phone:
        """A phone with this configuration, in a folder of its own."""
        folder = self._folder / f"phone-{len(self._made)}"
        folder.mkdir()
        phone = Phone(config, folder, KAVKOM_TOKEN=self._api.token, **environment)
        self._made.append(phone)
        return phone

    def logs(self) -> list[str]:
        """What each phone logged."""
        return [phone.log() for phone in self._made]
