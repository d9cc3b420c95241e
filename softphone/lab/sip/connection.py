"""A call whose ends the PBX holds one by one: it rings the second phone for the first, and joins their sound.

Unlike the bridge, which lets descriptions through, each phone here has its own agreement with the PBX: one may speak
SRTP and the other not, one may have been in the call long before the other.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from sipmessage import Response

from softphone.lab.media.negotiation import NotAcceptable
from softphone.lab.media.tone import ringback
from softphone.lab.sip.host import Outcome, Run, transferred
from softphone.lab.sip.leg import NORMAL_CLEARING, TAKEN_ELSEWHERE, Hangup, IncomingLeg, OutgoingLeg
from softphone.lab.sip.service_call import ServiceCall
from softphone.lab.tasks import TaskOwner

NOT_ACCEPTABLE = 488

Progress = Callable[[ServiceCall, Response], None]


class Hunt:
    """Phones that ring, their INVITEs sent: the first to answer wins. `failure` says why nobody did."""

    def __init__(self, phones: Sequence[ServiceCall], tasks: TaskOwner, on_progress: Progress) -> None:
        self.phones = list(phones)
        self.winner: ServiceCall | None = None
        self.failure = Outcome("not registered", 480, "pbx")
        self._tasks = tasks
        self._on_progress = on_progress

    async def run(self, over: asyncio.Future[Hangup], no_answer_s: float) -> ServiceCall | None:
        """Until one answers, all refuse, time is up, or `over`: nobody waits any more."""
        try:
            async with asyncio.timeout(no_answer_s):
                return await self._first_answer(over)
        except TimeoutError:
            self.failure = Outcome("no answer", 480, "callee")
            return None

    async def _first_answer(self, over: asyncio.Future[Hangup]) -> ServiceCall | None:
        waiting = {self._tasks.spawn(self._follow(each), "phone"): each for each in self.phones}
        pending: set[asyncio.Task[Response]] = set(waiting)
        try:
            while pending and not over.done():
                watched: set[asyncio.Future[Any]] = {*pending, over}
                await asyncio.wait(watched, return_when=asyncio.FIRST_COMPLETED)
                for task in [each for each in pending if each.done()]:
                    pending.discard(task)
                    phone, response = waiting[task], task.result()
                    if self._took(phone, response):
                        return self.winner
                    if response.code == NOT_ACCEPTABLE and phone.again is not None:
                        self.phones.append(phone.again())
                        again = self._tasks.spawn(self._follow(self.phones[-1]), "phone, with SRTP")
                        waiting[again] = self.phones[-1]
                        pending.add(again)
            return None
        finally:
            for task in pending:
                task.cancel()

    async def _follow(self, phone: ServiceCall) -> Response:
        leg = _outgoing(phone)
        while (response := await leg.response()).code < 200:
            if response.code > 100:
                self._on_progress(phone, response)
        return response

    def _took(self, phone: ServiceCall, response: Response) -> bool:
        """A final answer: whether this phone has the call now."""
        if response.code >= 300:
            self.failure = Outcome("rejected", response.code, "callee")
            return False
        leg = _outgoing(phone)
        leg.ack(leg.invite)
        try:
            phone.learn(response.body)
        except NotAcceptable:
            self.failure = Outcome("unusable answer", 488, "callee")
            return False
        self.winner = phone
        return True

    def let_go(self, *, winner_too: bool = True, reason: str = "") -> None:
        """Cancel who still rings; hang up who was connected."""
        elsewhere = NORMAL_CLEARING if self.winner is None else TAKEN_ELSEWHERE
        for phone in self.phones:
            if phone.leg.hangup is None and (winner_too or phone is not self.winner):
                why = reason or NORMAL_CLEARING if phone is self.winner else elsewhere
                self._tasks.spawn(_end(phone, why), "end phone")


class Connection:
    """A phone whose call the PBX holds, `near`, and another one for it: hunted for, or there already."""

    def __init__(
        self, near: ServiceCall, phones: Sequence[ServiceCall], tasks: TaskOwner, *, ignore_early: bool = False
    ) -> None:
        self.near = near
        self.hunt = Hunt(phones, tasks, self._progress)
        self._record = near.record
        self._tasks = tasks
        self._ignore_early = ignore_early
        self._handed_over = False

    async def run(self) -> bool:
        """Ring, connect, talk, end; False if nobody picked up, and then `hunt.failure` says why."""
        self.near.minded = True
        try:
            with self._ringback():
                far = await self.hunt.run(self.near.leg.ended, self.near.no_answer_s)
            if far is None:
                return False
            await self.talk(far)
            return True
        finally:
            self.near.minded = False
            self.let_go()

    @contextmanager
    def _ringback(self) -> Iterator[None]:
        """Who is connected already hears that it rings; who is not gets a 180 when the first phone rings."""
        if not (self.hunt.phones and self.near.leg.confirmed and self.near.media.can_play):
            yield
            return
        playing = self._tasks.spawn(self.near.media.play(ringback(), repeat=True), "ringback")
        try:
            yield
        finally:
            playing.cancel()

    def _progress(self, phone: ServiceCall, response: Response) -> None:
        """180 and 183; sound before the answer only where one phone rings alone."""
        if response.body and len(self.hunt.phones) == 1 and not self._ignore_early:
            try:
                phone.learn(response.body)
                self._join(phone)
                self.near.early_media()
            except NotAcceptable:
                return
        elif isinstance(self.near.leg, IncomingLeg) and not self.near.leg.confirmed:
            self.near.ring()
        else:
            self.near.record.ringing()

    def _join(self, phone: ServiceCall) -> None:
        agreement = phone.media.agreement
        if self.near.media.agreement is None and agreement is not None:
            self.near.codec = agreement.codec
        self.near.join(phone)

    async def talk(self, far: ServiceCall) -> None:
        """Join the two and wait for the end of either. Raises NotAcceptable where the first cannot follow."""
        self._join(far)
        await self.near.answer()
        self.near.note_connected(far)
        near, other = self.near.leg, far.leg
        await asyncio.wait({near.ended, other.ended}, return_when=asyncio.FIRST_COMPLETED)
        self._handed_over = await transferred(self._record) is not None
        if near.hangup is None and not self._handed_over and self.near.record is self._record:
            hangup = other.hangup or Hangup("hangup")
            by = "pbx" if hangup.ours else far.side
            self.near.outcome = Outcome(hangup.cause, hangup.code, by)
            await near.bye(hangup.cause, reason=hangup.reason)

    def let_go(self) -> None:
        """Whoever was transferred belongs to somebody else now."""
        hangup = self.near.leg.hangup
        winner = self.hunt.winner
        gone = self._handed_over or (winner is not None and winner.record is not self._record)
        self.hunt.let_go(winner_too=not gone, reason=hangup.reason if hangup is not None else "")


def paired(far: ServiceCall, tasks: TaskOwner) -> Run:
    """What a phone does that is connected with another one, which is in its call already."""

    async def talk(near: ServiceCall) -> None:
        connection = Connection(near, [far], tasks)
        connection.hunt.winner = far
        near.minded = True
        try:
            await connection.talk(far)
        finally:
            near.minded = False
            connection.let_go()

    return talk


async def _end(phone: ServiceCall, reason: str) -> None:
    if isinstance(phone.leg, OutgoingLeg):
        await phone.leg.abandon("hangup" if phone.leg.confirmed else "cancelled", reason=reason)
    else:
        await phone.leg.bye(reason=reason)
    phone.media.close()


def _outgoing(phone: ServiceCall) -> OutgoingLeg:
    if not isinstance(phone.leg, OutgoingLeg):
        raise TypeError("only a phone that the PBX called can be waited for")
    return phone.leg
