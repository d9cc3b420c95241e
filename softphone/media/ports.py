"""What the mixer offers to the layers above, whatever implements it.

Every sound is a port on one mixer: a call, a sound device, a prompt, a recorder. Playing, recording, holding and
bridging are all the same two operations, connect and disconnect. PCM is always signed 16 bit, native byte order, mono,
at the mixer's rate.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol


class Port(Protocol):
    """One place on the mixer. It can be a source, a sink, or both."""

    @property
    def name(self) -> str: ...


@dataclass(frozen=True, slots=True, eq=False)
class Absent:
    """Stands for a port that does not exist yet, or no more: connecting it does nothing.

    A call has one before its media is agreed. `MediaGraph.replace` puts the real port there, connections and all.
    """

    name: str


class PcmPort(Port, Protocol):
    """A port whose other end is the program: bytes in become sound on the mixer and the other way round.

    All methods and callbacks belong to the event loop's thread. None of them blocks.
    """

    @property
    def rate_hz(self) -> int: ...

    def write(self, pcm: bytes) -> int:
        """Queues PCM for the mixer; returns how many bytes were taken (fewer than given when the queue is full)."""

    def writable(self) -> int:
        """How many bytes `write` would take now."""

    def flush(self) -> None:
        """Drops everything that is queued for the mixer (stop, barge-in)."""

    def on_low(self, callback: Callable[[], None] | None) -> None:
        """`callback()` runs each time the queue towards the mixer falls below its low-water mark."""

    def on_drained(self, callback: Callable[[], None] | None) -> None:
        """`callback()` runs once when the last queued sample has gone into the mixer."""

    def on_pcm(self, callback: Callable[[bytes], None] | None) -> None:
        """`callback(pcm)` runs with what the mixer sent here; silence keeps time (zeros are delivered)."""

    def close(self) -> None:
        """Leaves the mixer. Idempotent; callbacks stop at once."""


class Mixer(Protocol):
    """The one conference bridge."""

    @property
    def rate_hz(self) -> int: ...

    def open_pcm(self, name: str, *, queue_ms: int = 1000, low_water_ms: int = 300) -> PcmPort:
        """A new PCM port. `queue_ms` bounds each direction."""

    def connect(self, source: Port, sink: Port) -> None:
        """From now on `sink` hears `source` (mixed with its other sources). Idempotent."""

    def disconnect(self, source: Port, sink: Port) -> None:
        """`sink` no longer hears `source`. Idempotent."""

    def set_gain(self, source: Port, sink: Port, gain_db: float) -> None:
        """How much louder `sink` hears `source`, which are connected, than it is; 0 after each `connect`."""


class Device(Protocol):
    """A sound device that is open for somebody. Closing gives it back; the last one to close it closes it."""

    @property
    def port(self) -> Port: ...

    def on_lost(self, callback: Callable[[Lost], None] | None) -> None:
        """`callback(lost)` runs once when the device has stopped working; it is of no more use then."""

    def close(self) -> None: ...


class Ear(Port, Protocol):
    """A port that hears dialled digits in what is connected to it, and keeps no sound."""

    def close(self) -> None:
        """Leaves the mixer. Idempotent; nothing is heard any more."""


@dataclass(frozen=True, slots=True)
class Lost:
    """A device that stopped working: its name, and why, in plain English."""

    device: str
    cause: str


@dataclass(frozen=True, slots=True)
class Level:
    """How loud something is: RMS over about 125 ms and fading peak, dBFS (-96 for silence); whether somebody talks."""

    rms_dbfs: float
    peak_dbfs: float
    talking: bool


class Meter(Port, Protocol):
    """A port that measures what it hears, by itself."""

    def read(self) -> Level: ...

    def close(self) -> None:
        """Leaves the mixer. Idempotent; `on_talk` is called no more."""


@dataclass(frozen=True, slots=True)
class TalkSettings:
    """What counts as talking: `margin_db` above the noise, not below `floor_dbfs`, with pauses up to `hangover_ms`."""

    hangover_ms: int = 500
    margin_db: float = 9.0
    floor_dbfs: float = -55.0


class SoundMixer(Mixer, Protocol):
    """A mixer that can also open sound devices, measure, and hear digits."""

    def open_ear(self, name: str, on_digit: Callable[[str, int], None]) -> Ear:
        """`on_digit(digit, duration_ms)` runs when a digit has sounded to its end. Raises MediaError."""

    async def open_device(self, capture: str | None, playback: str | None) -> Device:
        """Opens devices by name (None: the default one). Raises MediaError that names what there is.

        That may take seconds; the mixer goes on meanwhile.
        """

    async def open_loudspeaker(self, playback: str | None) -> Device:
        """Opens a loudspeaker alone, or joins the calls that use it already. Raises MediaError."""

    async def device_fault(self, capture: str | None, playback: str | None) -> str:
        """Why devices could not be opened now, '' if they could. Asks the sound system and opens nothing for long."""

    def open_meter(
        self, name: str, *, talk: TalkSettings | None = None, on_talk: Callable[[bool], None] | None = None
    ) -> Meter:
        """A new meter. With `talk` it also looks for somebody who talks, and runs `on_talk(talking)` at changes."""

    def levels(self, port: Port) -> tuple[float, float]:
        """What comes from `port`, and what goes to it, in this moment: dBFS, -96 for silence."""
