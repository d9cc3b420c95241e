"""A call whose ends the PBX holds one by one: it rings the second phone for the first, and joins their sound.

Unlike the bridge, which lets descriptions through, each phone here has its own agreement with the PBX: one may speak
SRTP and the other not, one may have been in the call long before the other.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from sipmessage import Response

from softphone.lab.media.negotiation import NotAcceptable
from softphone.lab.media.tone import ringback
from softphone.lab.sip.leg import NORMAL_CLEARING, TAKEN_ELSEWHERE, Hangup, IncomingLeg, OutgoingLeg
from softphone.lab.sip.service_call import ServiceCall
from softphone.lab.tasks import TaskOwner


class Connection:
    """`phones` ring for `near`: calls of the PBX to them whose INVITEs are sent. The first to answer gets the call."""

    def __init__(
        self, near: ServiceCall, phones: Sequence[ServiceCall], tasks: TaskOwner, *, ignore_early: bool = False
    ) -> None:
        self.near = near
        self.far: ServiceCall | None = None
        self.failure = ("not registered", 480, "pbx")  # cause, code, by
        self._phones = list(phones)
        self._tasks = tasks
        self._ignore_early = ignore_early

    async def run(self) -> bool:
        """Ring, connect, talk, end; False if nobody picked up, and then `failure` says why."""
        try:
            far = await self._ring()
            if far is None:
                return False
            await self.talk(far)
            return True
        finally:
            self._let_go()

    # ringing

    async def _ring(self) -> ServiceCall | None:
        with self._ringback():
            try:
                async with asyncio.timeout(self.near.no_answer_s):
                    return await self._first_answer()
            except TimeoutError:
                self.failure = ("no answer", 480, "callee")
                return None

    @contextmanager
    def _ringback(self) -> Iterator[None]:
        """Who is connected already hears that it rings; who is not gets a 180 when the first phone rings."""
        if not (self._phones and self.near.leg.confirmed and self.near.media.can_play):
            yield
            return
        playing = self._tasks.spawn(self.near.media.play(ringback(), repeat=True), "ringback")
        try:
            yield
        finally:
            playing.cancel()

    async def _first_answer(self) -> ServiceCall | None:
        waiting = {self._tasks.spawn(self._follow(each), "phone"): each for each in self._phones}
        pending: set[asyncio.Task[Response]] = set(waiting)
        try:
            while pending and self.near.leg.hangup is None:
                watched: set[asyncio.Future[Any]] = {*pending, self.near.leg.ended}
                await asyncio.wait(watched, return_when=asyncio.FIRST_COMPLETED)
                for task in [each for each in pending if each.done()]:
                    pending.discard(task)
                    if self._took(waiting[task], task.result()):
                        return self.far
            return None
        finally:
            for task in pending:
                task.cancel()

    async def _follow(self, phone: ServiceCall) -> Response:
        leg = _outgoing(phone)
        while (response := await leg.response()).code < 200:
            if response.code > 100:
                self._progress(phone, response)
        return response

    def _progress(self, phone: ServiceCall, response: Response) -> None:
        """180 and 183; sound before the answer only where one phone rings alone."""
        if response.body and len(self._phones) == 1 and not self._ignore_early:
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

    def _took(self, phone: ServiceCall, response: Response) -> bool:
        """A final answer: whether this phone has the call now."""
        if response.code >= 300:
            self.failure = ("rejected", response.code, "callee")
            return False
        leg = _outgoing(phone)
        leg.ack(leg.invite)
        try:
            phone.learn(response.body)
        except NotAcceptable:
            self.failure = ("unusable answer", 488, "callee")
            return False
        self.far = phone
        return True

    # talking

    def _join(self, phone: ServiceCall) -> None:
        agreement = phone.media.agreement
        if self.near.media.agreement is None and agreement is not None:
            self.near.codec = agreement.codec
        self.near.join(phone)

    async def talk(self, far: ServiceCall) -> None:
        """Join the two and wait for the end of either. Raises NotAcceptable where the first cannot follow."""
        self.far = far
        self._join(far)
        await self.near.answer()
        self.near.note_connected(far)
        near, other = self.near.leg, far.leg
        await asyncio.wait({near.ended, other.ended}, return_when=asyncio.FIRST_COMPLETED)
        if near.hangup is None:
            hangup = other.hangup or Hangup("hangup")
            self.near.outcome = (hangup.cause, hangup.code, "pbx" if hangup.ours else far.side)
            await near.bye(hangup.cause, reason=hangup.reason)

    def _let_go(self) -> None:
        """Cancel who still rings, and hang up who was connected."""
        near = self.near.leg.hangup
        taken = NORMAL_CLEARING if self.far is None else TAKEN_ELSEWHERE
        for phone in self._phones:
            if phone.leg.hangup is None:
                reason = (near.reason if near is not None else "") if phone is self.far else taken
                self._tasks.spawn(_end(phone, reason or NORMAL_CLEARING), "end phone")


async def _end(phone: ServiceCall, reason: str) -> None:
    await _outgoing(phone).abandon("hangup" if phone.leg.confirmed else "cancelled", reason=reason)
    phone.media.close()


def _outgoing(phone: ServiceCall) -> OutgoingLeg:
    if not isinstance(phone.leg, OutgoingLeg):
        raise TypeError("only a phone that the PBX called can be waited for")
    return phone.leg
