"""The native build, asked in a process of its own: whatever is wrong with it cannot take the doctor along."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from softphone.cli.doctor.findings import Area, Finding
from softphone.errors import MediaError
from softphone.stacks.pjsip.alsa import AlsaDevice
from softphone.stacks.pjsip.device_names import choose

if TYPE_CHECKING:
    from softphone.config import Config
    from softphone.config.sound import Ringer

BUILD = Area("native build")
SOUND = Area("sound")

COMMAND = (sys.executable, "-m", "softphone.stacks.pjsip.report")
LIMIT_S = 20.0
CURE = "build it: `make setup` in the source folder, or `python native/build.py` with this Python"
CODECS = {"opus": "opus/", "g722": "g722/", "pcma": "pcma/", "pcmu": "pcmu/", "gsm": "gsm/", "speex": "speex/"}


def check_build(config: Config | None, command: Sequence[str] = COMMAND) -> Iterator[Finding]:
    """PJSIP starts, has the codecs that are configured, and sees the devices that are configured."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT_S, check=False)
    except subprocess.TimeoutExpired:
        yield BUILD.fail("PJSIP", f"did not start and stop within {LIMIT_S:g} s", CURE)
        return
    report = _report(done.stdout) if done.returncode == 0 else None
    if report is None:
        yield BUILD.fail("PJSIP", _why(done), CURE)
        return
    yield BUILD.ok("PJSIP", f"{report['pjsip']} (wheel {report['wheel']})")
    yield BUILD.ok("TLS library", report["openssl"])
    yield _codecs(config, report["codecs"])
    yield from _devices(config, report["devices"])


def _report(text: str) -> dict[str, Any] | None:
    """PJSIP's libraries may print before it: the last line counts."""
    try:
        found = json.loads(text.strip().rpartition("\n")[2])
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def _why(done: subprocess.CompletedProcess[str]) -> str:
    if "No module named 'pjsua2'" in done.stderr or "No module named '_pjsua2'" in done.stderr:
        return "our pjsua2 is not installed for this Python"
    if done.returncode < 0:
        return f"it crashed (signal {-done.returncode})"
    last = done.stderr.strip().rpartition("\n")[2]
    return f"it does not start: {last or f'exit code {done.returncode}'}"


def _codecs(config: Config | None, found: Sequence[str]) -> Finding:
    names = [name.lower() for name in found]
    wanted = {codec for account in config.accounts for codec in account.codecs} if config else set()
    missing = sorted(codec for codec in wanted if not any(name.startswith(CODECS[codec]) for name in names))
    text = ", ".join(codec.rpartition("/")[0] for codec in found)
    if missing:
        return BUILD.fail(
            "codecs", f"built without {', '.join(missing)}, which the configuration names; has {text}", CURE
        )
    return BUILD.ok("codecs", text)


def _devices(config: Config | None, found: Sequence[dict[str, Any]]) -> Iterator[Finding]:
    if found:
        listed = ", ".join(f"{d['name']} ({d['inputs']} in, {d['outputs']} out)" for d in found)
        yield SOUND.ok("devices", listed)
    devices = [AlsaDevice(d["name"], d.get("description", ""), d["inputs"] > 0, d["outputs"] > 0) for d in found]
    for name, key in sorted(_named(config)):
        try:
            choose(name, key == "input", devices)
        except MediaError as error:
            cure = "plug it in, or take a name from this list or from `softphone devices`"
            yield SOUND.fail("devices", f"the configuration names {name!r}: {error}", cure)


def ringers(config: Config | None) -> list[Ringer]:
    """Every ringer of the configuration, the whole phone's and those of accounts."""
    if config is None:
        return []
    return [config.ringer, *(account.ringer for account in config.accounts if account.ringer is not None)]


def _named(config: Config | None) -> set[tuple[str, str]]:
    """Device names in the configuration, with what they are to do."""
    named: set[tuple[str, str]] = set()
    for audio in (account.audio for account in config.accounts) if config else ():
        named |= {(audio.input or audio.device or "", "input"), (audio.output or audio.device or "", "output")}
    named |= {(ringer.device or "", "output") for ringer in ringers(config)}
    return {(name, key) for name, key in named if name}
