"""What each extension is told of a call, without any phone: books that are written by hand."""

from __future__ import annotations

from dataclasses import dataclass

from softphone.lab.calls import CallRecord, Party
from softphone.lab.directory import Extension
from softphone.lab.events import EventLog
from softphone.lab.feed import CallFeed, CallState


@dataclass
class Leg:
    """A phone in the call."""

    extension: Extension | None
    confirmed: bool = True
    call_id: str = "x"

    async def end(self, cause: str) -> None:
        """Nobody ends these."""


def party(number: str, direction: str, other: str) -> Party:
    return Party(number, "a.test", direction, other)  # type: ignore[arg-type]


def leg(number: str) -> Leg:
    return Leg(Extension(number, "a.test", "uuid"))


class Books:
    """One call and what was told of it."""

    def __init__(self, origin: str = "phone") -> None:
        self.told: list[tuple[str, str]] = []
        events = EventLog()
        self.record = CallRecord("901", "9300", events, domain="a.test", origin=origin)  # type: ignore[arg-type]
        self.feed = CallFeed(events, {self.record.uuid: self.record}.get)
        self.feed.listen(self._note)
        self.record.add_party(party("901", "outbound", "9300"))

    def _note(self, change: CallState) -> None:
        self.told.append((change.party.extension, change.state))

    def news(self) -> list[tuple[str, str]]:
        told, self.told = self.told, []
        return told


def test_a_menu_connects_another_extension() -> None:
    books = Books()
    record = books.record
    record.start()
    record.add_leg(leg("901"))
    record.answered(srtp=False)
    assert books.news() == [("901", "ringing"), ("901", "active")]
    record.add_party(party("902", "inbound", "901"))
    record.ringing()
    assert books.news() == [("902", "ringing")]
    record.add_leg(leg("902"))
    record.leg_answered("902")
    assert books.news() == [("902", "active")]
    record.hold("callee", True)
    record.hold("callee", False)
    assert books.news() == [("901", "held"), ("902", "held"), ("901", "active"), ("902", "active")]
    record.finished(cause="hangup", code=0, by="caller", rtp_received=0)
    assert books.news() == [("901", "finished"), ("902", "finished")]


def test_a_phone_that_never_rang_is_told_nothing() -> None:
    books = Books()
    books.record.add_party(party("902", "inbound", "901"))
    books.record.start()
    books.record.finished(cause="not registered", code=480, by="pbx", rtp_received=0)
    assert books.news() == [("901", "ringing"), ("901", "finished")]


def test_nothing_after_the_end() -> None:
    books = Books()
    books.record.start()
    books.feed.close()
    books.record.finished(cause="hangup", code=0, by="caller", rtp_received=0)
    assert books.news() == [("901", "ringing")]
