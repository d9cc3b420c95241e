"""The two phones under measurement, told to do the same."""

from __future__ import annotations

import functools
import os
import re
import signal
import subprocess
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any

import yaml

from benchmarks.farside import FarSide
from benchmarks.processes import PYTHON, ROOT, BenchError, Child, until
from softphone.control.client import ControlClient, ControlError

HOST = "127.0.0.1"
SECRET = "BENCH_SIP_SECRET"
MAX_CALLS = 600


@functools.cache
def pjsua_program() -> str:
    """The path of pjsua, from our source and flags; the first time, this builds it."""
    command = [PYTHON, str(ROOT / "native" / "build.py"), "--pjsua"]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        raise BenchError("pjsua could not be built; what is missing is said above")
    return done.stdout.strip().splitlines()[-1]


class Does(Enum):
    """What the calls are told to do."""

    TALK = "decode, mix, encode"  # a file and a null device are heard in every call, and every call is listened to
    PLAY = "play a file"  # by each phone's own means
    NOTHING = "as they come"


@dataclass(frozen=True, slots=True)
class Settings:
    """One way to set up both phones, and what their calls do.

    `account`: keys of our phone's account; `c`: options of pjsua.
    """

    name: str
    codec: str
    does: Does = Does.TALK
    account: Mapping[str, Any] = field(default_factory=dict)
    c: Sequence[str] = ()


_SAME_OWN = {"codecs": ["pcmu"], "dtmf_detect": "off"}  # a narrowband phone mixes at 8 kHz by itself
_SAME_C = (
    *("--clock-rate=8000", "--snd-clock-rate=8000", "--quality=4", "--ptime=20"),
    *("--no-vad", "--ec-tail=0", "--snd-auto-close=-1"),
)
SAME = Settings("same settings, PCMU", "PCMU", Does.TALK, _SAME_OWN, _SAME_C)
MANY = Settings("same settings, PCMU, many calls, one phone at a time", "PCMU", Does.TALK, _SAME_OWN, _SAME_C)
PLAYING = Settings("same settings, PCMU, a file played to each call", "PCMU", Does.PLAY, _SAME_OWN, _SAME_C)
DEFAULT_PCMU = Settings("each phone's defaults, PCMU", "PCMU")
DEFAULT_OPUS = Settings("each phone's defaults, Opus", "opus")
UNTOLD_PCMU = Settings("each phone's defaults, PCMU, calls left alone", "PCMU", Does.NOTHING)


class Phone(ABC):
    """A phone process on one far end. `with` ends it."""

    name: str

    def __init__(self, child: Child, far: FarSide, does: Does) -> None:
        self.child, self.far = child, far
        self.does = does
        self.calls = 0

    @property
    def pid(self) -> int:
        return self.child.pid

    def dial_up_to(self, count: int) -> None:
        """Places calls until `count` are up and do what they should."""
        if count > self.calls:
            self._dial(count - self.calls)
        self.calls = count
        self.far.wait_for_calls(count)
        if self.does is Does.TALK:
            self._talk()
        self.child.alive()

    @abstractmethod
    def _wait_until_ready(self) -> None: ...

    def call(self, count: int) -> None:
        """Asks for so many calls, and waits for nothing."""
        self._dial(count)

    @abstractmethod
    def hang_up_all(self) -> None:
        """Asks for the end of every call."""

    @abstractmethod
    def _dial(self, count: int) -> None: ...

    @abstractmethod
    def _talk(self) -> None:
        """The file is heard in every call, beside the null device."""

    def close(self) -> None:
        """Ends it."""
        self.child.kill()

    def __enter__(self) -> Phone:
        try:
            self._wait_until_ready()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Softphone(Phone):
    """Our daemon, driven by its control API."""

    name = "softphone"

    def __init__(self, far: FarSide, settings: Settings, wav: Path, folder: Path) -> None:
        socket = folder / "control.sock"
        config = folder / "softphone.yaml"
        account = dict(settings.account)
        if settings.does is Does.PLAY:
            account["audio"] = {"file": str(wav), "loop": True}
        config.write_text(yaml.safe_dump(daemon_config(far.port, account, socket)))
        command: list[str | Path] = [PYTHON, "-m", "benchmarks.talking", "--config", config, "--wav", wav]
        super().__init__(Child(command, folder / "softphone.log", env={SECRET: "bench"}), far, settings.does)
        self.control = ControlClient(socket)

    def _wait_until_ready(self) -> None:
        until(self._ready, "the daemon's start")

    def _ready(self) -> bool:
        self.child.alive()
        try:
            return bool(self.control.status()["state"] == "running")
        except ControlError:
            return False

    def _dial(self, count: int) -> None:
        for _ in range(count):
            self.control.dial(f"sip:far@{HOST}:{self.far.port}")

    def hang_up_all(self) -> None:
        for call in self.control.calls():
            self.control.hang_up(call["id"])

    def _talk(self) -> None:
        until(self._all_have_media, "media of all calls")
        os.kill(self.pid, signal.SIGUSR1)

    def _all_have_media(self) -> bool:
        found = self.control.calls()
        return len(found) == self.calls and all(call["codec"] for call in found)

    def close(self) -> None:
        self.control.close()
        super().close()


