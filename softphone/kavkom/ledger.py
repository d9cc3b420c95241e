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
News = Literal["new", "late", "confirmed", "old"]


@dataclass(frozen=True)
class Known:
    """The last that was said of a call, and whether it still holds (`sure`), as far as we can know.

    `states` were heard so far, `timed` are the messages of them that name a duration: both recognise what comes once
    more. `over`: another source says that the call has ended.
    """

    call: CallState
    sure: bool = True
    over: bool = False
    states: frozenset[str] = frozenset()
    timed: frozenset[tuple[str, float]] = frozenset()

    def heard(self, call: CallState) -> Known:
        """The same, once this message was heard too."""
        timed = self.timed | _timed(call)
        return replace(
            self,
            states=(self.states | {call.state}) if len(self.states) < MAX_HEARD else self.states,
            timed=timed if len(timed) <= MAX_HEARD else frozenset(),
        )


class Ledger:
    """Calls by (call_uuid, extension). Finished ones are kept for a while, to recognise what comes late."""

    def __init__(self, max_calls: int = MAX_CALLS) -> None:
        self._calls: OrderedDict[Key, Known] = OrderedDict()
        self._max_calls = max_calls

    def take(self, call: CallState) -> News:
        """What a message means: see News.

        `new`: the call is in this state now. `late`: it was, before what is known already. `confirmed`: no news, but it
        was not sure any more. `old`: a repetition.
        """
        key = (call.call_uuid, call.extension)
        known = self._calls.get(key)
        if known is None:
            self._keep(key, Known(call).heard(call))
            return "new"
        if _same(call, known.call):
            self._keep(key, replace(known, call=call, sure=True).heard(call))
            return "old" if known.sure else "confirmed"
        if _overtaken(call, known.call):
            self._keep(key, known.heard(call))
            return "old" if call.state in known.states else "late"
        if _timed(call) & known.timed and not call.finished:
            return "old"
        self._keep(key, replace(known, call=call, sure=True).heard(call))
        return "new"

    def doubt(self, extensions: Collection[str]) -> tuple[CallState, ...]:
        """Events of these extensions may be missed: what was known of their running calls is not sure any more.

        Returns those that were sure until now. Calls that name no extension are doubted with everyone's.
        """
        wanted = {*extensions, ""}
        lost = [key for key, known in self._calls.items() if known.sure and _runs(known) and key[1] in wanted]
        for key in lost:
            self._calls[key] = replace(self._calls[key], sure=False)
        return tuple(self._calls[key].call for key in lost)

    def running(self) -> tuple[Known, ...]:
        """All calls that are not known to be finished."""
        return tuple(known for known in self._calls.values() if _runs(known))

    def forget(self, call_uuid: str) -> None:
        """The call is over, as another source says (SIP, a CDR). What was heard of it stays, to recognise it."""
        for key, known in self._calls.items():
            if key[0] == call_uuid:
                self._calls[key] = replace(known, over=True)

    def _keep(self, key: Key, known: Known) -> None:
        self._calls[key] = known
        self._calls.move_to_end(key)
        while len(self._calls) > self._max_calls:
            self._calls.popitem(last=False)


def _runs(known: Known) -> bool:
    return not known.over and not known.call.finished


def _same(call: CallState, known: CallState) -> bool:
    """The same state again is no news, unless the call now is with somebody else (a transfer)."""
    return (call.state, call.direction, call.number) == (known.state, known.direction, known.number)


def _timed(call: CallState) -> frozenset[tuple[str, float]]:
    return frozenset(((call.state, call.duration_s),) if call.duration_s else ())


def _overtaken(call: CallState, known: CallState) -> bool:
    """Whether this state was before the known one: nothing follows `finished`, and `ringing` follows nothing.

    A call goes from active to held and back any number of times: which of these came first cannot be told. The very
    same message to the second is a repetition; one that names no duration counts as a change.
    """
    return known.state == FINISHED or (call.state == RINGING != known.state)
