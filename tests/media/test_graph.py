"""The mixer always has exactly the connections that were asked for, taps included."""

from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from softphone.media.graph import MediaGraph
from softphone.media.ports import Absent, Port
from tests.media.fakes import FakeMixer, FakePort

Pair = tuple[Port, Port]


class World:
    def __init__(self) -> None:
        self.mixer = FakeMixer()
        self.graph = MediaGraph(self.mixer)
        self.call, self.other, self.mic, self.prompt, self.recorder, self.third = (
            FakePort(name) for name in ("call", "other", "mic", "prompt", "recorder", "third")
        )

    def edges(self) -> set[str]:
        reported = {(edge.source, edge.sink) for edge in self.graph.edges()}
        assert reported == self.mixer.edges
        return {f"{source.name}>{sink.name}" for source, sink in self.mixer.edges}


def test_connect_and_disconnect_reach_the_mixer_once() -> None:
    w = World()
    for _ in range(2):
        w.graph.connect(w.mic, w.call)
    assert w.mixer.calls == ["+mic>call"]
    for _ in range(2):
        w.graph.disconnect(w.mic, w.call)
    assert w.mixer.calls == ["+mic>call", "-mic>call"]
    assert w.edges() == set()


def test_a_bridge_is_both_ways() -> None:
    w = World()
    w.graph.bridge(w.call, w.other)
    assert w.edges() == {"call>other", "other>call"}
    w.graph.unbridge(w.other, w.call)
    assert w.edges() == set()


def test_a_gain_follows_its_connection_and_is_heard_by_taps() -> None:
    w = World()
    w.graph.set_gain(w.mic, w.call, 6.0)
    w.graph.connect(w.mic, w.call)
    w.graph.tap_output(w.call, w.recorder)
    w.graph.connect(w.prompt, w.call)
    assert w.mixer.gains == {(w.mic, w.call): 6.0, (w.mic, w.recorder): 6.0}
    w.graph.replace(w.call, w.other)
    assert w.mixer.gains == {(w.mic, w.other): 6.0, (w.mic, w.recorder): 6.0}
    w.graph.set_gain(w.mic, w.other, 0.0)
    assert set(w.mixer.gains.values()) == {0.0}
    w.graph.set_gain(w.mic, w.other, -3.0)
    w.graph.disconnect(w.mic, w.other)
    w.graph.connect(w.mic, w.other)
    assert w.mixer.gains == {}


def test_a_muted_port_gets_nothing_and_its_sources_go_to_the_drain() -> None:
    w = World()
    w.graph.connect(w.mic, w.call)
    w.graph.tap_output(w.call, w.recorder)
    w.graph.mute(w.call, w.third)
    w.graph.connect(w.prompt, w.call)
    assert w.edges() == {"mic>third", "prompt>third"}
    w.graph.replace(w.call, w.other)
    assert w.edges() == {"mic>third", "prompt>third"}
    w.graph.disconnect(w.mic, w.other)
    assert w.edges() == {"prompt>third"}
    w.graph.unmute(w.other)
    assert w.edges() == {"prompt>other", "prompt>recorder"}


def test_a_muted_port_that_is_removed_frees_its_drain() -> None:
    w = World()
    w.graph.connect(w.mic, w.call)
    w.graph.mute(w.call, w.third)
    w.graph.remove(w.call)
    assert w.edges() == set()
    w.graph.connect(w.mic, w.call)
    assert w.edges() == {"mic>call"}


def test_a_call_may_hear_itself() -> None:
    w = World()
    w.graph.connect(w.call, w.call)
    assert w.edges() == {"call>call"}
    w.graph.remove(w.call)
    assert w.edges() == set()


def test_route_moves_a_sound_new_place_first() -> None:
    w = World()
    w.graph.connect(w.prompt, w.call)
    w.graph.route(w.prompt, [w.other, w.third])
    assert w.edges() == {"prompt>other", "prompt>third"}
    assert w.mixer.calls[-1] == "-prompt>call"
    w.graph.route(w.prompt, [])
    assert w.edges() == set()


def test_an_output_tap_follows_present_and_future_sources() -> None:
    w = World()
    w.graph.connect(w.mic, w.call)
    w.graph.tap_output(w.call, w.recorder)
    assert w.edges() == {"mic>call", "mic>recorder"}
    w.graph.connect(w.prompt, w.call)
    assert w.edges() == {"mic>call", "mic>recorder", "prompt>call", "prompt>recorder"}
    w.graph.disconnect(w.mic, w.call)
    assert w.edges() == {"prompt>call", "prompt>recorder"}
    assert [edge.mirrored for edge in w.graph.edges()] == [False, True]
    w.graph.untap_output(w.call, w.recorder)
    assert w.edges() == {"prompt>call"}