def daemon_config(port: int, account: Mapping[str, Any], socket: Path) -> dict[str, Any]:
    """Our phone with one account that calls 127.0.0.1:`port` and registers nowhere."""
    caller = {
        "username": "bench",
        "password": {"env": SECRET},
        "domain": HOST,
        "registrar": f"{HOST}:{port}",
        "transport": "udp",
        "register": False,
        "max_calls": MAX_CALLS,
    }
    return {
        "accounts": [caller | dict(account)],
        "sip": {"bind": HOST},
        "calls": {"max_calls": MAX_CALLS},
        "control": {"socket": str(socket)},
        "log": {"level": "warning"},
    }


class Pjsua(Phone):
    """The C program, driven by its console."""

    name = "pjsua"

    def __init__(self, far: FarSide, settings: Settings, wav: Path, folder: Path) -> None:
        self._wav = wav
        self._joined: set[str] = set()
        command = [
            *(pjsua_program(), "--null-audio", "--local-port=0", f"--bound-addr={HOST}", f"--ip-addr={HOST}"),
            *("--no-tcp", "--no-tones", f"--max-calls={MAX_CALLS}"),
            *((f"--play-file={wav}",) if wav.exists() else ()),
            *("--log-level=1", "--app-log-level=1", *settings.c),
            *(("--auto-play",) if settings.does is Does.PLAY else ()),
        ]
        super().__init__(Child(command, folder / "pjsua.log"), far, settings.does)

    def _wait_until_ready(self) -> None:
        until(lambda: self.child.alive() and ">>>" in self.child.words(), "pjsua's start")

    def _dial(self, count: int) -> None:
        for line in ("M", str(count), f"sip:far@{HOST}:{self.far.port}"):
            self.child.enter(line)

    def hang_up_all(self) -> None:
        self.child.enter("ha")

    def _talk(self) -> None:
        ports = until(self._ports, "pjsua's ports of all calls")
        player = next(slot for slot, name in ports if name.endswith(self._wav.name))
        for slot in self._of_calls(ports):
            if slot not in self._joined:
                self._joined.add(slot)
                self.child.enter(f"cc {player} {slot}")
        until(lambda: self.child.words().count("Success") == len(self._joined), "pjsua's connections")

    def _ports(self) -> list[tuple[str, str]]:
        """Slot and name of every port, once all calls are among them."""
        before = len(self.child.words())
        self.child.enter("cl")
        text = until(lambda: self.child.alive() and _listing(self.child.words()[before:]), "pjsua's list of ports")
        ports = re.findall(r"Port #(\d+)\[[^\]]*\] *(\S*)", text)
        return ports if len(self._of_calls(ports)) == self.calls else []

    @staticmethod
    def _of_calls(ports: Sequence[tuple[str, str]]) -> list[str]:
        return [slot for slot, name in ports if name.startswith("sip:")]


def _listing(text: str) -> str:
    """A whole list of ports, or ''."""
    return text if "Conference ports:" in text and text.rstrip().endswith(">>>") else ""
