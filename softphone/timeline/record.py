"""The facts of one call -> its timeline. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from softphone.engine.world import iso, iso_or_none
from softphone.timeline.differences import Policy, Reading, differences
from softphone.timeline.facts import NAMELESS, Fact
from softphone.timeline.joining import Joined
from softphone.timeline.views import CdrSide, ClickSide, EntryView, PbxSide, PhoneSide, TimelineView

ABANDONED_S = 3600.0
"""A call that never came here, and of which the PBX has told nothing for so long, is not waited for any more."""

MOST_ENTRIES = 1000


def missing(joined: Joined, policy: Policy) -> list[str]:
    """The sides that have not told their part."""
    reading = Reading.of(joined)
    # A CDR is the PBX's last word: it makes up for live events that were missed
    told = {"phone": reading.end, "pbx": reading.finish or reading.cdrs, "cdr": reading.cdrs}
    expected = policy.expects | {"phone"} | ({"pbx"} if reading.pbx else set())
    return [side for side in ("phone", "pbx", "cdr") if side in expected and not told[side]]


def closes_at_s(joined: Joined, policy: Policy) -> float | None:
    """When this timeline closes if nothing new comes (Unix time); None while its call goes on."""
    reading = Reading.of(joined)
    if reading.phone and reading.end is None:
        return None
    facts = joined.facts
    if reading.over_s is None:
        return facts[-1].at_s + (policy.settle_s if not reading.pbx else ABANDONED_S)
    if not missing(joined, policy):
        return reading.over_s
    return max(reading.over_s, facts[-1].at_s) + policy.settle_s


def changes_at_s(joined: Joined, policy: Policy) -> list[float]:
    """When time alone may change this timeline: patience ends, or it closes."""
    reading = Reading.of(joined)
    first = joined.facts[0]
    waited = (first, reading.end, reading.finish, reading.told("active", "held"))
    found = [fact.at_s + policy.grace_s + 0.001 for fact in waited if fact is not None]
    closes_s = closes_at_s(joined, policy)
    return found if closes_s is None else [*(at_s for at_s in found if at_s < closes_s), closes_s]


def tell(joined: Joined, policy: Policy, now_s: float) -> TimelineView:
    """The timeline as it is known at `now_s` (Unix time)."""
    reading, facts = Reading.of(joined), joined.facts
    closes_s = closes_at_s(joined, policy)
    closed = closes_s is not None and closes_s <= now_s
    lacks = missing(joined, policy)
    first = joined.leg.first if joined.leg else facts[0]
    answer, end = _answered_s(reading), reading.end or (reading.finish if not reading.phone else None)
    return TimelineView(
        id=joined.id,
        state="closed" if closed else "open",
        account=_first(facts, "account"),
        extension=first.extension or _first(facts, "extension"),
        direction=first.direction or _first(facts, "direction"),
        number=_far_end(reading, facts),
        call=joined.leg.key.rpartition("/")[2] if joined.leg else "",
        sip_call_ids=_sip_call_ids(reading.phone),
        call_uuid=_call_uuid(joined),
        joined_by=joined.by,
        started=iso(first.at_s),
        answered=iso_or_none(answer),
        ended=iso_or_none(end.at_s if end else None),
        duration_s=_duration_s(reading),
        complete=closed and not lacks,
        missing=lacks,
        phone=_phone(reading),
        pbx=_pbx(reading.pbx),
        cdr=_cdr(reading.cdrs),
        click=_click(reading.clicks),
        differences=differences(joined, policy, closes_s if closed and closes_s is not None else now_s),
        entries=_entries(facts),
    )


def _first(facts: Sequence[Fact], name: str) -> str:
    return next((value for fact in facts if (value := getattr(fact, name))), "")


def _far_end(reading: Reading, facts: Sequence[Fact]) -> str:
    """Of a click-to-call it is whom the PBX calls then, not what it shows while it rings here."""
    if reading.clicks:
        return reading.clicks[0].number
    return next((fact.number for fact in (*reading.phone, *facts) if fact.number), "")


def _call_uuid(joined: Joined) -> str:
    uuid = joined.party.key[0] if joined.party else _first(joined.facts, "uuid")
    return "" if uuid.startswith(NAMELESS) else uuid


def _answered_s(reading: Reading) -> float | None:
    if reading.phone:
        return reading.answer.at_s if reading.answer else None
    active = reading.told("active", "held")
    return active.at_s if active else None


def _duration_s(reading: Reading) -> float:
    if reading.phone:
        return round(reading.counted_s or 0.0, 3)
    told = [fact.duration_s for fact in (*reading.cdrs, *reversed(reading.pbx)) if fact.duration_s is not None]
    return told[0] if told else 0.0


def _sip_call_ids(facts: Sequence[Fact]) -> list[str]:
    return list(dict.fromkeys(str(f.detail["sip_call_id"]) for f in facts if f.detail.get("sip_call_id")))


def _phone(reading: Reading) -> PhoneSide | None:
    if not reading.phone:
        return None
    answer, end = reading.answer, reading.end
    state: Literal["ringing", "active", "ended"] = "ended" if end else "active" if answer else "ringing"
    detail = end.detail if end else {}
    return PhoneSide(
        state=state,
        duration_s=reading.counted_s,
        answered_by=str(answer.detail.get("by", "")) if answer else "",
        end_reason=str(detail.get("reason", "")),
        end_by=str(detail.get("by", "")),
        code=int(detail.get("code", 0)),
    )


def _pbx(facts: Sequence[Fact]) -> PbxSide | None:
    """`finished` is the last word, in whatever order it came."""
    if not facts:
        return None
    last = next((fact for fact in facts if fact.kind == "finished"), facts[-1])
    durations = [fact.duration_s for fact in facts if fact.duration_s is not None]
    return PbxSide(
        state=last.kind,
        direction=_first(facts, "direction"),
        number=_first(facts, "number"),
        created=iso_or_none(next((fact.created_s for fact in facts if fact.created_s), None)),
        answered=iso_or_none(next((fact.answered_s for fact in facts if fact.answered_s), None)),
        duration_s=max(durations) if durations else None,
    )


def _cdr(facts: Sequence[Fact]) -> CdrSide | None:
    if not facts:
        return None
    first = facts[0]
    state = str(first.detail.get("state", ""))
    return CdrSide(direction=first.direction, number=first.number, state=state, duration_s=first.duration_s)


def _click(facts: Sequence[Fact]) -> ClickSide | None:
    if not facts:
        return None
    detail = facts[0].detail
    return ClickSide(destination=str(detail.get("destination", "")), recorded=bool(detail.get("recorded")))


def _entries(facts: Sequence[Fact]) -> list[EntryView]:
    """What each side told, without repetitions of the same state."""
    found: list[EntryView] = []
    last: dict[str, tuple[str, str]] = {}
    for fact in facts:
        text = _text(fact)
        if last.get(fact.source) == (fact.kind, text) and fact.source != "cdr":
            continue
        last[fact.source] = (fact.kind, text)
        at_s = round(fact.at_s - facts[0].at_s, 3)
        found.append(EntryView(at=iso(fact.at_s), at_s=at_s, source=fact.source, what=fact.kind, text=text))
    return found[:MOST_ENTRIES]


def _text(fact: Fact) -> str:
    if fact.source in ("live", "webhook"):
        return _PBX_SAYS.get(fact.kind, f"the PBX has the call as {fact.kind}")
    template = _TEXTS.get((fact.source, fact.kind), fact.kind.replace("_", " "))
    fields: dict[str, Any] = {"number": fact.number or "somebody", "duration_s": fact.duration_s or 0.0, "state": ""}
    return template.format_map(_Blank(fields | dict(fact.detail)))


class _Blank(dict[str, Any]):
    """A detail that an older version did not keep is left blank."""

    def __missing__(self, key: str) -> str:
        return ""


_PBX_SAYS = {
    "ringing": "the PBX rings",
    "active": "the PBX has the call as active",
    "held": "the PBX has the call on hold",
    "finished": "the PBX has finished the call",
}

_TEXTS = {
    ("phone", "dialing"): "calls {number}",
    ("phone", "incoming"): "{number} calls",
    ("phone", "progress"): "{code} {reason}",
    ("phone", "answered"): "answered ({by})",
    ("phone", "auto_answer"): "answers by itself ({why})",
    ("phone", "expected"): "this is the call that was announced",
    ("phone", "media"): "sound: {codec} {direction}",
    ("phone", "silent"): "no sound arrives for {silent_s} s",
    ("phone", "heard"): "sound arrives again",
    ("phone", "held"): "held ({by})",
    ("phone", "resumed"): "resumed ({by})",
    ("phone", "replaced"): "goes on with another far end",
    ("phone", "transfer"): "transfer to {target}: {state}",
    ("phone", "ended"): "ended: {reason} ({by})",
    ("phone", "live_lost"): "the PBX's live events are interrupted",
    ("phone", "live_back"): "the PBX's live events come again",
    ("cdr", "cdr"): "CDR: {duration_s:g} s {state}",
    ("click", "ordered"): "ordered by click-to-call, to {destination}",
}
