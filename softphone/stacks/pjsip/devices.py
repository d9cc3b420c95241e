"""Sound devices, by name. Indexes shift when something is plugged in or out; names stay.

PJSIP probes every sound system of the machine when it looks for devices, which takes time and writes to stderr. So
nothing is probed until somebody asks for a device.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pjsua2 as pj

from softphone.config.sound import EchoCancel
from softphone.errors import MediaError
from softphone.stacks.base import SoundDevice
from softphone.stacks.pjsip.mixer import BridgePort

_CONFIG = "ALSA_CONFIG_PATH"
_DEFAULT_CAPTURE, _DEFAULT_PLAYBACK = -1, -2  # PJMEDIA_AUD_DEFAULT_*_DEV


class Devices:
    """The sound devices of this machine, and those that are open."""

    def __init__(self, echo_cancel: EchoCancel) -> None:
        self._echo_cancel = echo_cancel
        self._probed = False
        self._alsa_config: str | None = None
        self._open: dict[tuple[int, int], _Shared] = {}

    def hide(self) -> None:
        """Keeps libInit from probing: for this moment ALSA has no configuration."""
        self._alsa_config = os.environ.get(_CONFIG)
        os.environ[_CONFIG] = "/dev/null"

    def unhide(self) -> None:
        if self._alsa_config is None:
            os.environ.pop(_CONFIG, None)
        else:
            os.environ[_CONFIG] = self._alsa_config

    def list(self, manager: Any) -> list[SoundDevice]:
        """All devices but PJSIP's own null device."""
        self._probe(manager)
        found = [
            SoundDevice(d.name, d.inputCount, d.outputCount, d.driver, d.defaultSamplesPerSec)
            for d in manager.enumDev2()
        ]
        return [device for device in found if device.driver.lower() != "null"]

    def _probe(self, manager: Any) -> None:
        if not self._probed:
            manager.refreshDevs()
            self._probed = True

    def open(self, manager: Any, capture: str | None, playback: str | None) -> DevicePort:
        """Opens a microphone and a loudspeaker by name, None for the default ones. Raises MediaError."""
        self._probe(manager)
        key = (
            self._number(manager, capture, "inputCount", _DEFAULT_CAPTURE),
            self._number(manager, playback, "outputCount", _DEFAULT_PLAYBACK),
        )
        shared = self._open.get(key)
        if shared is None:
            name = f"{capture or 'default'} and {playback or 'default'}"
            shared = _Shared(key, name, self._echo_cancel)
            self._open[key] = shared
        shared.users += 1
        return DevicePort(shared, self._release)

    def _number(self, manager: Any, name: str | None, count: str, default: int) -> int:
        if name is None:
            return default
        everything = manager.enumDev2()  # held by a name: its elements do not keep it alive
        devices = [(n, d) for n, d in enumerate(everything) if getattr(d, count) > 0]
        exact = [n for n, d in devices if d.name == name]
        close = [n for n, d in devices if name.lower() in d.name.lower()]
        if exact or len(close) == 1:
            return (exact or close)[0]
        kind = "microphone" if count == "inputCount" else "loudspeaker"
        there = ", ".join(d.name for _, d in devices) or "none at all"
        raise MediaError(f"there is no {kind} named {name!r} (there is: {there})")

    def _release(self, shared: _Shared) -> None:
        shared.users -= 1
        if shared.users == 0:
            self._open.pop(shared.key, None)
            shared.close()

    def close(self) -> None:
        """Closes all, before PJSIP ends."""
        for shared in self._open.values():
            shared.close()
        self._open.clear()


class _Shared:
    """One open pair of devices, used by any number of calls."""

    def __init__(self, key: tuple[int, int], name: str, echo_cancel: EchoCancel) -> None:
        self.key = key
        self.users = 0
        self._native = pj.EchoDevice(key[1], key[0])
        try:
            self._native.open()
            if echo_cancel.enabled:
                self._native.setEcho(echo_cancel.tail_ms, pj.PJMEDIA_ECHO_WEBRTC_AEC3 | pj.PJMEDIA_ECHO_USE_SW_ECHO)
        except pj.Error as error:
            raise MediaError(f"the sound devices {name} cannot be opened: {error.reason}") from None
        self.port = BridgePort(f"device {name}", self._native)

    def close(self) -> None:
        self.port.gone()
        self._native.close()


class DevicePort:
    """One user's hold on a pair of devices."""

    def __init__(self, shared: _Shared, release: Callable[[_Shared], None]) -> None:
        self._shared: _Shared | None = shared
        self._release = release
        self.port = shared.port

    def close(self) -> None:
        if (shared := self._shared) is not None:
            self._shared = None
            self._release(shared)
