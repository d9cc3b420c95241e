"""Which facts speak of the same call: a pure function of the facts, whatever order they came in.

The phone's facts of one call are a leg. The PBX's facts of one call at one extension are a party. A leg and a party are
joined, from the surest to the least sure,

1. by the call's UUID: the phone knows it from a click-to-call that it ordered, or from a header of the PBX's;
2. by extension, direction, number and time, the nearest in time first;
3. by direction, number and time, where the PBX named no extension.

A party without a leg is a call that never came here; a leg without a party is one that the PBX told nothing of.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b

from softphone.timeline.facts import BEGINNINGS, Fact
from softphone.timeline.numbers import Likeness, likeness

WINDOW_S = 10.0
"""How far apart two sides may tell of the beginning of the same call."""

LATE_S = 900.0
"""How late webhooks may come that can be joined by number and time alone: they say nothing of when it was."""


PartyKey = tuple[str, str, str]
"""UUID and extension; where the PBX names no extension, UUID, nothing, and direction."""


@dataclass(frozen=True, slots=True)
class Leg:
    """A call as this phone saw it."""

    key: str
    facts: tuple[Fact, ...]

    @property
    def first(self) -> Fact:
        """What it began with; where that is not known (yet), the earliest that is."""
        return next((fact for fact in self.facts if fact.kind in BEGINNINGS), self.facts[0])

    @property
    def end_s(self) -> float | None:
        return next((fact.at_s for fact in self.facts if fact.kind == "ended"), None)


@dataclass(frozen=True, slots=True)
class Party:
    """A call as the PBX has it, at one extension; without the extension's name, one direction of it."""

    key: PartyKey
    facts: tuple[Fact, ...]

    @property
    def direction(self) -> str:
        return next((fact.direction for fact in self.facts if fact.direction), "")

    @property
    def number(self) -> str:
        return next((fact.number for fact in self.facts if fact.number), "")

    @property
    def starts_s(self) -> tuple[float, ...]:
        """When it may have begun: by the PBX's clock, and by ours; nothing where only webhooks told of it, undated."""
        created = [fact.created_s for fact in self.facts if fact.created_s]
        heard = [fact.at_s for fact in self.facts if fact.source == "live"]
        return tuple(created[:1] + heard[:1])


@dataclass(frozen=True, slots=True)
class Joined:
    """One call. `by`: uuid, number, or nothing where only one side told of it. `clicks`: orders that it came from."""

    leg: Leg | None
    party: Party | None
    clicks: tuple[Fact, ...] = ()
    by: str = ""

    @property
    def id(self) -> str:
        """The timeline's name: that of the leg if there is one, so that it stays when the PBX's part comes."""
        name = self.leg.key if self.leg else "/".join(self.party.key) if self.party else self.clicks[0].id
        return "t" + blake2b(name.encode(), digest_size=6).hexdigest()

    @property
    def facts(self) -> tuple[Fact, ...]:
        """All of them, in order."""
        both = (self.leg.facts if self.leg else ()) + (self.party.facts if self.party else ()) + self.clicks
        return in_order(both)


def in_order(facts: Iterable[Fact]) -> tuple[Fact, ...]:
    """Each fact once, by time."""
    earliest: dict[str, Fact] = {}
    for fact in facts:
        if fact.id not in earliest or fact.at_s < earliest[fact.id].at_s:
            earliest[fact.id] = fact
    return tuple(sorted(earliest.values(), key=lambda fact: fact.order))


def join(facts: Iterable[Fact], window_s: float = WINDOW_S) -> list[Joined]:
    """All calls that these facts speak of, by their beginning."""
    facts = in_order(facts)
    legs = _legs(facts)
    parties = _parties(facts)
    clicks = [fact for fact in facts if fact.source == "click"]
    pairs = _by_uuid(legs, parties, clicks)
    pairs |= _by_number(legs, parties, pairs, window_s)
    return sorted(_joined(legs, parties, clicks, pairs), key=lambda joined: joined.facts[0].order)


def _legs(facts: Sequence[Fact]) -> dict[str, Leg]:
    found: dict[str, list[Fact]] = defaultdict(list)
    for fact in facts:
        if fact.leg:
            found[fact.leg].append(fact)
    return {key: Leg(key, tuple(group)) for key, group in found.items()}


def _parties(facts: Sequence[Fact]) -> dict[PartyKey, Party]:
    """By UUID and extension. Facts that name no extension belong to each party of that UUID that goes their way.

    Where none does, another extension of ours may be in the call, of which the PBX told nothing but this: they are a
    party without a name.
    """
    named: dict[str, dict[str, list[Fact]]] = defaultdict(lambda: defaultdict(list))
    for fact in facts:
        if fact.uuid and fact.source in ("live", "webhook", "cdr"):
            named[fact.uuid][fact.extension].append(fact)
    found: dict[PartyKey, Party] = {}
    for uuid, groups in named.items():
        loose = groups.pop("", [])
        for extension, group in groups.items():
            own = in_order([*group, *(fact for fact in loose if _fits(fact, group))])
            found[uuid, extension, ""] = Party((uuid, extension, ""), own)
        left = [fact for fact in loose if not any(_fits(fact, group) for group in groups.values())]
        for key, group in _nameless(uuid, left).items():
            found[key] = Party(key, in_order(group))
    return found


def _nameless(uuid: str, left: Sequence[Fact]) -> dict[PartyKey, list[Fact]]:
    """Of each direction one; what tells no direction is true of both."""
    ways = {fact.direction for fact in left if fact.direction} or ({""} if left else set())
    return {(uuid, "", way): [fact for fact in left if fact.direction in (way, "")] for way in sorted(ways)}


