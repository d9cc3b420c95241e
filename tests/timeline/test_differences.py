"""The differences that are named, and the timeline that carries them."""

from __future__ import annotations

import re
from dataclasses import asdict
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from softphone import events
from softphone.timeline.differences import Policy
from softphone.timeline.facts import Fact
from softphone.timeline.joining import join
from softphone.timeline.record import closes_at_s, tell
from softphone.timeline.views import TimelineView
from tests.timeline.story import ACCOUNT, T0, Story, good_call
from tests.timeline.test_joining import click, crowd

ALL = Policy(expects=frozenset({"pbx", "cdr"}))


def only(facts: list[Fact], at_s: float = 1000.0, policy: Policy = ALL) -> TimelineView:
    (joined,) = join(facts)
    return tell(joined, policy, T0 + at_s)


def texts(view: TimelineView) -> dict[str, str]:
    return {each.kind: each.text for each in view.differences}


def test_all_agree() -> None:
    view = only(good_call().facts)
    assert view.differences == []
    assert (view.state, view.complete, view.missing) == ("closed", True, [])
    assert (view.call, view.call_uuid, view.sip_call_ids, view.joined_by) == ("c1", "u1", ["sip-c1"], "number")
    assert view.phone
    assert view.pbx
    assert view.cdr
    assert view.phone.duration_s == view.pbx.duration_s == view.cdr.duration_s == view.duration_s == 60
    assert [entry.what for entry in view.entries] == [
        "dialing", "ringing", "answered", "active", "ended", "finished", "cdr"
    ]  # fmt: skip


def test_it_is_open_until_the_last_side_has_told() -> None:
    facts = good_call().facts
    without_cdr = only(facts[:-1], 70)
    assert (without_cdr.state, without_cdr.missing) == ("open", ["cdr"])
    late = only(facts[:-1], 62.3 + 30)
    assert (late.state, late.complete) == ("closed", False)
    assert texts(late) == {"no_cdr": "no CDR of this call came within 30 s of its end"}


def test_only_what_is_listened_to_is_waited_for() -> None:
    story = Story()
    story.out(0)
    story.ended(5)
    view = only(story.facts, 6, Policy())
    assert (view.state, view.complete) == ("closed", True)


def test_durations_that_differ() -> None:
    story = good_call()
    story.facts.pop()
    story.cdr(64, 120.0)
    assert texts(only(story.facts))["duration"] == "the CDR says 120 s, and this phone counted 60.0 s"


def test_cdrs_that_differ() -> None:
    story = good_call()
    story.cdr(65, 45.0)
    view = only(story.facts)
    assert texts(view) == {"cdrs_differ": "the PBX sent 2 CDRs that do not agree: 45 s, 60 s"}


def test_never_here() -> None:
    story = Story()
    story.live(0, "ringing")
    assert only(story.facts, 3).differences == []
    view = only(story.facts, 6)
    assert texts(view) == {"never_here": "the PBX tells of a call at extension 901, but it never came to this phone"}
    assert (view.call, view.phone, view.account) == ("", None, ACCOUNT)


def test_unknown_to_the_pbx_only_where_its_events_come() -> None:
    for covered, kinds in ((True, {"unknown_to_pbx"}), (False, set())):
        story = Story(covered=covered)
        story.out(0)
        assert set(texts(only(story.facts, 3))) == set()
        assert set(texts(only(story.facts, 6))) == kinds


def test_active_at_the_pbx_and_silent_here() -> None:
    story = Story()
    story.out(0)
    story.answered(1)
    story.live(1.2, "active")
    story.at(15, events.CallMediaSilent(call="c1", account=ACCOUNT, silent=True, silent_s=10.0, reports=False))
    wanted = "the PBX had the call as active, but no sound arrived here "
    assert texts(only(story.facts, 20)) == {"active_but_silent": wanted + "since then"}
    story.at(27, events.CallMediaSilent(call="c1", account=ACCOUNT, silent=False, silent_s=22.0, reports=False))
    assert texts(only(story.facts, 40)) == {"active_but_silent": wanted + "for 22 s"}


def test_silent_while_the_pbx_holds_is_no_difference() -> None:
    story = Story()
    story.out(0)
    story.answered(1)
    story.live(1.2, "active")
    story.live(3, "held")
    story.at(15, events.CallMediaSilent(call="c1", account=ACCOUNT, silent=True, silent_s=10.0, reports=False))
    assert texts(only(story.facts, 20)) == {}


