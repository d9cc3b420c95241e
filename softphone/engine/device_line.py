"""A call's hold on its sound device: opened, lost when it is unplugged, watched for, and taken up again.

Whatever happens to the device, the call goes on; what is said meanwhile goes nowhere. The watch asks the sound system,
at first often, then every few seconds: that needs no udev and no sound server's good will.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from softphone import events
from softphone.aio import Backoff
from softphone.engine.views import AudioRoute
from softphone.engine.world import World
from softphone.errors import SoftphoneError
from softphone.media.ports import Device, Lost, Port

log = logging.getLogger(__name__)

WATCH_FIRST_S, WATCH_MOST_S = 0.5, 3.0


class DeviceLine:
    """`state` is '' without a device, open, or waiting (for one that is not there); `cause` says why it waits."""

    def __init__(self, call_id: str, account_id: str, world: World, port: Port) -> None:
        self._call, self._account = call_id, account_id
        self._world = world
        self._port = port
        self._device: Device | None = None
        self._route = AudioRoute()
        self._watch: asyncio.Task[None] | None = None
        self.cause = ""
        self.silenced = False
        self.on_change: Callable[[], None] = _nothing
        """Runs when the call has got another device, or none: others may speak there too."""

    @property
    def state(self) -> str:
        if self._device is not None:
            return "open"
        return "waiting" if self._watch is not None else ""

    def moved(self, port: Port) -> None:
        """The call has another port now; the graph has moved the connections already."""
        self._port = port

    async def find(self, route: AudioRoute) -> Device:
        """Opens the route's device. Raises MediaError."""
        return await self._world.mixer.open_device(route.input, route.output)

    def take(self, device: Device, route: AudioRoute) -> None:
        """From now on the call is heard and speaks there."""
        self.drop()
        self._device, self._route = device, route
        device.on_lost(self._lost)
        self._connect()
        self.on_change()

    def wait_for(self, route: AudioRoute, cause: str) -> None:
        """The device is not there; it is taken as soon as it is."""
        self.drop()
        self._route, self.cause = route, cause
        if not self._world.tasks.closed:
            self._watch = self._world.tasks.spawn(self._watching(), f"watch for the sound device of {self._call}")

    def set_gains(self, route: AudioRoute) -> None:
        """The same device with other gains."""
        self._route = route
        if self._device is not None and not self.silenced:
            self._world.graph.set_gain(self._device.port, self._port, route.input_gain_db)
            self._world.graph.set_gain(self._port, self._device.port, route.output_gain_db)

    def silence(self, on: bool) -> None:
        """While it is on, the device is open, but nothing of the call goes there or comes from there."""
        if on != self.silenced:
            self.silenced = on
            if self._device is not None:
                (self._disconnect if on else self._connect)()
            self.on_change()

    @property
    def device(self) -> Device | None:
        return self._device

    def drop(self) -> None:
        """Gives the device back; nobody watches for it any more."""
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None
        self.cause = ""
        if self._device is not None:
            self._disconnect()
            device, self._device = self._device, None
            self.on_change()
            device.close()

    # ---- what happens to the device

    def _connect(self) -> None:
        if self._device is not None and not self.silenced:
            self._world.graph.bridge(self._device.port, self._port)
            self.set_gains(self._route)

    def _disconnect(self) -> None:
        if self._device is not None:
            self._world.graph.unbridge(self._device.port, self._port)

    def _lost(self, lost: Lost) -> None:
        self._tell(events.AudioDeviceLost(call=self._call, account=self._account, device=lost.device, cause=lost.cause))
        self.wait_for(self._route, f"{lost.device}: {lost.cause}")

    async def _watching(self) -> None:
        pauses = Backoff(WATCH_FIRST_S, WATCH_MOST_S)
        while True:
            await asyncio.sleep(pauses.next_s())
            route = self._route
            self.cause = await self._world.mixer.device_fault(route.input, route.output)
            if self.cause:
                continue
            try:
                device = await self.find(route)
            except SoftphoneError as error:
                self.cause = str(error)
                continue
            self._watch = None  # this very task: it is not to be cancelled
            self.take(device, self._route)
            log.info("call %s has its sound device again", self._call)
            self._tell(
                events.AudioDeviceBack(
                    call=self._call, account=self._account, input=route.input or "", output=route.output or ""
                )
            )
            return

    def _tell(self, event: events.Event) -> None:
        self._world.bus.publish(event)


def _nothing() -> None:
    pass
