"""All timelines that may still change, in memory: facts go in one by one, and what they change comes out.

The outcome is that of `joining.join` over all facts at once, whatever order they came in; only what a new fact can
touch is joined anew. Facts of one extension are joined among themselves; what the PBX told without naming an extension
goes to the extension that knows the call's UUID, else to a pool that is matched with all legs that are still alone.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from softphone.timeline.facts import Fact
from softphone.timeline.joining import WINDOW_S, Joined, join
from softphone.timeline.numbers import plain

MOST_FACTS = 1000
"""So many facts are kept of one extension's call; beyond that only those that end it count."""

_DECISIVE = frozenset({"ended", "finished", "cdr", "answered"})
_TAIL = 4


@dataclass(frozen=True, slots=True)
class Changes:
    """changed: timelines that are new or have other facts than before. gone: names that are now part of another."""

    changed: tuple[Joined, ...] = ()
    gone: tuple[str, ...] = ()


class Book:
    """window_s: how far apart two sides may tell of the beginning of the same call."""

    def __init__(self, window_s: float = WINDOW_S) -> None:
        self._window_s = window_s
        self._named: dict[str, dict[str, Fact]] = defaultdict(dict)  # extension -> its facts
        self._loose: dict[str, dict[str, Fact]] = defaultdict(dict)  # uuid -> facts that name no extension
        self._claims: dict[str, set[str]] = defaultdict(set)  # uuid -> the extensions that know it
        self._counts: dict[tuple[str, str], int] = defaultdict(int)
        self._parts: dict[str, dict[str, Joined]] = {}
        self._pool: dict[str, Joined] = {}
        self._taken: dict[str, set[str]] = {}  # extension -> facts without an extension that are part of its calls
        self._places: dict[str, str] = {}  # timeline -> the extension that it is filed under
        self._dirty: set[str] = set()

    def __len__(self) -> int:
        return len(self._places.keys() | self._pool.keys())

    def __iter__(self) -> Iterator[Joined]:
        yield from self._pool.values()
        for part in self._parts.values():
            yield from (joined for id, joined in part.items() if id not in self._pool)

    def get(self, id: str) -> Joined | None:
        """The timeline of this name, if it is still here."""
        if id in self._pool:
            return self._pool[id]
        return self._parts[self._places[id]][id] if id in self._places else None

    def knows(self, uuid: str) -> bool:
        """Whether anything here speaks of this call of the PBX's."""
        return uuid in self._loose or bool(self._claims.get(uuid))

    def add(self, fact: Fact) -> bool:
        """Takes a fact; False if it was known. `rejoin` tells what came of it."""
        place = self._named[fact.extension] if fact.extension else self._loose[fact.uuid]
        known = place.get(fact.id)
        if known is not None:
            if fact.at_s < known.at_s:
                place[fact.id] = replace(known, at_s=fact.at_s)
                self._touch(fact)
            return False
        subject = (fact.leg or fact.uuid, fact.extension)
        if self._counts[subject] >= MOST_FACTS and fact.kind not in _DECISIVE:
            return False
        self._counts[subject] += 1
        place[fact.id] = fact
        self._touch(fact)
        return True

    def _touch(self, fact: Fact) -> None:
        if fact.extension:
            self._dirty.add(fact.extension)
            if fact.uuid:
                self._claims[fact.uuid].add(fact.extension)
                self._dirty |= self._claims[fact.uuid]
        else:
            self._dirty |= self._claims.get(fact.uuid, set()) or {""}

    def rejoin(self) -> Changes:
        """Joins anew what new facts touch."""
        if not self._dirty:
            return Changes()
        before: dict[str, Joined] = dict(self._pool)
        for extension in self._dirty - {""}:
            old = self._parts.get(extension, {})
            before |= {id: joined for id, joined in old.items() if id not in self._pool}
            self._file(extension, self._part(extension))
        touched = self._dirty
        self._dirty = set()
        self._pool = self._pooled()
        after = {id: joined for extension in touched for id, joined in self._parts.get(extension, {}).items()}
        after |= {id: joined for id in before if (joined := self.get(id)) is not None}
        after |= self._pool
        changed = [joined for id, joined in after.items() if id not in before or _differs(before[id], joined)]
        return Changes(tuple(changed), tuple(before.keys() - after.keys()))

    def _file(self, extension: str, part: dict[str, Joined]) -> None:
        for id in self._parts.get(extension, {}):
            self._places.pop(id, None)
        self._parts[extension] = part
        self._places |= dict.fromkeys(part, extension)

    def _part(self, extension: str) -> dict[str, Joined]:
        """The calls of one extension. What is told of the same calls at others shows whose the rest is."""
        own = self._named[extension].values()
        uuids = {fact.uuid for fact in own if fact.uuid}
        loose = [fact for uuid in uuids if uuid in self._loose for fact in self._loose[uuid].values()]
        others = {other for uuid in uuids for other in self._claims[uuid]} - {extension} if loose else set()
        beside = [f for other in others for f in self._named[other].values() if f.uuid in uuids and not f.leg]
        joined = join([*own, *loose, *beside], self._window_s)
        part = {each.id: each for each in joined if _is_of(each, extension)}
        self._taken[extension] = {fact.id for each in part.values() for fact in each.facts if not fact.extension}
        return part

    def _pooled(self) -> dict[str, Joined]:
        """Calls of which the PBX named no extension, with the legs that they fit."""
        facts = [
            fact for uuid, group in self._loose.items() for fact in group.values() if not self._is_taken(uuid, fact)
        ]
        if not facts:
            return {}
        tails = {_tail(fact.number) for fact in facts}
        alone = (each.leg for part in self._parts.values() for each in part.values() if each.leg and not each.party)
        legs = [fact for leg in alone if _tail(leg.first.number) in tails for fact in leg.facts]
        return {each.id: each for each in join([*facts, *legs], self._window_s) if each.party}

    def _is_taken(self, uuid: str, fact: Fact) -> bool:
        return any(fact.id in self._taken.get(extension, ()) for extension in self._claims.get(uuid, ()))

    def forget(self, ids: Iterable[str]) -> None:
        """Lets go of timelines, which must not change any more."""
        for id in ids:
            if (joined := self.get(id)) is not None:
                self._forget(joined)

    def _forget(self, joined: Joined) -> None:
        self._pool.pop(joined.id, None)
        place = self._places.pop(joined.id, "")
        if place:
            self._parts[place].pop(joined.id)
        for fact in joined.facts:
            if fact.extension:
                self._drop_named(fact)
            self._counts.pop((fact.leg or fact.uuid, fact.extension), None)
        for fact in joined.facts:
            if not fact.extension:
                self._drop_loose(fact, place)

    def _drop_named(self, fact: Fact) -> None:
        own = self._named[fact.extension]
        own.pop(fact.id, None)
        if fact.uuid in self._claims and not any(each.uuid == fact.uuid for each in own.values()):
            self._claims[fact.uuid].discard(fact.extension)
            if not self._claims[fact.uuid]:
                del self._claims[fact.uuid]
        if not own:
            del self._named[fact.extension]
            self._parts.pop(fact.extension, None)
            self._taken.pop(fact.extension, None)

    def _drop_loose(self, fact: Fact, place: str) -> None:
        """Unless it is part of a call of another extension, too."""
        self._taken.get(place, set()).discard(fact.id)
        group = self._loose.get(fact.uuid)
        if group is not None and not self._is_taken(fact.uuid, fact):
            group.pop(fact.id, None)
            if not group:
                del self._loose[fact.uuid]


def _is_of(joined: Joined, extension: str) -> bool:
    if joined.leg is not None:
        return joined.leg.first.extension == extension
    if joined.party is not None and joined.party.key[1]:
        return joined.party.key[1] == extension
    return any(click.extension == extension for click in joined.clicks)


def _tail(number: str) -> str:
    return plain(number)[-_TAIL:]


def _differs(before: Joined, after: Joined) -> bool:
    return before.by != after.by or before.facts != after.facts
