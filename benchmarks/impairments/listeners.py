"""The phones that listen: ours in this process, and baresip as a process that plays into a sound system of its own."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from benchmarks.impairments.stage import NEAR, Stage
from benchmarks.processes import BenchError
from softphone.testing.audio import Sound, read_wav, silence, write_wav
from tests.support.phone import Phone, running
from tests.support.pulse import SoundSystem

ACCOUNT = {
    "username": "ear",
    "domain": NEAR,
    "password": {"env": "SOFTPHONE_BENCH_SECRET"},
    "transport": "udp",
    "register": False,
}

FIRST_HOP_S = 0.5
"""An account that does not register tells no event when it has found its first hop."""

SILENCE_S = 120.0
"""What baresip says: without a source it would hang up."""

_BARESIP = """\
module_path /usr/lib/baresip/modules
sip_listen {near}:0
net_interface {near}
audio_source aufile,{silence}
audio_player alsa,kiosk_speaker
audio_alert aufile,{silence}
opus_bitrate 24000
module aufile.so
module alsa.so
module g711.so
module opus.so
module plc.so
module_tmp uuid.so
module_tmp account.so
module_app menu.so
"""


@asynccontextmanager
async def softphone(stage: Stage, codec: str, folder: Path, **sections: Any) -> AsyncIterator[tuple[Phone, str]]:
    """Our phone in a call with the speaker: (phone, call id). `sections`: of its configuration."""
    os.environ.setdefault("SOFTPHONE_BENCH_SECRET", "unused")
    config = {
        "accounts": [ACCOUNT | {"codecs": [codec.lower()], "port": stage.sip_port}],
        "sip": {"bind": NEAR},
    } | sections
    async with running(config, folder) as phone:
        await asyncio.sleep(FIRST_HOP_S)
        yield phone, await phone.connected(stage.uri)


def _prepare(codec: str, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    rate_hz, channels = (48_000, 2) if codec == "opus" else (8_000, 1)
    write_wav(folder / "silence.wav", *[silence(SILENCE_S, rate_hz)] * channels)
    (folder / "config").write_text(_BARESIP.format(near=NEAR, silence=folder / "silence.wav"))
    (folder / "accounts").write_text(f"<sip:ear@{NEAR}>;regint=0;audio_codecs={codec.lower()};medianat=\n")
    (folder / "contacts").write_text("")


@asynccontextmanager
async def baresip(stage: Stage, codec: str, folder: Path) -> AsyncIterator[Path]:
    """baresip in a call with the speaker; yields the file of what it plays, whole when the block has ended."""
    _prepare(codec, folder)
    played = folder / "played.wav"
    with SoundSystem(folder / "sound") as sound, (folder / "baresip.log").open("wb") as log:
        env = os.environ | {"ALSA_CONFIG_PATH": str(sound.alsa_config), "HOME": str(folder)}
        command = ["baresip", "-f", str(folder), "-e", f"/dial {stage.uri}"]
        async with sound.recording("speaker", played):
            process = await asyncio.create_subprocess_exec(
                *command, env=env, stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log
            )
            try:
                yield played
            finally:
                process.kill()  # over TLS or not, it may hang when it is asked
                await process.wait()


def heard(file: Path) -> Sound:
    """What was recorded of the far end."""
    if not file.exists():
        raise BenchError(f"nothing was recorded in {file}")
    return read_wav(file, 0)


async def both_listen(stage: Stage) -> None:
    """Waits until both phones are in the call. Raises BenchError."""
    for _ in range(300):
        if stage.callers() >= 2:
            return
        await asyncio.sleep(0.05)
    raise BenchError(f"only {stage.callers()} of 2 phones came")
