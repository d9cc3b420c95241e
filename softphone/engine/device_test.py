"""A try of a sound device: a tone at its loudspeaker, then the level of its microphone."""

from __future__ import annotations

import asyncio

from softphone.engine.views import DeviceTestView
from softphone.errors import MediaError
from softphone.media.graph import MediaGraph
from softphone.media.player import Player
from softphone.media.ports import Device, SoundMixer
from softphone.media.tones import attention

_LOOK_S = 0.1


async def try_device(mixer: SoundMixer, graph: MediaGraph, name: str, listen_s: float) -> DeviceTestView:
    """Plays a chime and listens for `listen_s`, as far as the device can do either. Raises MediaError."""
    device, microphone, loudspeaker = await _open(mixer, name)
    try:
        if loudspeaker:
            await _play(mixer, graph, device)
        heard = await _listen(mixer, graph, device, listen_s) if microphone else (None, None)
    finally:
        device.close()
    return DeviceTestView(
        name=name, loudspeaker=loudspeaker, microphone=microphone, level_dbfs=heard[0], peak_dbfs=heard[1]
    )


async def _open(mixer: SoundMixer, name: str) -> tuple[Device, bool, bool]:
    """The device, and whether it has a microphone and a loudspeaker."""
    try:
        return await mixer.open_device(name, name), True, True
    except MediaError as error:
        reason = error
    try:
        return await mixer.open_loudspeaker(name), False, True
    except MediaError:
        pass
    try:
        return await mixer.open_device(name, None), True, False  # beside the default loudspeaker
    except MediaError:
        raise reason from None


async def _play(mixer: SoundMixer, graph: MediaGraph, device: Device) -> None:
    port = mixer.open_pcm("device test")
    try:
        graph.connect(port, device.port)
        player = Player(port, attention())
        await player.start()
        await player.wait()
    finally:
        graph.remove(port)
        port.close()


async def _listen(
    mixer: SoundMixer, graph: MediaGraph, device: Device, listen_s: float
) -> tuple[float | None, float | None]:
    """The highest level and peak of that time, dBFS."""
    meter = mixer.open_meter("device test")
    try:
        graph.connect(device.port, meter)
        levels = []
        for _ in range(max(1, round(listen_s / _LOOK_S))):
            await asyncio.sleep(_LOOK_S)
            levels.append(meter.read())
    finally:
        graph.remove(meter)
        meter.close()
    return max(level.rms_dbfs for level in levels), max(level.peak_dbfs for level in levels)
