"""Facts of calls as the phone and the PBX would tell them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from softphone import events
from softphone.bus import Record
from softphone.timeline.facts import Fact, Reader

ACCOUNT = "901@pbx.example"
BOOT = "b1"
T0 = 1_700_000_000.0


class Story:
    """Tells events at times that the test gives, and keeps the facts in them."""

    def __init__(self, *, covered: bool = False, headers: tuple[str, ...] = ("x-call-uuid",)) -> None:
        self.facts: list[Fact] = []
        self._seq = 0
        self._reader = Reader(frozenset(headers), lambda account: covered)

    def at(self, offset_s: float, event: events.Event) -> Fact:
        """What is told `offset_s` seconds after the story's beginning."""
        self._seq += 1
        fact = self._reader.read(Record(BOOT, self._seq, T0 + offset_s, event))
        assert fact is not None, event
        self.facts.append(fact)
        return fact

    def out(self, at_s: float, number: str = "9196", call: str = "c1", account: str = ACCOUNT) -> None:
        target = f"sip:{number}@pbx.example"
        self.at(at_s, events.CallDialing(call=call, account=account, target=target, sip_call_id=f"sip-{call}"))

    def into(self, at_s: float, number: str = "33612345678", call: str = "c1", **more: Any) -> None:
        fields = {"caller_name": "", "called": "901", "sip_call_id": f"sip-{call}", "headers": {}, "account": ACCOUNT}
        self.at(at_s, events.CallIncoming(call=call, caller=f"sip:{number}@pbx.example", **(fields | more)))

    def answered(self, at_s: float, call: str = "c1", by: str = "remote") -> None:
        self.at(at_s, events.CallAnswered(call=call, account=ACCOUNT, by=by))

    def ended(self, at_s: float, duration_s: float = 0.0, call: str = "c1", reason: str = "hangup") -> None:
        end: dict[str, Any] = {"reason": reason, "by": "remote", "code": 0, "sip_reason": "", "phase": "active"}
        self.at(
            at_s,
            events.CallEnded(call=call, account=ACCOUNT, cause="", duration_s=duration_s, quality=None, **end),
        )

    def live(self, at_s: float, state: str, uuid: str = "u1", number: str = "9196", **more: Any) -> None:
        self.at(at_s, events.PbxCall(**told(uuid, state, number, more)))

    def cdr(self, at_s: float, duration_s: float | None, uuid: str = "u1", number: str = "9196", **more: Any) -> None:
        received = {"delivery": 1, "received_s": T0 + at_s, "duration_s": duration_s}
        self.at(at_s, events.PbxCdr(**told(uuid, "finished", number, received | more)))

    def again(self, later_s: float) -> list[Fact]:
        """All of it told once more, later: with the same names, for it is the same news."""
        return [replace(fact, at_s=fact.at_s + later_s) for fact in self.facts]


def told(uuid: str, state: str, number: str, more: dict[str, Any]) -> dict[str, Any]:
    place = {"call_uuid": uuid, "state": state, "number": number}
    return place | {"direction": "outbound", "extension": "901", "account": ACCOUNT} | more


def good_call() -> Story:
    """A call of 60 s that everybody tells the same of."""
    story = Story(covered=True)
    story.out(0)
    story.live(0.3, "ringing")
    story.answered(2)
    story.live(2.2, "active")
    story.ended(62, 60.0)
    story.live(62.3, "finished", duration_s=60.0)
    story.cdr(64, 60.0, extension="", account="")
    return story
