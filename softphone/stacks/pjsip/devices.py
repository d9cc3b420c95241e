"""Sound devices, by name. Indexes shift when something is plugged in or out; names stay.

A device is opened for the first call that wants it and closed after the last. PJSIP's mixer keeps its own clock, and a
device plays and records on threads of its own beside it: what a device does, or fails to do, is heard only by the calls
that use it. Opening and closing may block for as long as the sound system likes, so neither happens on the loop.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from typing import Any

import pjsua2 as pj

from softphone.config.sound import EchoCancel
from softphone.errors import MediaError
from softphone.stacks.base import SoundDevice
from softphone.stacks.pjsip import alsa
from softphone.stacks.pjsip.device_names import Unknown, choose
from softphone.stacks.pjsip.helpers import Helpers
from softphone.stacks.pjsip.mixer import BridgePort

log = logging.getLogger(__name__)

OPEN_S = 8.0  # a sound system that takes longer is given up
CLOSE_S = 3.0

_CONFIG = "ALSA_CONFIG_PATH"
_MOST = 64  # devices that PJSIP can know
_AEC3_RATES_HZ = (16_000, 32_000, 48_000)

Pair = tuple[str, str]
"""ALSA names of a microphone and a loudspeaker."""

_Opened = tuple[Any, tuple[int, int]]
"""pjsua2's device, and the places of microphone and loudspeaker in PJSIP's list."""


def echo_options(rate_hz: int) -> int:
    """The canceller for this rate: WebRTC's AEC3, which has no 8 kHz, else PJSIP's suppressor."""
    algorithm = pj.PJMEDIA_ECHO_WEBRTC_AEC3 if rate_hz in _AEC3_RATES_HZ else pj.PJMEDIA_ECHO_SIMPLE
    return int(algorithm | pj.PJMEDIA_ECHO_USE_SW_ECHO)


class Devices:
    """The sound devices of this machine, and those that are open. Belongs to the event loop's thread."""

    def __init__(self, echo_cancel: EchoCancel, rate_hz: int) -> None:
        self._echo_tail_ms = echo_cancel.tail_ms if echo_cancel.enabled else 0
        self._rate_hz = rate_hz
        self._alsa_config: str | None = None
        self._helpers = Helpers("sound device", _enrol)
        self._opening = asyncio.Lock()
        self._known: list[str] = []
        self._open: dict[Pair, _Shared] = {}  # what a call may share
        self._all: set[_Shared] = set()  # and what has failed, as long as calls are on it
        self._closing: dict[Future[None], Pair] = {}

    # ---- what there is

    def hide(self) -> None:
        """Keeps libInit from opening every device: for this moment ALSA has no configuration."""
        self._alsa_config = os.environ.get(_CONFIG)
        os.environ[_CONFIG] = "/dev/null"

    def unhide(self) -> None:
        if self._alsa_config is None:
            os.environ.pop(_CONFIG, None)
        else:
            os.environ[_CONFIG] = self._alsa_config

    def list(self) -> list[SoundDevice]:
        """What ALSA lists. Whether a device is free is known only when it is opened."""
        return [SoundDevice(d.name, int(d.capture), int(d.playback), "ALSA", self._rate_hz) for d in alsa.listed()]

    # ---- opening and closing

    async def open(self, manager: Any, capture: str | None, playback: str | None) -> DevicePort:
        """Opens a microphone and a loudspeaker by name, None for the default ones. Raises MediaError."""
        try:
            async with asyncio.timeout(OPEN_S), self._opening:
                shared = await self._shared(manager, capture, playback)
        except TimeoutError:
            raise MediaError(
                f"the sound system has not opened {_both(capture, playback)} within {OPEN_S:g} s; "
                "see whether PulseAudio or PipeWire hangs (systemctl --user restart pipewire)"
            ) from None
        shared.users += 1
        return DevicePort(shared, self._release)

    async def _shared(self, manager: Any, capture: str | None, playback: str | None) -> _Shared:
        pair = await asyncio.wrap_future(self._helpers.run(lambda: _resolve(capture, playback)))
        if (shared := self._open.get(pair)) is not None and not shared.lost:
            return shared
        await self._closed(pair)
        in_use = [name for shared in self._all for name in shared.pair]
        work = self._helpers.run(lambda: self._open_natively(manager, pair, in_use))
        try:
            opened = await asyncio.wrap_future(work)
        except asyncio.CancelledError:  # nobody waits for it any more; should it open yet, it is closed again
            work.add_done_callback(self._close_late)
            raise
        shared = self._open[pair] = _Shared(pair, *opened)
        self._all.add(shared)
        return shared

    async def _closed(self, pair: Pair) -> None:
        """Waits until what is just being closed is free again."""
        await self._wait(work for work, names in self._closing.items() if set(names) & set(pair))

    @staticmethod
    async def _wait(closing: Iterable[Future[None]]) -> None:
        if waiting := [asyncio.wrap_future(work) for work in closing]:
            await asyncio.wait(waiting, timeout=CLOSE_S)

    def _open_natively(self, manager: Any, pair: Pair, in_use: Iterable[str]) -> _Opened:
        """On a helper thread."""
        try:
            places = self._register(pair, in_use)
        except pj.Error as error:
            raise MediaError(f"{_both(*pair)}: PJSIP takes no more sound devices: {error.reason}") from None
        everything = manager.enumDev2()  # held by a name: its elements do not keep it alive
        numbers = {device.name: n for n, device in enumerate(everything) if device.driver == "ALSA"}
        if too_long := [name for name in pair if name not in numbers]:
            raise MediaError(
                f"the name {too_long[0]!r} is too long for PJSIP; give the device a shorter one in asound.conf"
            )
        native = pj.EchoDevice(numbers[pair[1]], numbers[pair[0]])
        try:
            native.open()
            if self._echo_tail_ms:
                native.setEcho(self._echo_tail_ms, echo_options(self._rate_hz))
            return native, places
        except pj.Error as error:
            reason = error.reason
            native.close()
            del native, error  # the traceback must not keep them
        raise MediaError(_why_not(pair, in_use, reason, self._rate_hz))

    def _register(self, pair: Pair, in_use: Iterable[str]) -> tuple[int, int]:
        """Makes both known to PJSIP, which looks whether they can be opened; what it saw earlier may be over.

        Returns their places in PJSIP's list of ALSA devices. The place of a device in use never changes.
        """
        known = list(dict.fromkeys([*self._known, *pair]))
        self._known = known if len(known) <= _MOST else list(dict.fromkeys([*in_use, *pair]))
        pj.setAlsaDevices(pj.StringVector(self._known))
        return self._known.index(pair[0]), self._known.index(pair[1])

    def _close_late(self, work: Future[_Opened]) -> None:
        if not work.cancelled() and work.exception() is None:
            native, _ = work.result()
            self._helpers.run(lambda: _close_natively(native))

    def _release(self, shared: _Shared) -> None:
        shared.users -= 1
        if shared.users == 0 and shared in self._all:
            self._close(shared)

    def _close(self, shared: _Shared) -> None:
        self._all.remove(shared)
        if self._open.get(shared.pair) is shared:
            del self._open[shared.pair]
        loop = asyncio.get_running_loop()
        work = self._helpers.run(shared.close())
        self._closing[work] = shared.pair
        work.add_done_callback(lambda done: _post(loop, self._closing.pop, done, None))

    # ---- faults, and the end

    def failed(self, direction: int, place: int) -> None:
        """A device has stopped working; it is not shared any more, so that the next call opens it anew."""
        half = 0 if direction == pj.PJMEDIA_DIR_CAPTURE else 1
        for shared in self._all:
            if shared.places[half] == place and not shared.lost:
                shared.lost = True
                log.warning(
                    "the sound device %s failed; its %d calls go on without it", shared.pair[half], shared.users
                )

    async def close(self) -> None:
        """Closes all, before PJSIP ends. What hangs is left behind."""
        for shared in list(self._all):
            self._close(shared)
        await self._wait(self._closing)
        for work, pair in self._closing.items():
            if not work.done():
                log.warning("the sound system hangs; left open: %s", _both(*pair))
        self._helpers.close()


