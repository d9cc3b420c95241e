"""A call's place on the mixer: what others are connected to while the leg comes, changes, is held and muted."""

from __future__ import annotations

from softphone.engine.place import Place
from softphone.media.graph import MediaGraph
from softphone.media.ports import Absent, Port
from tests.media.fakes import FakeMixer, FakePort


class Scene:
    def __init__(self) -> None:
        self.mixer = FakeMixer()
        self.graph = MediaGraph(self.mixer)
        self.moves: list[Port] = []
        self.place = Place(self.mixer, self.graph, "call c1", self.moves.append)
        self.voice = FakePort("voice")
        self.ear = FakePort("ear")
        self.graph.connect(self.voice, self.place.shown)
        self.graph.connect(self.place.shown, self.ear)
        self.graph.tap_output(self.place.shown, self.ear)

    def heard_by(self, sink: Port) -> set[str]:
        return {port.name for port in self.graph.sources(sink)}


def test_connections_follow_the_leg() -> None:
    scene = Scene()
    first, second = FakePort("first"), FakePort("second")
    scene.place.change(first)
    assert scene.heard_by(first) == {"voice"}
    scene.place.change(second)
    assert (scene.heard_by(first), scene.heard_by(second)) == (set(), {"voice"})
    scene.place.change(None)
    assert isinstance(scene.place.shown, Absent)
    assert scene.moves[:2] == [first, second]


def test_on_hold_nothing_reaches_the_leg_but_music_even_when_it_changes() -> None:
    scene = Scene()
    leg, later, music = FakePort("leg"), FakePort("later"), FakePort("music")
    scene.place.change(leg)
    scene.place.hold()
    scene.place.hold()
    assert scene.heard_by(leg) == set()
    assert scene.heard_by(scene.place.shown) == {"voice"}
    scene.graph.connect(music, scene.place.leg)
    scene.place.change(later)
    assert scene.heard_by(later) == {"music"}
    scene.graph.remove(music)
    scene.place.resume()
    assert scene.heard_by(later) == {"voice"}
    assert scene.place.shown is later


def test_mute_lasts_through_changes_and_holds_and_taps_hear_nothing() -> None:
    scene = Scene()
    leg, later = FakePort("leg"), FakePort("later")
    scene.place.change(leg)
    assert scene.heard_by(scene.ear) == {"leg", "voice"}
    scene.place.mute()
    assert scene.place.muted
    assert scene.heard_by(leg) == set()
    assert scene.heard_by(scene.ear) == {"leg"}
    scene.place.hold()
    scene.place.change(later)
    scene.place.resume()
    assert scene.heard_by(later) == set()
    assert scene.heard_by(scene.ear) == {"later"}
    another = FakePort("another")
    scene.graph.connect(another, scene.place.shown)
    assert scene.heard_by(later) == set()
    scene.place.unmute()
    assert scene.heard_by(later) == {"voice", "another"}
    assert not scene.place.muted


def test_what_nobody_hears_is_still_taken_off_its_source() -> None:
    """The mixer stops a source without a listener: a prompt to a muted call would never end."""
    scene = Scene()
    scene.place.change(FakePort("leg"))
    scene.place.mute()
    assert len(scene.graph.sinks(scene.voice)) == 1
    scene.place.hold()
    assert len(scene.graph.sinks(scene.voice)) == 1


def test_the_end_leaves_nothing_behind() -> None:
    scene = Scene()
    scene.place.change(FakePort("leg"))
    scene.place.hold()
    scene.place.mute()
    scene.place.close()
    assert scene.graph.edges() == ()
    assert all(port.closed for port in scene.mixer.pcm_ports)
