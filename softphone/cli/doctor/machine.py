"""The machine: Python, packages, limits, folders, sound."""

from __future__ import annotations

import os
import platform
import resource
import sys
from collections.abc import Iterator, Mapping
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from softphone import __version__
from softphone.cli.doctor.build import ringers
from softphone.cli.doctor.findings import Area, Finding

if TYPE_CHECKING:
    from softphone.config import Config

MACHINE = Area("machine")
SOUND = Area("sound")

PACKAGES = ("av", "fastapi", "httpx", "numpy", "pydantic", "uvicorn")
FILES_PER_CALL = 6
FILES_BESIDE = 128
SYSTEM_CA_FILE = Path("/etc/ssl/certs/ca-certificates.crt")


def check_machine(config: Config | None) -> Iterator[Finding]:
    """What the phone stands on."""
    yield from _python()
    yield _open_files(config)
    yield from _folders(config)
    if config is not None and any(a.transport in ("tls", "wss") and a.tls.ca_file is None for a in config.accounts):
        yield _authorities()


def _python() -> Iterator[Finding]:
    yield MACHINE.ok(
        "softphone", f"{__version__} on Python {platform.python_version()}, {platform.platform(terse=True)}"
    )
    missing = [name for name in PACKAGES if not _version(name)]
    if missing:
        cure = f"install them: {sys.executable} -m pip install {' '.join(missing)}"
        yield MACHINE.fail("packages", f"not installed: {', '.join(missing)}", cure)
    else:
        yield MACHINE.ok("packages", ", ".join(f"{name} {_version(name)}" for name in PACKAGES))


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""


def _open_files(config: Config | None) -> Finding:
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    calls = config.calls.max_calls if config else 100
    needed = FILES_BESIDE + FILES_PER_CALL * calls
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return MACHINE.ok("open files", f"{soft} allowed, enough for {calls} calls")
    cure = f"raise it: LimitNOFILE={needed} in the systemd unit, or `ulimit -n {needed}`; or lower calls.max_calls"
    return MACHINE.warn("open files", f"{soft} allowed, but {calls} calls may need {needed}", cure)


def _folders(config: Config | None) -> Iterator[Finding]:
    if config is None:
        return
    for title, folder, key in (
        ("socket folder", config.control.socket.parent, "control.socket"),
        ("recordings folder", config.media.recordings_dir, "media.recordings_dir"),
    ):
        yield _folder(title, folder, key)


def _folder(title: str, folder: Path, key: str) -> Finding:
    """The folder may be made later: then what counts is the nearest one that exists."""
    nearest = next(each for each in (folder.absolute(), *folder.absolute().parents) if each.exists())
    if nearest.is_dir() and os.access(nearest, os.W_OK | os.X_OK):
        return MACHINE.ok(title, str(folder))
    why = f"{nearest} may not be written by user {os.geteuid()}" if nearest.is_dir() else f"{nearest} is no folder"
    cure = f"let the phone's user write there, or name another place with {key}"
    return MACHINE.warn(title, f"{folder}: {why}", cure + " (the service's own user may be allowed to)")


def _authorities() -> Finding:
    if SYSTEM_CA_FILE.is_file():
        return MACHINE.ok("certificate authorities", str(SYSTEM_CA_FILE))
    cure = "install them (apt-get install ca-certificates), or name a file with tls.ca_file"
    return MACHINE.fail("certificate authorities", f"there is no {SYSTEM_CA_FILE}, so no certificate is trusted", cure)


# ---- sound


def check_sound(
    config: Config | None, environ: Mapping[str, str], devices: Path = Path("/dev/snd")
) -> Iterator[Finding]:
    """Whether sound cards can be used; only accounts whose audio goes to a device, and ringers, need any."""
    wanted = config is not None and any(account.audio.kind == "device" for account in config.accounts)
    wanted = wanted or any(ringer.device is not None for ringer in ringers(config))
    yield _cards(devices, wanted)
    session = _session(environ)
    if session:
        yield SOUND.info("sound server", f"{session} of this user; devices named `pulse` or `pipewire` lead to it")
    elif wanted and "XDG_RUNTIME_DIR" not in environ:
        cure = (
            "for PulseAudio or PipeWire run the phone as the user who is logged in, and `loginctl enable-linger` that"
            " user; or name the card itself (plughw:CARD=...)"
        )
        yield SOUND.warn("sound server", "this process has no user session, so it reaches no sound server", cure)


def _cards(devices: Path, wanted: bool) -> Finding:
    nodes = sorted(devices.glob("pcm*")) if devices.is_dir() else []
    if not nodes:
        text = "no sound card here; calls can be played to and recorded all the same"
        cure = "plug one in, or load its driver; inside a container pass /dev/snd"
        return SOUND.warn("sound cards", text, cure) if wanted else SOUND.info("sound cards", text)
    closed = [node for node in nodes if not os.access(node, os.R_OK | os.W_OK)]
    if closed:
        cure = "add the phone's user to the group `audio` (usermod -aG audio NAME) and start it again"
        return SOUND.warn("sound cards", f"no permission for {closed[0]}", cure)
    return SOUND.ok("sound cards", f"{len(nodes)} streams in {devices}, all usable")


def _session(environ: Mapping[str, str]) -> str:
    runtime = Path(environ.get("XDG_RUNTIME_DIR", "/nonexistent"))
    if environ.get("PULSE_SERVER") or (runtime / "pulse" / "native").exists():
        return "PulseAudio"
    return "PipeWire" if (runtime / "pipewire-0").exists() else ""