def test_an_input_tap_is_a_connection() -> None:
    w = World()
    w.graph.tap_input(w.call, w.recorder)
    assert w.edges() == {"call>recorder"}
    w.graph.untap_input(w.call, w.recorder)
    assert w.edges() == set()


def test_a_mono_mix_by_both_taps_keeps_what_is_also_asked_for() -> None:
    w = World()
    w.graph.connect(w.mic, w.call)
    w.graph.tap_input(w.call, w.recorder)
    w.graph.tap_output(w.call, w.recorder)
    w.graph.connect(w.mic, w.recorder)  # asked for twice: by the tap and by name
    w.graph.untap_output(w.call, w.recorder)
    assert w.edges() == {"mic>call", "call>recorder", "mic>recorder"}
    w.graph.disconnect(w.mic, w.recorder)
    assert w.edges() == {"mic>call", "call>recorder"}


def test_two_taps_with_a_common_source() -> None:
    w = World()
    w.graph.connect(w.mic, w.call)
    w.graph.connect(w.mic, w.other)
    w.graph.tap_output(w.call, w.recorder)
    w.graph.tap_output(w.other, w.recorder)
    w.graph.disconnect(w.mic, w.call)
    assert w.edges() == {"mic>other", "mic>recorder"}
    w.graph.disconnect(w.mic, w.other)
    assert w.edges() == set()


def test_a_tap_on_a_listener_hears_what_the_listener_hears() -> None:
    w = World()
    w.graph.tap_output(w.call, w.other)  # a supervisor listens in
    w.graph.tap_output(w.other, w.recorder)  # and is recorded
    w.graph.connect(w.mic, w.call)
    assert w.edges() == {"mic>call", "mic>other", "mic>recorder"}
    w.graph.untap_output(w.call, w.other)
    assert w.edges() == {"mic>call"}


def test_a_ring_of_taps_ends() -> None:
    w = World()
    w.graph.tap_output(w.call, w.other)
    w.graph.tap_output(w.other, w.call)
    w.graph.connect(w.mic, w.call)
    assert w.edges() == {"mic>call", "mic>other"}
    w.graph.remove(w.call)
    assert w.edges() == set()


def test_a_tap_never_feeds_a_port_with_itself() -> None:
    w = World()
    w.graph.bridge(w.call, w.other)
    w.graph.tap_output(w.call, w.other)  # other is itself a source of call
    assert w.edges() == {"call>other", "other>call"}


def test_a_new_slot_takes_over_everything() -> None:
    w = World()
    w.graph.bridge(w.call, w.mic)
    w.graph.tap_output(w.call, w.recorder)
    w.graph.tap_input(w.call, w.recorder)
    new = FakePort("new")
    w.graph.replace(w.call, new)
    assert w.edges() == {"new>mic", "mic>new", "mic>recorder", "new>recorder"}
    w.graph.connect(w.prompt, new)
    assert "prompt>recorder" in w.edges()  # the tap moved too
    assert w.graph.sources(w.call) == w.graph.sinks(w.call) == ()
    w.graph.replace(new, new)
    w.graph.replace(w.call, w.third)  # unknown by now: nothing happens
    assert "new>mic" in w.edges()
    assert not any("mic>recorder" in call for call in w.mixer.calls if call.startswith("-"))  # never interrupted


def test_removal_leaves_nothing_behind() -> None:
    w = World()
    w.graph.bridge(w.call, w.other)
    w.graph.tap_output(w.call, w.recorder)
    w.graph.remove(w.call)
    w.graph.remove(w.call)
    assert w.edges() == set()
    w.graph.connect(w.mic, w.call)  # known again, but its tap is forgotten
    assert w.edges() == {"mic>call"}


def test_a_removed_source_leaves_the_taps_too() -> None:
    w = World()
    w.graph.connect(w.mic, w.call)
    w.graph.tap_output(w.call, w.recorder)
    w.graph.remove(w.mic)
    assert w.edges() == set()


def test_what_is_connected_to_an_absent_port_waits_for_the_real_one() -> None:
    w = World()
    absent = Absent("call")
    w.graph.bridge(w.mic, absent)
    w.graph.tap_input(absent, w.recorder)
    assert w.edges() == set()
    w.graph.replace(absent, w.call)
    assert w.edges() == {"mic>call", "call>mic", "call>recorder"}
    w.graph.replace(w.call, absent)
    assert w.edges() == set()
    w.graph.tap_output(absent, w.recorder)
    assert w.edges() == {"mic>recorder"}  # what the call will be sent is heard already
    w.graph.replace(absent, w.call)
    assert w.edges() == {"mic>call", "call>mic", "call>recorder", "mic>recorder"}


