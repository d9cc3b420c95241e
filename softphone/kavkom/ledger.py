"""What is known of the calls that the live service tells of: news once, old news never, and nothing sure after a gap.

The service numbers nothing, repeats things, and sends no snapshot. Pure: states in, what is new out.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Literal

from softphone.kavkom.live_items import FINISHED, RINGING, CallState

MAX_CALLS = 50_000
MAX_HEARD = 256
Key = tuple[str, str]
News = Literal["new", "confirmed", "old"]


@dataclass(frozen=True)
class Known:
    """The last that was said of a call, and whether it still holds (`sure`), as far as we can know.

    `heard`: the timed messages so far, to recognise them when they come once more.
    """

    call: CallState
    sure: bool = True
    heard: frozenset[tuple[str, float]] = frozenset()


class Ledger:
    """Calls by (call_uuid, extension). Finished ones are kept for a while, to recognise what comes late."""

    def __init__(self, max_calls: int = MAX_CALLS) -> None:
        self._calls: OrderedDict[Key, Known] = OrderedDict()
        self._max_calls = max_calls

    def take(self, call: CallState) -> News:
        """`new`: tell it on. `confirmed`: no news, but it was not sure any more. `old`: a repetition, or outdated."""
        key = (call.call_uuid, call.extension)
        known = self._calls.get(key)
        if known is None:
            self._keep(key, Known(call, heard=_timed(call)))
            return "new"
        if _same(call, known.call):
            self._keep(key, Known(call, heard=known.heard | _timed(call)))
            return "old" if known.sure else "confirmed"
        if _outdated(call, known):
            return "old"
        self._keep(key, Known(call, heard=known.heard | _timed(call)))
        return "new"

    def doubt(self, extensions: Collection[str]) -> tuple[CallState, ...]:
        """Events of these extensions may be missed: what was known of their running calls is not sure any more.

        Returns those that were sure until now. Calls that name no extension are doubted with everyone's.
        """
        wanted = {*extensions, ""}
        lost = [
            key for key, known in self._calls.items() if known.sure and not known.call.finished and key[1] in wanted
        ]
        for key in lost:
            self._calls[key] = replace(self._calls[key], sure=False)
        return tuple(self._calls[key].call for key in lost)

    def running(self) -> tuple[Known, ...]:
        """All calls that are not known to be finished."""
        return tuple(known for known in self._calls.values() if not known.call.finished)

    def forget(self, call_uuid: str) -> None:
        """The call is over, as another source says (SIP, a CDR)."""
        for key in [key for key in self._calls if key[0] == call_uuid]:
            del self._calls[key]

    def _keep(self, key: Key, known: Known) -> None:
        self._calls[key] = known if len(known.heard) <= MAX_HEARD else replace(known, heard=frozenset())
        self._calls.move_to_end(key)
        while len(self._calls) > self._max_calls:
            self._calls.popitem(last=False)


def _same(call: CallState, known: CallState) -> bool:
    """The same state again is no news, unless the call now is with somebody else (a transfer)."""
    return (call.state, call.direction, call.number) == (known.state, known.direction, known.number)


def _timed(call: CallState) -> frozenset[tuple[str, float]]:
    return frozenset(((call.state, call.duration_s),) if call.duration_s else ())


def _outdated(call: CallState, known: Known) -> bool:
    """Whether this was overtaken: nothing follows `finished`, and `ringing` follows nothing.

    A call goes from active to held and back any number of times, so these are outdated only when the very same message,
    to the second, was heard before; one that names no duration cannot be told from a change, and counts as one.
    """
    if known.call.state == FINISHED or (call.state == RINGING != known.call.state):
        return True
    return call.state != FINISHED and bool(_timed(call) & known.heard)
