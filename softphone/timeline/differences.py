"""Where the phone, the PBX and the CDR do not agree about one call, each in a word and in a sentence. Pure.

Some differences need time to be one: news takes a moment to arrive. `grace_s` is how long one side may lag behind.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from softphone.timeline.facts import Fact
from softphone.timeline.joining import Joined
from softphone.timeline.numbers import Likeness, likeness
from softphone.timeline.views import DifferenceView

PBX_LIVE = ("live", "webhook")


@dataclass(frozen=True, slots=True)
class Policy:
    """grace_s: how long one side may lag behind. tolerance_s: how far durations may be apart.

    settle_s: how long the other sides are waited for after the call. expects: the sides that this configuration
    listens to, of `pbx` and `cdr`.
    """

    grace_s: float = 5.0
    tolerance_s: float = 2.0
    settle_s: float = 30.0
    expects: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Reading:
    """The facts of one call, sorted by who told them."""

    phone: tuple[Fact, ...]
    pbx: tuple[Fact, ...]
    cdrs: tuple[Fact, ...]
    clicks: tuple[Fact, ...]

    @classmethod
    def of(cls, joined: Joined) -> Reading:
        facts = joined.facts
        return cls(
            phone=tuple(fact for fact in facts if fact.source == "phone" and fact.leg),
            pbx=tuple(fact for fact in facts if fact.source in PBX_LIVE and fact.uuid),
            cdrs=tuple(fact for fact in facts if fact.source == "cdr"),
            clicks=tuple(fact for fact in facts if fact.source == "click"),
        )

    def seen(self, kind: str) -> Fact | None:
        """The phone's first fact of this kind."""
        return next((fact for fact in self.phone if fact.kind == kind), None)

    def told(self, *states: str) -> Fact | None:
        """The PBX's first fact of one of these states."""
        return next((fact for fact in self.pbx if fact.kind in states), None)

    @property
    def answer(self) -> Fact | None:
        return self.seen("answered")

    @property
    def end(self) -> Fact | None:
        return self.seen("ended")

    @property
    def finish(self) -> Fact | None:
        return self.told("finished")

    @property
    def pbx_answered(self) -> bool:
        return self.told("active", "held") is not None or any(fact.answered_s for fact in self.pbx)

    @property
    def counted_s(self) -> float | None:
        """How long the phone says it lasted, None while it runs."""
        if self.end is None:
            return None
        return self.end.duration_s if self.answer else 0.0

    @property
    def over_s(self) -> float | None:
        """When the last side said that it is over; None while the phone's call runs, or nobody said so."""
        ends = [fact.at_s for fact in (self.end, self.finish, *self.cdrs) if fact]
        return None if not ends or (self.phone and self.end is None) else max(ends)


def differences(joined: Joined, policy: Policy, now_s: float) -> list[DifferenceView]:
    """All that is known to differ at `now_s` (Unix time)."""
    reading = Reading.of(joined)
    found: list[DifferenceView] = []
    for rule in (_never_rang_here, _unknown_to_pbx, _answers, _silence, _ends, _durations, _identity, _late_cdr):
        found += (DifferenceView(kind=kind, text=text) for kind, text in rule(reading, policy, now_s))
    return found


Found = Iterator[tuple[str, str]]


def _never_rang_here(reading: Reading, policy: Policy, now_s: float) -> Found:
    if reading.phone:
        return
    told = reading.pbx or reading.cdrs or reading.clicks
    if now_s - told[0].at_s <= policy.grace_s:
        return
    extension = f"extension {told[0].extension}" if told[0].extension else "an extension"
    if reading.pbx or reading.cdrs:
        yield "never_here", f"the PBX tells of a call at {extension}, but it never came to this phone"
    else:
        yield "click_unanswered", f"the PBX was ordered to ring {extension}, but no call came to this phone"


def _unknown_to_pbx(reading: Reading, policy: Policy, now_s: float) -> Found:
    if not reading.phone or reading.pbx or reading.cdrs or now_s - reading.phone[0].at_s <= policy.grace_s:
        return
    watched = any(fact.detail.get("covered") for fact in reading.phone)
    interrupted = reading.seen("live_lost")
    if watched and not interrupted:
        yield "unknown_to_pbx", "the phone had this call, but the PBX's live events never told of it"


def _answers(reading: Reading, policy: Policy, now_s: float) -> Found:
    if not reading.phone or not reading.pbx:
        return
    active = reading.told("active", "held")
    if reading.answer is None and reading.pbx_answered and _settled(reading, active, policy, now_s):
        yield "answered_elsewhere", "the PBX says that the call was answered, but it was not answered here"
    over = reading.finish is not None and reading.end is not None
    if reading.answer is not None and not reading.pbx_answered and over:
        yield "answered_here_only", "the call was answered here, but the PBX never had it as active"


