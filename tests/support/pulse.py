"""A sound system of a test's own: a private PulseAudio daemon whose sinks are rooms, reached as ALSA devices.

    with SoundSystem(folder) as sound:
        sound.configure(monkeypatch)      # before PJSIP starts
        ...route {input: "kiosk_mic", output: "kiosk_speaker"}...

What the phone plays on `kiosk_speaker` is heard by recording the sink `speaker`; what is played into the sink `room` is
what `kiosk_mic` hears. `desk` is one device for both directions. Nothing of the machine's own sound is touched, and no
process outside of the test's hears of it.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from types import TracebackType

import pytest

from softphone.testing.audio import Sound, write_wav

RATE_HZ = 16_000
_DEADLINE_S = 15.0
_INSTALL = "apt-get install pulseaudio pulseaudio-utils libasound2-plugins"
_SINKS = ("speaker", "room", "desk_speaker", "desk_room")
_LATENCY = "--latency-msec=20"
_RECORD = (_LATENCY, "--file-format=wav", "--format=s16le", "--channels=1", f"--rate={RATE_HZ}")

_SCRIPT = """\
.fail
load-module module-native-protocol-unix socket={socket} auth-anonymous=1
{sinks}
"""

_PCM = """\
pcm.{name} {{
    type asym
    playback.pcm {{ type pulse  server "unix:{socket}"  device "{sink}" }}
    capture.pcm {{ type pulse  server "unix:{socket}"  device "{room}.monitor" }}
    hint {{ show on  description "{description}" }}
}}
"""

# one whose sound server does not run, and one that ALSA can open but does not list
_ODD = """\
pcm.orphan {{ type pulse  server "unix:{nothing}"  hint {{ show on  description "Orphan" }} }}
pcm.unlisted {{ type null }}
"""


class SoundSystem:
    """A PulseAudio daemon in `folder`; the socket, its state and ALSA's configuration are there too."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.socket = folder / "native"
        self.alsa_config = folder / "asound.conf"
        self._server: subprocess.Popen[bytes] | None = None
        self._private = {
            "HOME": str(folder),
            "XDG_RUNTIME_DIR": str(folder),
            "PULSE_RUNTIME_PATH": str(folder / "runtime"),
            "PULSE_STATE_PATH": str(folder / "state"),
            "PULSE_COOKIE": str(folder / "cookie"),
            "PULSE_CLIENTCONFIG": str(folder / "client.conf"),
            "PULSE_SERVER": f"unix:{self.socket}",
        }

    # ---- beginning and end

    def __enter__(self) -> SoundSystem:
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "client.conf").write_text("autospawn = no\n")
        self.alsa_config.write_text(
            self._pcm("kiosk_speaker", "speaker", "speaker", "Kiosk, loudspeaker")
            + self._pcm("kiosk_mic", "room", "room", "Kiosk, microphone")
            + self._pcm("desk", "desk_speaker", "desk_room", "Desk, both directions")
            + _ODD.format(nothing=self.folder / "nothing")
        )
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()

    def _pcm(self, name: str, sink: str, room: str, description: str) -> str:
        return _PCM.format(name=name, sink=sink, room=room, description=description, socket=self.socket)

    def configure(self, patch: pytest.MonkeyPatch) -> None:
        """ALSA, in this process, knows these devices and no others from the next look on."""
        patch.setenv("ALSA_CONFIG_PATH", str(self.alsa_config))
        for name, value in self._private.items():
            if name.startswith("PULSE_"):
                patch.setenv(name, value)

    def start(self) -> None:
        """Starts the daemon; waits until it answers."""
        sinks = "\n".join(f"load-module {_sink(name)}" for name in _SINKS)
        script = self.folder / "pulse.pa"
        script.write_text(_SCRIPT.format(socket=self.socket, sinks=sinks))
        command = [
            "pulseaudio",
            "-n",
            "--daemonize=no",
            "--exit-idle-time=-1",
            "--use-pid-file=no",
            "--log-level=error",
        ]
        command += ["--disable-shm=yes", "--realtime=no", "--high-priority=no", "-F", str(script)]
        assert all(map(shutil.which, ("pulseaudio", "pactl", "paplay"))), f"PulseAudio is not installed: {_INSTALL}"
        with (self.folder / "pulse.log").open("ab") as log:
            self._server = subprocess.Popen(command, env=os.environ | self._private, stdout=log, stderr=log)
        deadline = time.monotonic() + _DEADLINE_S
        while self._control("info").returncode != 0:
            if self._server.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"pulseaudio did not start: {(self.folder / 'pulse.log').read_text()[-1000:]}")
            time.sleep(0.05)

    def kill(self) -> None:
        """The sound system goes away at once, as an unplugged device does."""
        if (server := self._server) is not None:
            self._server = None
            server.kill()
            server.wait(_DEADLINE_S)

    @property
    def pid(self) -> int:
        assert self._server is not None
        return self._server.pid

    def unplug(self) -> None:
        """All devices go away; the sound system goes on."""
        self._control("unload-module", "module-null-sink")

    def plug(self) -> None:
        """They are there again."""
        for sink in _SINKS:
            self._control("load-module", *_sink(sink).split())

    def freeze(self) -> None:
        """It takes and gives no more sound, and says nothing."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        if self._server is not None:
            self._server.send_signal(number)

    # ---- what is in it

    def _control(self, *words: str) -> subprocess.CompletedProcess[str]:
        command = ["pactl", *words]
        done = subprocess.run(command, env=os.environ | self._private, capture_output=True, text=True, check=False)
        if done.returncode != 0 and words != ("info",):
            raise AssertionError(f"{' '.join(command)}: {done.stderr}")
        return done

    def users(self) -> tuple[int, int]:
        """How many streams are open: (playing, recording)."""
        playing, recording = (
            len(self._control("list", "short", kind).stdout.splitlines()) for kind in ("sink-inputs", "source-outputs")
        )
        return playing, recording

    async def used_by(self, pairs: int) -> None:
        """Waits until so many pairs of devices are open."""
        await _until(lambda: self.users() == (pairs, pairs), f"{pairs} open pairs of devices")

    async def plays(self, streams: int) -> None:
        """Waits until so many streams play."""
        await _until(lambda: self.users()[0] == streams, f"{streams} streams that play")

    def echo_path(self, *, delay_ms: int, volume_percent: int) -> None:
        """The kiosk's microphone hears its loudspeaker from now on. Before anything else is open."""
        options = [f"latency_msec={delay_ms}", "adjust_time=0", f"rate={RATE_HZ}", "channels=1"]
        self._control("load-module", "module-loopback", "source=speaker.monitor", "sink=room", *options)
        number = self._control("list", "short", "sink-inputs").stdout.split()[0]
        self._control("set-sink-input-volume", number, f"{volume_percent}%")

    # ---- playing and hearing, beside the phone

    @asynccontextmanager
    async def playing(self, sink: str, sound: Sound) -> AsyncIterator[None]:
        """Plays a sound into a sink; the block's end waits for the sound's end."""
        file = self.folder / f"play-{time.monotonic_ns()}.wav"
        write_wav(file, sound.at_rate(RATE_HZ))
        player = await self._client("paplay", f"--device={sink}", "--latency-msec=400", str(file))
        try:
            yield
            await asyncio.wait_for(player.wait(), _DEADLINE_S)
        finally:
            await _ended(player)

    @asynccontextmanager
    async def recording(self, sink: str, file: Path) -> AsyncIterator[None]:
        """Writes what is heard in a sink into a WAV file until the block ends."""
        before = self.users()[1]
        recorder = await self._client("parecord", f"--device={sink}.monitor", *_RECORD, str(file))
        try:
            await _until(lambda: self.users()[1] > before, "the recorder")
            yield
        finally:
            await _ended(recorder)

    async def _client(self, *command: str) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(*command, env=os.environ | self._private)


def _sink(name: str) -> str:
    return f"module-null-sink sink_name={name} rate={RATE_HZ} channels=1 format=s16le norewinds=1"


async def _ended(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.terminate()
    await asyncio.wait_for(process.wait(), _DEADLINE_S)


async def _until(true: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + _DEADLINE_S
    while not await asyncio.to_thread(true):
        assert time.monotonic() < deadline, f"waited {_DEADLINE_S} s for {what}"
        await asyncio.sleep(0.02)
