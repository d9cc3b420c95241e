"""Which facts speak of the same call."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from softphone import events
from softphone.timeline.book import Book
from softphone.timeline.facts import Fact, from_json, to_json
from softphone.timeline.joining import Joined, join
from softphone.timeline.numbers import Likeness, likeness
from tests.timeline.story import ACCOUNT, BOOT, T0, Story, good_call, told


def whole(joined: list[Joined]) -> list[tuple[str, str, str, tuple[str, ...]]]:
    """What matters of a joining."""
    return [(j.id, j.party.key[0] if j.party else "", j.by, tuple(f.id for f in j.facts)) for j in joined]


def test_a_call_that_all_tell_of_is_one() -> None:
    (joined,) = join(good_call().facts)
    assert joined.leg
    assert joined.party
    assert joined.by == "number"
    assert len(joined.facts) == 7


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("9196", "9196", Likeness.SAME),
        ("+33 6 12 34 56 78", "0033612345678", Likeness.SAME),
        ("0612345678", "33612345678", Likeness.ENDS_ALIKE),
        ("901", "33612345901", Likeness.OTHER),
        ("anonymous", "33612345678", Likeness.UNKNOWN),
        ("Door", "door", Likeness.SAME),
        ("door", "gate", Likeness.OTHER),
    ],
)
def test_numbers(one: str, other: str, expected: Likeness) -> None:
    assert likeness(one, other) is likeness(other, one) is expected


def test_another_number_is_another_call() -> None:
    story = Story()
    story.out(0, "9196")
    story.live(0.5, "ringing", number="9197")
    assert [(bool(j.leg), bool(j.party)) for j in join(story.facts)] == [(True, False), (False, True)]


def test_webhooks_that_come_minutes_late_find_their_call_by_its_number() -> None:
    story = Story()
    story.out(0)
    story.ended(5, 3.0)
    late = {"delivery": 1, "received_s": T0 + 200, "extension": "", "account": ""}
    story.at(200, events.PbxWebhookCall(**told("u1", "ringing", "9196", late)))
    story.cdr(201, 3.0, extension="", account="")
    assert len(join(story.facts)) == 1
    early = Story()
    early.cdr(0, 3.0, extension="", account="")
    early.out(60)
    assert len(join(early.facts)) == 2  # it speaks of a call that was over before


@pytest.mark.parametrize("more", [{"direction": "inbound"}, {"extension": "902"}])
def test_another_direction_or_extension_is_another_call(more: dict[str, str]) -> None:
    story = Story()
    story.out(0)
    story.live(0.5, "ringing", **more)
    assert len(join(story.facts)) == 2


def test_of_two_calls_with_the_same_number_the_nearer_in_time() -> None:
    story = Story()
    story.out(0, call="c1")
    story.out(5, call="c2")
    story.live(5.2, "ringing", uuid="second")
    story.live(0.2, "ringing", uuid="first")
    joined = {j.leg.key: j.party.key[0] for j in join(story.facts) if j.leg and j.party}
    assert joined == {f"{BOOT}/c1": "first", f"{BOOT}/c2": "second"}


def test_the_pbx_s_clock_joins_what_is_told_late() -> None:
    story = Story()
    story.out(0)
    story.live(50, "ringing", created_s=T0 + 1)
    assert len(join(story.facts)) == 1


def test_a_uuid_in_a_header_is_sure_whatever_the_rest_says() -> None:
    story = Story()
    story.into(0, "somebody", headers={"X-Call-UUID": ["u7"]})
    story.live(60, "active", uuid="u7", number="33699999999")
    (joined,) = join(story.facts)
    assert joined.by == "uuid"


def click(story: Story, at_s: float) -> None:
    story.at(
        at_s,
        events.PbxClickToCall(
            account=ACCOUNT, destination="33612345678", call_uuid="u1", expect="x1", recorded=True, recording="+OK"
        ),
    )


def test_a_click_to_call_is_joined_by_the_announcement() -> None:
    story = Story()
    story.into(0, "901")
    story.at(0, events.ExpectEnded(expect="x1", account=ACCOUNT, reason="met", call="c1"))
    click(story, 0.2)
    story.live(0.3, "ringing", number="33612345678", direction="outbound")
    (joined,) = join(story.facts)
    assert (joined.by, len(joined.clicks)) == ("uuid", 1)


def test_a_click_whose_call_never_came_is_told_too() -> None:
    story = Story()
    click(story, 0)
    (joined,) = join(story.facts)
    assert joined.leg is joined.party is None


def test_a_cdr_without_an_extension_finds_its_call_by_uuid_or_number() -> None:
    story = Story()
    story.out(0)
    story.ended(30, 28.0)
    story.cdr(90, 28.0, extension="", account="")
    (joined,) = join(story.facts)
    assert joined.leg
    assert joined.party


def test_two_extensions_of_ours_in_one_call() -> None:
    story = Story()
    story.out(0, "902", call="c1")
    story.into(0.1, "901", call="c2", account="902@pbx.example")
    story.live(0.2, "ringing", number="902")
    story.live(0.2, "ringing", number="901", extension="902", direction="inbound")
    story.cdr(9, 5.0, number="902", extension="", account="")
    joined = join(story.facts)
    assert [bool(j.leg and j.party) for j in joined] == [True, True]
    assert [sum(f.source == "cdr" for f in j.facts) for j in joined] == [1, 0]  # it says outbound: the caller's


def internal(story: Story, *, live: bool) -> None:
    """901 calls 902, both ours; the webhooks name no extension."""
    story.out(0, "902", call="i1")
    story.into(0.1, "901", call="i2", account="902@pbx.example")
    if live:
        story.live(0.2, "ringing", uuid="i", number="902")
        story.live(0.2, "ringing", uuid="i", number="901", extension="902", direction="inbound")
    story.cdr(9, 5.0, uuid="i", number="902", extension="", account="")
    story.cdr(9, 5.0, uuid="i", number="901", direction="inbound", extension="", account="")


@pytest.mark.parametrize("live", [False, True])
def test_a_call_between_two_of_ours_whose_webhooks_name_no_extension(live: bool) -> None:
    story = Story()
    internal(story, live=live)
    joined = join(story.facts)
    assert [j.leg.key if j.leg else "" for j in joined] == ["b1/i1", "b1/i2"]
    assert [[f.direction for f in j.facts if f.source == "cdr"] for j in joined] == [["out"], ["in"]]


def test_a_call_between_two_of_ours_when_live_events_told_of_one_only() -> None:
    story = Story()
    internal(story, live=False)
    story.live(0.2, "ringing", uuid="i", number="902")
    joined = join(story.facts)
    assert [[f.direction for f in j.facts if f.source == "cdr"] for j in joined] == [["out"], ["in"]]
    assert [j.leg.key if j.leg else "" for j in joined] == ["b1/i1", "b1/i2"]


def test_facts_survive_the_store() -> None:
    facts = tuple(good_call().facts)
    assert from_json(to_json(facts)) == facts


@pytest.mark.parametrize("text", ["", "{}", "[1]", '[{"id": "a"}]', '[{"nonsense": 1}]'])
def test_what_is_no_list_of_facts(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        from_json(text)


@given(st.text(max_size=300), st.text(max_size=300), st.text(max_size=300))
def test_remote_text_is_one_line_and_not_endless(number: str, state: str, uuid: str) -> None:
    story = Story()
    story.into(0, number, headers={"X-Call-UUID": [uuid]})
    story.live(0, state, uuid=uuid, number=number, extension="901\x1b[2J")
    for fact in story.facts:
        texts = (fact.number, fact.kind, fact.uuid, fact.extension)
        assert all(text.isprintable() and len(text) <= 260 for text in texts)
    assert from_json(to_json(tuple(story.facts))) == tuple(story.facts)


# ---- any order, any repetition


def crowd() -> list[Fact]:
    """Many calls of two extensions at nearly the same time, some of them told by one side only."""
    story = good_call()
    for i in range(4):
        story.out(i * 3.0, "9196", call=f"d{i}")
        story.live(i * 3.0 + 0.4, "ringing", uuid=f"v{i}")
        story.cdr(40.0 + i, float(i), uuid=f"v{i}", extension="", account="")
    story.into(1, call="e1", account="902@pbx.example")
    story.live(1.5, "active", uuid="w1", extension="902", direction="inbound", number="0612345678")
    story.into(2, "555001", call="e2", headers={"X-Call-UUID": ["w2"]})
    story.cdr(50, 3.0, uuid="w2", number="555001", direction="inbound", extension="", account="")
    story.out(3, "777001", call="e3")
    story.cdr(51, 3.0, uuid="w3", number="777001", extension="", account="")
    story.cdr(52, 3.0, uuid="w4", number="888001", extension="", account="")
    internal(story, live=True)
    story.out(5, "902", call="m1")
    story.into(5.1, "901", call="m2", account="902@pbx.example")
    story.live(5.2, "ringing", uuid="m", number="902")
    story.cdr(54, 5.0, uuid="m", number="902", extension="", account="")
    story.cdr(54, 5.0, uuid="m", number="901", direction="inbound", extension="", account="")
    story.out(4, "903", call="k1")
    story.into(4.1, "901", call="k2", account="903@pbx.example")
    story.cdr(53, 5.0, uuid="k", number="903", extension="", account="")
    story.cdr(53, 5.0, uuid="k", number="901", direction="inbound", extension="", account="")
    return story.facts


@given(st.permutations(crowd()), st.lists(st.sampled_from(crowd()), max_size=20), st.data())
def test_order_and_repetition_change_nothing(facts: list[Fact], again: list[Fact], data: st.DataObject) -> None:
    at_once = whole(join(crowd()))
    told = facts + again
    assert whole(join(told)) == at_once
    book = Book()
    gone_to: dict[str, tuple[str, ...]] = {}
    while told:
        step = data.draw(st.integers(1, len(told)))
        for fact in told[:step]:
            book.add(fact)
        told = told[step:]
        changes = book.rejoin()
        gone_to |= {j.id: tuple(f.id for f in j.facts) for j in changes.changed}
        for id in changes.gone:
            del gone_to[id]
    assert sorted(whole(list(book))) == sorted(at_once)
    assert gone_to == {id: facts for id, _, _, facts in at_once}
    assert len(book) == len(at_once)


@given(st.permutations(good_call().facts + good_call().again(5)))
def test_news_told_twice_counts_from_the_first_time(facts: list[Fact]) -> None:
    book = Book()
    for fact in facts:
        book.add(fact)
    (joined,) = book.rejoin().changed
    assert joined.facts == join(good_call().facts)[0].facts


def test_what_is_forgotten_leaves_nothing_behind() -> None:
    book = Book()
    for fact in crowd():
        book.add(fact)
    book.rejoin()
    ids = [joined.id for joined in book]
    book.forget(ids)
    assert not list(book)
    assert not len(book)
    assert not book.knows("u1")
    assert not book.knows("w3")
    assert not book._named
    assert not book._loose
    assert not book._counts
    assert not book._taken
    assert not book._claims