def _enrol() -> None:
    pj.Endpoint.instance().libRegisterThread("sound device")


def _close_natively(native: Any) -> None:
    try:
        native.close()
    except pj.Error as error:
        log.warning("a sound device was not closed: %s", error.reason)


def _post(loop: asyncio.AbstractEventLoop, work: Callable[..., Any], *args: Any) -> None:
    try:
        loop.call_soon_threadsafe(work, *args)
    except RuntimeError:  # the loop ended before a device that hung
        log.info("a sound device was closed after the end")


def _both(capture: str | None, playback: str | None) -> str:
    names = dict.fromkeys((capture or "the default microphone", playback or "the default loudspeaker"))
    return " and ".join(names)


def _resolve(capture: str | None, playback: str | None) -> Pair:
    """The ALSA names of what is meant. Raises MediaError. May block."""
    devices = alsa.listed()
    return _chosen(capture, True, devices), _chosen(playback, False, devices)


def _chosen(wanted: str | None, capture: bool, devices: Sequence[alsa.AlsaDevice]) -> str:
    try:
        return choose(wanted, capture, devices)
    except Unknown as error:
        if alsa.cards_forbidden():
            raise MediaError(f"{error}; {alsa.NO_PERMISSION}") from None
        if wanted and alsa.refusal(wanted, alsa.CAPTURE if capture else alsa.PLAYBACK) == 0:
            raise MediaError(
                f"ALSA can open {wanted} but does not list it; in asound.conf, add to pcm.{wanted}: "
                f'hint {{ show on description "{wanted}" }}'
            ) from None
        raise


def _why_not(pair: Pair, in_use: Iterable[str], reason: str, rate_hz: int) -> str:
    """Asks ALSA, since PJSIP tells nothing of why a device did not open. May block."""
    for name, stream, kind in ((pair[0], alsa.CAPTURE, "microphone"), (pair[1], alsa.PLAYBACK, "loudspeaker")):
        number = alsa.refusal(name, stream)
        if number == errno.EBUSY and name in in_use:
            return f"the {kind} {name} is open for another call together with another device: {alsa.SHARE}"
        if number:
            return f"the {kind} {name} cannot be opened ({errno.errorcode.get(number, number)}): {alsa.explain(number)}"
    raw = [name for name in pair if name.startswith("hw:")]
    advice = f"; name it plug{raw[0]}, which converts" if raw else ""
    return f"the sound devices {_both(*pair)} do not take {rate_hz} Hz mono ({reason}){advice}"


class _Shared:
    """One open pair of devices, used by any number of calls."""

    def __init__(self, pair: Pair, native: Any, places: tuple[int, int]) -> None:
        self.pair, self.places = pair, places
        self.users = 0
        self.lost = False
        self._native = native
        self.port = BridgePort(f"device {_both(*pair)}", native)

    def close(self) -> Callable[[], None]:
        """Takes the port away from the loop's side; what is returned closes the device and may block."""
        native, self._native = self._native, None
        self.port.gone()
        return lambda: _close_natively(native)


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
