"""Who hears whom: the one owner of the mixer's connections.

The bridge has no tap for what is sent *to* a call. A tap here is a standing order instead: whatever is connected to the
call is connected to the listener too, now and later, until the tap is taken off. Taps of taps chain. A mirrored
connection never feeds a port with itself. What is connected to an `Absent` port waits for `replace`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from softphone.media.ports import Absent, Mixer, Port

Ports = dict[Port, None]
"""An ordered set: what is reported keeps the order of the requests."""


@dataclass(frozen=True, slots=True)
class Edge:
    """`sink` hears `source`; `mirrored` where only a tap is the reason."""

    source: Port
    sink: Port
    mirrored: bool


class _Pairs:
    """Pairs (giver, taker), found from either end: a change costs what it touches, not what there is."""

    def __init__(self) -> None:
        self._takers: dict[Port, Ports] = {}
        self._givers: dict[Port, Ports] = {}

    def __contains__(self, pair: tuple[Port, Port]) -> bool:
        return pair[1] in self._takers.get(pair[0], {})

    def __iter__(self) -> Iterator[tuple[Port, Port]]:
        return ((giver, taker) for giver, takers in self._takers.items() for taker in takers)

    def takers(self, giver: Port) -> tuple[Port, ...]:
        return tuple(self._takers.get(giver, ()))

    def givers(self, taker: Port) -> tuple[Port, ...]:
        return tuple(self._givers.get(taker, ()))

    def add(self, giver: Port, taker: Port) -> None:
        self._takers.setdefault(giver, {})[taker] = None
        self._givers.setdefault(taker, {})[giver] = None

    def discard(self, giver: Port, taker: Port) -> None:
        if (giver, taker) not in self:
            return
        for index, key, value in ((self._takers, giver, taker), (self._givers, taker, giver)):
            del index[key][value]
            if not index[key]:
                del index[key]  # ports come and go for months

    def of(self, port: Port) -> list[tuple[Port, Port]]:
        """Every pair that `port` has part in."""
        return list(dict.fromkeys([(port, t) for t in self.takers(port)] + [(g, port) for g in self.givers(port)]))


class MediaGraph:
    """Connections wanted, and the mixer kept in step with them. All operations are idempotent, none blocks.

    If the mixer refuses a new connection its error passes through and the request is forgotten; what was connected
    before stays. Belongs to the event loop's thread.
    """

    def __init__(self, mixer: Mixer) -> None:
        self._mixer = mixer
        self._direct = _Pairs()  # source, sink: asked for
        self._taps = _Pairs()  # tapped, listener
        self._live = _Pairs()  # source, sink: what the mixer has
        self._drains: dict[Port, Port] = {}  # muted, where its sources go instead
        self._gains: dict[tuple[Port, Port], float] = {}  # source, sink: dB, of direct connections
        self._in_force: dict[tuple[Port, Port], float] = {}  # what the mixer has

    # ---- what callers ask for

    def connect(self, source: Port, sink: Port) -> None:
        """`sink` hears `source`, and so does every tap on `sink`."""
        self._add(self._direct, source, sink)

    def disconnect(self, source: Port, sink: Port) -> None:
        """`sink` no longer hears `source`, unless a tap still wants it to."""
        self._direct.discard(source, sink)
        self._gains.pop((source, sink), None)
        self._settle([sink])

    def set_gain(self, source: Port, sink: Port, gain_db: float) -> None:
        """How much louder `sink`, and each tap on it, hears `source` than it is, until they are disconnected."""
        self._gains[source, sink] = gain_db
        self._settle([sink])

    def bridge(self, one: Port, other: Port) -> None:
        """Both hear each other."""
        self.connect(one, other)
        self.connect(other, one)

    def unbridge(self, one: Port, other: Port) -> None:
        """Neither hears the other."""
        self.disconnect(one, other)
        self.disconnect(other, one)

    def route(self, source: Port, sinks: Iterable[Port]) -> None:
        """`source` is heard by exactly these sinks (taps aside): moves a sound elsewhere, new places first."""
        wanted = dict.fromkeys(sinks)
        for sink in wanted:
            self.connect(source, sink)
        for sink in self._direct.takers(source):
            if sink not in wanted:
                self.disconnect(source, sink)

    def tap_input(self, port: Port, listener: Port) -> None:
        """`listener` hears what comes *from* `port` (of a call: the far end)."""
        self.connect(port, listener)

    def untap_input(self, port: Port, listener: Port) -> None:
        self.disconnect(port, listener)

    def tap_output(self, port: Port, listener: Port) -> None:
        """`listener` hears all that is sent *to* `port` (of a call: our side), whoever is connected now or later."""
        self._add(self._taps, port, listener)

    def untap_output(self, port: Port, listener: Port) -> None:
        self._taps.discard(port, listener)
        self._settle([listener])

    def mute(self, port: Port, drain: Port) -> None:
        """Nothing is sent to `port` any more, and its output taps hear nothing.

        Its sources are connected to `drain` meanwhile: the mixer would stop a source that nobody hears, and its time.
        """
        self._drains[port] = drain
        self._settle([port, drain])

    def unmute(self, port: Port) -> None:
        """Whatever is connected to `port` is heard again."""
        if drain := self._drains.pop(port, None):
            self._settle([port, drain])

    def remove(self, port: Port) -> None:
        """Forgets `port`: every connection and tap that it has part in goes."""
        self._rename(port, None)

    def replace(self, old: Port, new: Port) -> None:
        """`new` takes over every connection and tap of `old` (a re-INVITE gave the call another slot)."""
        if old is not new:
            self._rename(old, new)

    # ---- what is

    def edges(self) -> tuple[Edge, ...]:
        """Every connection that the mixer has now."""
        return tuple(Edge(source, sink, (source, sink) not in self._direct) for source, sink in self._live)

    def sources(self, sink: Port) -> tuple[Port, ...]:
        """Who is heard at `sink`."""
        return self._live.givers(sink)

    def sinks(self, source: Port) -> tuple[Port, ...]:
        """Where `source` is heard."""
        return self._live.takers(source)

    # ---- keeping the mixer in step

    def _add(self, pairs: _Pairs, giver: Port, taker: Port) -> None:
        if (giver, taker) in pairs:
            return
        pairs.add(giver, taker)
        try:
            self._settle([taker])
        except BaseException:
            pairs.discard(giver, taker)
            self._settle([taker])
            raise

    def _rename(self, old: Port, new: Port | None) -> None:
        touched: Ports = {}
        for pairs in (self._direct, self._taps):
            for giver, taker in pairs.of(old):
                pairs.discard(giver, taker)
                touched[taker] = None
                if new is not None:
                    pair = (new if giver is old else giver, new if taker is old else taker)
                    pairs.add(*pair)
                    touched[pair[1]] = None
        self._rename_gains(old, new)
        if drain := self._drains.pop(old, None):
            touched[drain] = None
            if new is not None:
                self._drains[new] = drain
        touched |= dict.fromkeys(self._live.takers(old))  # heard through taps only
        touched[old] = None
        self._settle(touched)

    def _rename_gains(self, old: Port, new: Port | None) -> None:
        for source, sink in [pair for pair in self._gains if old in pair]:
            gain_db = self._gains.pop((source, sink))
            if new is not None:
                self._gains[new if source is old else source, new if sink is old else sink] = gain_db

    def _settle(self, sinks: Iterable[Port]) -> None:
        """Brings these sinks and all that listen to them in step; disconnects before it connects."""
        reached = self._reach(sinks, self._taps.takers)
        reached |= {self._drains[port]: None for port in reached if port in self._drains}
        wrong = [(sink, self._wanted(sink)) for sink in reached]
        for sink, wanted in wrong:
            for source in self._live.givers(sink):
                if source not in wanted:
                    self._live.discard(source, sink)
                    self._in_force.pop((source, sink), None)
                    self._mixer.disconnect(source, sink)
        for sink, wanted in wrong:
            for source in wanted:
                if (source, sink) not in self._live:
                    self._mixer.connect(source, sink)
                    self._live.add(source, sink)
                self._level(source, sink)

    def _level(self, source: Port, sink: Port) -> None:
        """Brings the gain of a live connection in step."""
        gain_db = self._gain(source, sink) if self._gains else 0.0
        if gain_db != self._in_force.get((source, sink), 0.0):
            self._in_force[source, sink] = gain_db
            self._mixer.set_gain(source, sink, gain_db)

    def _gain(self, source: Port, sink: Port) -> float:
        """A tap hears what the tapped port hears."""
        if (source, sink) in self._direct:
            return self._gains.get((source, sink), 0.0)
        heard = (self._gains.get((source, tapped)) for tapped in self._reach([sink], self._taps.givers))
        return next((gain_db for gain_db in heard if gain_db is not None), 0.0)

    def _wanted(self, sink: Port) -> Ports:
        """Its own sources, and those of all that it taps; nothing to or from a port that is absent."""
        if isinstance(sink, Absent):
            return {}
        wanted = {} if sink in self._drains else dict.fromkeys(self._direct.givers(sink))
        for muted in (port for port, drain in self._drains.items() if drain is sink):
            wanted |= dict.fromkeys(self._direct.givers(muted))
        for tapped in self._reach([sink], self._taps.givers):
            if tapped is not sink and tapped not in self._drains:
                wanted |= {source: None for source in self._direct.givers(tapped) if source is not sink}
        return {source: None for source in wanted if not isinstance(source, Absent)}

    @staticmethod
    def _reach(start: Iterable[Port], step: Callable[[Port], Iterable[Port]]) -> Ports:
        """`start` and everything that `step` leads to from there; rings of taps come to an end too."""
        found: Ports = dict.fromkeys(start)
        queue = list(found)
        while queue:
            for port in step(queue.pop()):
                if port not in found:
                    found[port] = None
                    queue.append(port)
        return found