def _fits(fact: Fact, group: Sequence[Fact]) -> bool:
    """Whether a fact without an extension may be of this party."""
    ways = {each.direction for each in group if each.direction}
    return not fact.direction or not ways or fact.direction in ways


Pairs = dict[str, tuple[PartyKey, str]]
"""Leg -> the party it is joined with, and by what."""


def _by_uuid(legs: Mapping[str, Leg], parties: Mapping[PartyKey, Party], clicks: Sequence[Fact]) -> Pairs:
    ordered = {fact.expect: fact.uuid for fact in clicks if fact.expect}
    of_uuid: dict[str, list[PartyKey]] = defaultdict(list)
    for key in parties:
        of_uuid[key[0]].append(key)
    pairs: Pairs = {}
    taken: set[PartyKey] = set()
    for leg in sorted(legs.values(), key=lambda leg: leg.first.order):
        free = [key for key in of_uuid.get(uuid_of(leg, ordered), ()) if key not in taken]
        own = [key for key in free if key[1] == leg.first.extension]
        if own:
            taken.add(own[0])
        # Of no extension: it is not taken, for what it tells is true of each leg of the call that goes that way
        own += sorted((key for key in free if not key[1]), key=lambda key: key[2] != leg.first.direction)
        if own:
            pairs[leg.key] = (own[0], "uuid")
    return pairs


def uuid_of(leg: Leg, ordered: Mapping[str, str]) -> str:
    """The UUID that the phone itself knows; `ordered`: announcement -> UUID, of clicks."""
    by_header = next((fact.uuid for fact in leg.facts if fact.uuid), "")
    if by_header and by_header in ordered.values():  # of two clicks at once, the header tells which
        return by_header
    return next((ordered[fact.expect] for fact in leg.facts if fact.expect in ordered), "") or by_header


def _by_number(legs: Mapping[str, Leg], parties: Mapping[PartyKey, Party], pairs: Pairs, window_s: float) -> Pairs:
    taken = {key for key, _ in pairs.values()}
    free_legs = [leg for leg in legs.values() if leg.key not in pairs]
    free_parties = [party for party in parties.values() if party.key not in taken]
    named = _nearest(_candidates(free_legs, [p for p in free_parties if p.key[1]], window_s))
    rest = [leg for leg in free_legs if leg.key not in named]
    return named | _nearest(_candidates(rest, [p for p in free_parties if not p.key[1]], window_s))


Candidate = tuple[int, float, str, PartyKey]
"""The lower the likelier: likeness of the numbers, distance in time, and names so that no two are equal."""


def _candidates(legs: Sequence[Leg], parties: Sequence[Party], window_s: float) -> list[Candidate]:
    by_extension: dict[str, list[Leg]] = defaultdict(list)
    for leg in legs:
        by_extension[leg.first.extension].append(leg)
    found = []
    for party in parties:
        for leg in by_extension.get(party.key[1], ()) if party.key[1] else legs:
            if (fit := _fit(leg, party, window_s)) is not None:
                found.append((*fit, leg.key, party.key))
    return found


def _nearest(candidates: list[Candidate]) -> Pairs:
    pairs: Pairs = {}
    taken: set[PartyKey] = set()
    for _, _, leg, party in sorted(candidates):
        if leg not in pairs and party not in taken:
            pairs[leg] = (party, "number")
            taken.add(party)
    return pairs


def _fit(leg: Leg, party: Party, window_s: float) -> tuple[int, float] | None:
    first = leg.first
    if party.direction and first.direction and party.direction != first.direction:
        return None
    alike = likeness(first.number, party.number)
    if alike is Likeness.OTHER or (alike is Likeness.UNKNOWN and not party.key[1]):
        return None
    if _apart_s(leg, party) > (window_s if party.starts_s else LATE_S):
        return None
    return int(alike), round(_apart_s(leg, party), 3)


def _apart_s(leg: Leg, party: Party) -> float:
    """How far apart in time both sides tell of the call: of its beginning; where only webhooks came, how late they are.

    A webhook of a beginning cannot come before it, nor a CDR before the end.
    """
    if party.starts_s:
        return min(abs(leg.first.at_s - start_s) for start_s in party.starts_s)
    first = party.facts[0]
    begun_s = leg.first.at_s if first.source != "cdr" or leg.end_s is None else leg.end_s
    late_s = first.at_s - begun_s
    return abs(late_s) if late_s > -WINDOW_S else LATE_S + 1


def _joined(
    legs: Mapping[str, Leg], parties: Mapping[PartyKey, Party], clicks: Sequence[Fact], pairs: Pairs
) -> list[Joined]:
    used: set[str] = set()
    found = []
    ordered = {fact.expect: fact.uuid for fact in clicks if fact.expect}
    for leg in legs.values():
        key, by = pairs.get(leg.key, (None, ""))
        party = parties[key] if key else None
        uuids = {uuid_of(leg, ordered), party.key[0] if party else ""} - {""}
        found.append(Joined(leg, party, _of(clicks, uuids, leg.first.extension), by))
    left = parties.keys() - {key for key, _ in pairs.values()}
    found += [Joined(None, parties[key], _of(clicks, {key[0]}, key[1])) for key in sorted(left)]
    used = {fact.id for joined in found for fact in joined.clicks}
    found += [Joined(None, None, (fact,)) for fact in clicks if fact.id not in used]
    return found


def _of(clicks: Sequence[Fact], uuids: set[str], extension: str) -> tuple[Fact, ...]:
    return tuple(fact for fact in clicks if fact.uuid in uuids and fact.extension in (extension, ""))