def _settled(reading: Reading, since: Fact | None, policy: Policy, now_s: float) -> bool:
    return reading.end is not None or since is None or now_s - since.at_s > policy.grace_s


def _silence(reading: Reading, policy: Policy, now_s: float) -> Found:
    """The PBX has the call as active, and nothing is heard here."""
    active = reading.told("active")
    if active is None:
        return
    for silent in (fact for fact in reading.phone if fact.kind == "silent"):
        if _state_at(reading.pbx, silent.at_s) == "active":
            heard = next((f for f in reading.phone if f.kind == "heard" and f.at_s > silent.at_s), None)
            until = heard or reading.end
            begun_s = silent.at_s - float(silent.detail.get("silent_s", 0.0))
            lasted = f"for {(until.at_s if until else now_s) - begun_s:.0f} s" if until else "since then"
            yield "active_but_silent", f"the PBX had the call as active, but no sound arrived here {lasted}"
            return


def _state_at(facts: Sequence[Fact], at_s: float) -> str:
    state = ""
    for fact in facts:
        if fact.at_s <= at_s:
            state = fact.kind
    return state


def _ends(reading: Reading, policy: Policy, now_s: float) -> Found:
    if not reading.phone or not reading.pbx:
        return
    end, finish = reading.end, reading.finish
    if finish is not None:
        late_s = (end.at_s if end else now_s) - finish.at_s
        if late_s > policy.grace_s:
            goes_on = f"ended {late_s:.0f} s later" if end else "goes on"
            yield "goes_on_here", f"the PBX finished the call, but here it {goes_on}"
    if end is not None and (late := _late_at_pbx(reading, end, policy, now_s)):
        yield "goes_on_at_pbx", f"the call ended here, but the PBX {late}"


def _late_at_pbx(reading: Reading, end: Fact, policy: Policy, now_s: float) -> str:
    """Only live events tell when something happened; a webhook may be on its way for long."""
    finish, live = reading.finish, any(fact.source == "live" for fact in reading.pbx)
    if finish is not None or reading.cdrs:
        late_s = finish.at_s - end.at_s if finish is not None and finish.source == "live" else 0.0
        interrupted = reading.seen("live_lost") is not None
        return f"finished it {late_s:.0f} s later" if late_s > policy.grace_s and not interrupted else ""
    patience_s = policy.grace_s if live and not reading.seen("live_lost") else policy.settle_s
    return "never said that it finished" if now_s - end.at_s >= patience_s else ""


def _durations(reading: Reading, policy: Policy, now_s: float) -> Found:
    counted_s = reading.counted_s
    for source, facts in (("CDR", reading.cdrs), ("PBX", tuple(f for f in reading.pbx if f.kind == "finished"))):
        told = {fact.duration_s for fact in facts if fact.duration_s is not None}
        if len(told) > 1 and source == "CDR":
            lengths = ", ".join(f"{each:g} s" for each in sorted(told))
            yield "cdrs_differ", f"the PBX sent {len(told)} CDRs that do not agree: {lengths}"
        elif told and counted_s is not None and reading.phone:
            (told_s,) = sorted(told)[:1]
            if abs(told_s - counted_s) > policy.tolerance_s:
                yield "duration", f"the {source} says {told_s:g} s, and this phone counted {counted_s:.1f} s"
                return


def _identity(reading: Reading, policy: Policy, now_s: float) -> Found:
    """What a call that is surely the same one is said to be. A click-to-call rings here although it goes out."""
    if not reading.phone or reading.clicks:
        return
    first = reading.phone[0]
    for facts, who in ((reading.pbx, "PBX"), (reading.cdrs, "CDR")):
        told = next((fact for fact in facts if fact.direction), None)
        if told and first.direction and told.direction != first.direction:
            yield "direction", f"the {who} has the call as {_way(told.direction)}, here it was {_way(first.direction)}"
            return
        told = next((fact for fact in facts if fact.number), None)
        if told and first.number and likeness(told.number, first.number) is Likeness.OTHER:
            yield "number", f"the {who} names {told.number} as the far end, here it was {first.number}"
            return


def _way(direction: str) -> str:
    return {"in": "incoming", "out": "outgoing"}[direction]


def _late_cdr(reading: Reading, policy: Policy, now_s: float) -> Found:
    over_s = reading.over_s
    if "cdr" in policy.expects and not reading.cdrs and over_s is not None and now_s - over_s >= policy.settle_s:
        yield "no_cdr", f"no CDR of this call came within {policy.settle_s:g} s of its end"