def test_the_call_goes_on_here() -> None:
    story = Story()
    story.out(0)
    story.answered(1)
    story.live(1.2, "active")
    story.live(20, "finished")
    assert texts(only(story.facts, 22)) == {}
    assert texts(only(story.facts, 26))["goes_on_here"] == "the PBX finished the call, but here it goes on"
    story.ended(50, 49.0)
    assert "ended 30 s later" in texts(only(story.facts, 60))["goes_on_here"]


def test_the_call_goes_on_at_the_pbx() -> None:
    story = Story()
    story.out(0)
    story.answered(1)
    story.live(1.2, "active")
    story.ended(20, 19.0)
    assert "never said that it finished" in texts(only(story.facts, 26))["goes_on_at_pbx"]
    story.live(50, "finished")
    assert "finished it 30 s later" in texts(only(story.facts, 60))["goes_on_at_pbx"]


def test_answered_on_one_side_only() -> None:
    story = Story()
    story.into(0, "9196")
    story.live(0.1, "ringing", direction="inbound")
    story.live(4, "active", direction="inbound")
    story.ended(4.1, reason="answered_elsewhere")
    assert "answered_elsewhere" in texts(only(story.facts))
    other = Story()
    other.out(0)
    other.live(0.1, "ringing")
    other.answered(1)
    other.ended(2, 1.0)
    other.live(2.1, "finished")
    assert "answered_here_only" in texts(only(other.facts))


def test_a_call_that_is_surely_the_same_but_named_otherwise() -> None:
    story = Story()
    story.into(0, "33612345678", headers={"X-Call-UUID": ["u1"]})
    story.live(0.1, "ringing", number="33699999999", direction="inbound")
    wanted = "the PBX names 33699999999 as the far end, here it was 33612345678"
    assert texts(only(story.facts, 1)) == {"number": wanted}
    other = Story()
    other.into(0, "33612345678", headers={"X-Call-UUID": ["u1"]})
    other.live(0.1, "ringing", number="33612345678")
    assert texts(only(other.facts, 1)) == {"direction": "the PBX has the call as outgoing, here it was incoming"}


def test_a_click_is_known_by_what_it_was_for() -> None:
    story = Story()
    click(story, 0)
    assert texts(only(story.facts, 3)) == {}
    assert set(texts(only(story.facts, 6))) == {"click_unanswered"}
    story.into(1, "901")
    story.at(1, events.ExpectEnded(expect="x1", account=ACCOUNT, reason="met", call="c1"))
    story.live(1.1, "ringing", number="33612345678")
    view = only(story.facts, 6)
    assert view.differences == []
    assert view.click
    assert view.click.recorded
    assert view.click.destination == "33612345678"


def test_a_lost_connection_is_no_proof_of_silence() -> None:
    story = Story(covered=True)
    story.out(0)
    lost = {"id": "g1", "source": "phone", "kind": "live_lost", "leg": story.facts[0].leg}
    story.facts.append(Fact(at_s=T0 + 1, extension="901", account=ACCOUNT, **lost))  # type: ignore[arg-type]
    view = only(story.facts, 20)
    assert view.differences == []
    assert "interrupted" in view.entries[-1].text


@given(st.permutations(crowd()), st.floats(0, 5000))
def test_any_facts_make_a_timeline(facts: list[Fact], at_s: float) -> None:
    views = [tell(joined, ALL, T0 + at_s) for joined in join(facts)]
    assert views == [tell(joined, ALL, T0 + at_s) for joined in join(crowd())]
    for joined in join(facts):
        closes_s = closes_at_s(joined, ALL)
        if closes_s is not None:
            assert tell(joined, ALL, closes_s) == tell(joined, ALL, closes_s + 10**6)


def test_every_difference_is_documented() -> None:
    folder = Path(__file__).parents[2]
    source = (folder / "softphone/timeline/differences.py").read_text()
    kinds = set(re.findall(r'yield "(\w+)"', source))
    rows = re.findall(r"^\| `(\w+)` \|", (folder / "docs/timeline.md").read_text(), re.MULTILINE)
    assert set(rows) == kinds
    assert len(rows) == len(kinds) > 8


def test_views_are_made_of_json_values() -> None:
    assert str(asdict(only(good_call().facts)))
