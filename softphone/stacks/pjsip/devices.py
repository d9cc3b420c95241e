"""Sound devices, by name. Indexes shift when something is plugged in or out; names stay.

A device is opened for the first call that wants it and closed after the last. PJSIP's mixer keeps its own clock, and a
device plays and records on threads of its own beside it: what a device does, or fails to do, is heard only by the calls
that use it. Opening and closing may block for as long as the sound system likes, so neither happens on the loop.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from typing import Any

import pjsua2 as pj

from softphone.config.sound import EchoCancel
from softphone.errors import MediaError
from softphone.media.ports import Lost
from softphone.stacks.base import SoundDevice
from softphone.stacks.pjsip import alsa
from softphone.stacks.pjsip.device_faults import Pair, both, fault, resolve, resolve_loudspeaker, why_not
from softphone.stacks.pjsip.device_names import default_name
from softphone.stacks.pjsip.device_port import DevicePort, Shared, close_natively
from softphone.stacks.pjsip.helpers import Helpers

log = logging.getLogger(__name__)

OPEN_S = 8.0  # a sound system that takes longer is given up
CLOSE_S = 3.0

_CONFIG = "ALSA_CONFIG_PATH"
_NOWHERE = -1
_MOST = 64  # devices that PJSIP can know
_AEC3_RATES_HZ = (16_000, 32_000, 48_000)

_FAILED = "it takes no more sound: it was unplugged, or its sound server has ended"
_NEEDED = "a call opens it together with a microphone"

_Opened = tuple[Any, tuple[int, int]]
"""pjsua2's device, and the places of microphone and loudspeaker in PJSIP's list."""


def echo_options(rate_hz: int, *, less_noise: bool = False) -> int:
    """The canceller for this rate: WebRTC's AEC3, which has no 8 kHz, else PJSIP's suppressor.

    less_noise: with AEC3, WebRTC's noise suppressor before it (12 dB is what it aims at); there is none at 8 kHz.
    """
    if rate_hz not in _AEC3_RATES_HZ:
        return int(pj.PJMEDIA_ECHO_SIMPLE | pj.PJMEDIA_ECHO_USE_SW_ECHO)
    noise = pj.PJMEDIA_ECHO_USE_NOISE_SUPPRESSOR if less_noise else 0
    return int(pj.PJMEDIA_ECHO_WEBRTC_AEC3 | pj.PJMEDIA_ECHO_USE_SW_ECHO | noise)


class Devices:
    """The sound devices of this machine, and those that are open. Belongs to the event loop's thread."""

    def __init__(self, echo_cancel: EchoCancel, rate_hz: int) -> None:
        self._echo_tail_ms = echo_cancel.tail_ms if echo_cancel.enabled else 0
        self._echo_options = echo_options(rate_hz, less_noise=echo_cancel.noise_suppression)
        self._rate_hz = rate_hz
        self._alsa_config: str | None = None
        self._helpers = Helpers("sound device", _enrol)
        self._opening = asyncio.Lock()
        self._known: list[str] = []
        self._open: dict[Pair, Shared] = {}  # what a call may share
        self._all: set[Shared] = set()  # and what has failed, as long as calls are on it
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
        found = alsa.listed()
        taken = {default_name(found, capture) for capture in (True, False)}
        used = {name for shared in self._all for name in shared.pair}
        return [
            SoundDevice(
                name=d.name,
                inputs=int(d.capture),
                outputs=int(d.playback),
                driver="ALSA",
                default_rate_hz=self._rate_hz,
                description=d.description,
                default=d.name in taken,
                in_use=d.name in used,
            )
            for d in found
        ]

    # ---- opening and closing

    async def open(self, manager: Any, capture: str | None, playback: str | None) -> DevicePort:
        """Opens a microphone and a loudspeaker by name, None for the default ones. Raises MediaError."""
        return await self._hold(manager, lambda: resolve(capture, playback), both(capture, playback))

    async def open_loudspeaker(self, manager: Any, playback: str | None) -> DevicePort:
        """Opens a loudspeaker without a microphone; one that is open already, in a pair, is shared."""
        return await self._hold(manager, lambda: resolve_loudspeaker(playback), both("", playback))

    async def _hold(self, manager: Any, find: Callable[[], Pair], names: str) -> DevicePort:
        try:
            async with asyncio.timeout(OPEN_S), self._opening:
                shared = await self._shared(manager, find)
        except TimeoutError:
            raise MediaError(
                f"the sound system has not opened {names} within {OPEN_S:g} s; "
                "see whether PulseAudio or PipeWire hangs (systemctl --user restart pipewire)"
            ) from None
        return shared.hold(self._release)

    async def _shared(self, manager: Any, find: Callable[[], Pair]) -> Shared:
        pair = await asyncio.wrap_future(self._helpers.run(find))
        if (shared := self._usable(pair)) is not None:
            return shared
        self._make_way(pair)
        await self._closed(pair)
        in_use = [name for shared in self._all for name in shared.pair]
        work = self._helpers.run(lambda: self._open_natively(manager, pair, in_use))
        try:
            opened = await asyncio.wrap_future(work)
        except asyncio.CancelledError:  # nobody waits for it any more; should it open yet, it is closed again
            work.add_done_callback(self._close_late)
            raise
        shared = self._open[pair] = Shared(pair, *opened)
        self._all.add(shared)
        return shared

    def _usable(self, pair: Pair) -> Shared | None:
        """What is open already and will do: for a loudspeaker alone, any pair that it is in."""
        found = [s for names, s in self._open.items() if names == pair or (not pair[0] and names[1] == pair[1])]
        return next((shared for shared in found if not shared.lost), None)

    def _make_way(self, pair: Pair) -> None:
        """A loudspeaker that is open alone would keep the pair from being opened; who uses it may join the pair."""
        if pair[0] and (alone := self._open.get(("", pair[1]))) is not None and not alone.lost:
            alone.lose(Lost(pair[1], _NEEDED))

    async def fault(self, capture: str | None, playback: str | None) -> str:
        """Why these could not be opened now, '' if they could. Waits for as long as the sound system does."""
        in_use = [name for shared in self._all for name in shared.pair]

        def look() -> str:
            try:
                return fault(resolve(capture, playback), in_use)
            except MediaError as error:
                return str(error)

        return await asyncio.wrap_future(self._helpers.run(look))

    async def _closed(self, pair: Pair) -> None:
        """Waits until what is just being closed is free again."""
        await self._wait(work for work, names in self._closing.items() if {*names} & {*pair} - {""})

    @staticmethod
    async def _wait(closing: Iterable[Future[None]]) -> None:
        if waiting := [asyncio.wrap_future(work) for work in closing]:
            await asyncio.wait(waiting, timeout=CLOSE_S)

    def _open_natively(self, manager: Any, pair: Pair, in_use: Iterable[str]) -> _Opened:
        """On a helper thread."""
        try:
            places = self._register(pair, in_use)
        except pj.Error as error:
            raise MediaError(f"{both(*pair)}: PJSIP takes no more sound devices: {error.reason}") from None
        wanted = [name for name in pair if name]
        everything = manager.enumDev2()  # held by a name: its elements do not keep it alive
        numbers = {device.name: n for n, device in enumerate(everything) if device.driver == "ALSA"}
        if too_long := [name for name in wanted if name not in numbers]:
            raise MediaError(
                f"the name {too_long[0]!r} is too long for PJSIP; give the device a shorter one in asound.conf"
            )
        native = pj.EchoDevice(numbers[pair[1]], numbers[pair[0]] if pair[0] else -1)
        try:
            if not pair[0]:
                native.openLoudspeaker()
                return native, places
            native.open()
            if self._echo_tail_ms:
                native.setEcho(self._echo_tail_ms, self._echo_options)
            return native, places
        except pj.Error as error:
            reason = error.reason
            native.close()
            del native, error  # the traceback must not keep them
        raise MediaError(why_not(pair, in_use, reason, self._rate_hz))

    def _register(self, pair: Pair, in_use: Iterable[str]) -> tuple[int, int]:
        """Makes both known to PJSIP, which looks whether they can be opened; what it saw earlier may be over.

        Returns their places in PJSIP's list of ALSA devices. The place of a device in use never changes.
        """
        wanted = [name for name in pair if name]
        known = list(dict.fromkeys([*self._known, *wanted]))
        if len(known) > _MOST:
            known = list(dict.fromkeys([*(name for name in in_use if name), *wanted]))
        self._known = known
        pj.setAlsaDevices(pj.StringVector(self._known))
        return self._known.index(pair[0]) if pair[0] else _NOWHERE, self._known.index(pair[1])

    def _close_late(self, work: Future[_Opened]) -> None:
        if not work.cancelled() and work.exception() is None:
            native, _ = work.result()
            self._helpers.run(lambda: close_natively(native))

    def _release(self, shared: Shared) -> None:
        if shared.users == 0 and shared in self._all:
            self._close(shared)

    def _close(self, shared: Shared) -> None:
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
        for shared in list(self._all):
            if shared.places[half] == place and not shared.lost:
                log.warning("the sound device %s failed; %d users go on without it", shared.pair[half], shared.users)
                shared.lose(Lost(shared.pair[half], _FAILED))

    async def close(self) -> None:
        """Closes all, before PJSIP ends. What hangs is left behind."""
        for shared in list(self._all):
            self._close(shared)
        await self._wait(self._closing)
        for work, pair in self._closing.items():
            if not work.done():
                log.warning("the sound system hangs; left open: %s", both(*pair))
        self._helpers.close()


def _enrol() -> None:
    pj.Endpoint.instance().libRegisterThread("sound device")


def _post(loop: asyncio.AbstractEventLoop, work: Callable[..., Any], *args: Any) -> None:
    try:
        loop.call_soon_threadsafe(work, *args)
    except RuntimeError:  # the loop ended before a device that hung
        log.info("a sound device was closed after the end")