def test_a_refused_connection_changes_nothing() -> None:
    w = World()
    w.graph.connect(w.mic, w.call)
    w.mixer.refuse.add(w.recorder)
    with pytest.raises(RuntimeError, match="no such slot"):
        w.graph.tap_output(w.call, w.recorder)
    w.mixer.refuse.clear()
    w.graph.connect(w.prompt, w.call)
    assert w.edges() == {"mic>call", "prompt>call"}


def test_a_thousand_recorded_calls_stay_cheap() -> None:
    mixer = FakeMixer()
    graph = MediaGraph(mixer)
    steps = 0
    real = graph._reach

    def counted(*arguments: object) -> dict[Port, None]:
        nonlocal steps
        found = real(*arguments)  # type: ignore[arg-type]
        steps += len(found)
        return found

    graph._reach = counted  # type: ignore[method-assign, assignment]
    for number in range(1000):
        call, recorder, bot = (FakePort(f"{kind}{number}") for kind in ("call", "recorder", "bot"))
        graph.tap_output(call, recorder)
        graph.tap_input(call, recorder)
        graph.bridge(call, bot)
    assert len(mixer.edges) == 4000
    assert steps < 20_000  # each change touches its own neighbours only


PORTS = [FakePort(f"p{number}") for number in range(5)]
port = st.sampled_from(PORTS)


class GraphMachine(RuleBasedStateMachine):
    """Any order of operations; the model is the plainest description of what taps mean."""

    def __init__(self) -> None:
        super().__init__()
        self.mixer = FakeMixer()
        self.graph = MediaGraph(self.mixer)
        self.direct: set[Pair] = set()
        self.taps: set[Pair] = set()

    @rule(a=port, b=port)
    def connect(self, a: Port, b: Port) -> None:
        self.graph.connect(a, b)
        self.direct.add((a, b))

    @rule(a=port, b=port)
    def disconnect(self, a: Port, b: Port) -> None:
        self.graph.disconnect(a, b)
        self.direct.discard((a, b))

    @rule(a=port, b=port)
    def tap(self, a: Port, b: Port) -> None:
        self.graph.tap_output(a, b)
        self.taps.add((a, b))

    @rule(a=port, b=port)
    def untap(self, a: Port, b: Port) -> None:
        self.graph.untap_output(a, b)
        self.taps.discard((a, b))

    @rule(a=port, sinks=st.lists(port, max_size=3))
    def route(self, a: Port, sinks: list[Port]) -> None:
        self.graph.route(a, sinks)
        self.direct = {pair for pair in self.direct if pair[0] is not a} | {(a, sink) for sink in sinks}

    @rule(a=port)
    def remove(self, a: Port) -> None:
        self.graph.remove(a)
        self.direct = {pair for pair in self.direct if a not in pair}
        self.taps = {pair for pair in self.taps if a not in pair}

    @rule(a=port, b=port)
    def replace(self, a: Port, b: Port) -> None:
        self.graph.replace(a, b)

        def moved(pairs: set[Pair]) -> set[Pair]:
            return {(b if x is a else x, b if y is a else y) for x, y in pairs}

        self.direct, self.taps = moved(self.direct), moved(self.taps)

    @rule(a=port, b=port)
    def refused(self, a: Port, b: Port) -> None:
        """The mixer says no to whatever is new: nothing may change."""
        self.mixer.refuse = set(PORTS)
        before = set(self.mixer.edges)
        try:
            self.graph.connect(a, b)
            self.direct.add((a, b))  # it was there already, or a tap had connected it
        except RuntimeError:
            pass
        self.mixer.refuse = set()
        assert self.mixer.edges == before

    @invariant()
    def the_mixer_is_as_the_model(self) -> None:
        expected = set(self.direct)
        closure = set(self.taps)
        for _ in PORTS:
            closure |= {(a, d) for a, b in closure for c, d in closure if b is c}
        expected |= {
            (source, listener)
            for tapped, listener in closure
            if tapped is not listener
            for source, sink in self.direct
            if sink is tapped and source is not listener
        }
        assert self.mixer.edges == expected
        assert {(edge.source, edge.sink) for edge in self.graph.edges()} == expected
        assert {(e.source, e.sink) for e in self.graph.edges() if e.mirrored} == expected - self.direct

    @invariant()
    def the_mixer_is_asked_nothing_twice(self) -> None:
        state: set[str] = set()
        for call in self.mixer.calls:
            name = call[1:]
            assert (name in state) == (call[0] == "-"), call
            state ^= {name}


TestGraphMachine = GraphMachine.TestCase
TestGraphMachine.settings = settings(max_examples=150, stateful_step_count=30, deadline=None)
