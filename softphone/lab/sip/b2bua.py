"""Calls between two extensions: the lab is a phone towards each of them, and passes on what they say."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

from sipmessage import Request, Response

from softphone.lab.calls import CallRecord
from softphone.lab.media.negotiation import NotAcceptable, check_profile
from softphone.lab.media.relay import RelayPort, pass_through
from softphone.lab.sip import message as sip
from softphone.lab.sip import sdp
from softphone.lab.sip.host import CallHost, Outcome, transferred
from softphone.lab.sip.leg import NORMAL_CLEARING, TAKEN_ELSEWHERE, Hangup, IncomingLeg, Leg, OutgoingLeg
from softphone.lab.sip.transaction import ServerTransaction

# What is passed on from one leg to the other besides the description
PASSED_HEADERS = ("Subject", "Call-Info", "Alert-Info", "Retry-After", "Reason", "Warning", "Content-Type", "Event")
# Refusals that say nothing about the callee, but about the lab's way to him
UNREACHABLE = (401, 407, 408)


def passed_headers(message: Request | Response) -> list[tuple[str, str]]:
    """The headers that a B2BUA lets through: a few known ones, and X-anything as FreeSWITCH does."""
    return [
        (name, value)
        for name in message.headers.keys()
        if name in PASSED_HEADERS or name.upper().startswith("X-")
        for value in message.headers.getlist(name)
    ]


@dataclass(eq=False)
class Branch:
    """One phone that rings: its leg, and the relay's side that faces it."""

    leg: OutgoingLeg
    port: RelayPort | None


class Bridge:
    """One call from an extension to another. `run` lives as long as the call."""

    def __init__(self, caller: IncomingLeg, record: CallRecord, host: CallHost) -> None:
        options = host.options
        self.record = record
        self.secure = False  # whether the two agreed on SRTP
        self._host = host
        self._caller = caller
        self._options = options
        self._tasks = host.tasks
        self._relaying = options.media == "relay"
        self._caller_port = RelayPort(options.host) if self._relaying else None
        self._branches: list[Branch] = []
        self._answered_by: Branch | None = None
        self._outcome = Outcome("failed", 500, "pbx")
        caller.owner = self
        record.add_leg(caller)

    def check_offer(self) -> None:
        """Refuse what FreeSWITCH refuses before anybody rings. Raises NotAcceptable."""
        if self._caller.offer:
            try:
                session = sdp.Session.parse(self._caller.offer)
                check_profile(session.audio(), self._options.srtp)
            except sdp.SdpError as error:
                raise NotAcceptable(str(error)) from error

    def new_port(self) -> RelayPort | None:
        """A relay side for one more phone."""
        return RelayPort(self._options.host) if self._relaying else None

    def add(self, leg: OutgoingLeg, port: RelayPort | None) -> None:
        """Let one more phone ring."""
        branch = Branch(leg, port)
        leg.owner = self
        self.record.add_leg(leg)
        self._branches.append(branch)
        body = self._translate(self._caller.offer, self._caller_port, port)
        leg.start(headers=[*invite_headers(self._caller), *self._options.call_headers(self.record.uuid)], body=body)

    async def run(self) -> None:
        """Ring, connect, talk, end."""
        try:
            winner = await self._ring()
            if winner is not None:
                await self._talk(winner)
        finally:
            self._finish()

    def _finish(self) -> None:
        received = self._outcome.rtp_received
        for port in [self._caller_port, *(branch.port for branch in self._branches)]:
            if port is not None:
                received += port.received
                port.close()
        end = self._outcome
        self.record.finished(cause=end.cause, code=end.code, by=end.by, rtp_received=received)

    # ringing

    async def _ring(self) -> tuple[Branch, Response] | None:
        """Wait for the first phone that picks up; the others are cancelled."""
        waiting = {self._tasks.spawn(self._follow(branch), "branch"): branch for branch in self._branches}
        try:
            async with asyncio.timeout(self._options.no_answer_s):
                return await self._first_answer(waiting)
        except TimeoutError:
            self._refuse(480, "no answer", "callee")
            return None
        finally:
            self._end_losers(waiting)

    async def _first_answer(self, waiting: dict[asyncio.Task[Response], Branch]) -> tuple[Branch, Response] | None:
        refusals: list[Response] = []
        pending = set(waiting)
        while pending and self._caller.hangup is None:
            watched: set[asyncio.Future[Any]] = {*pending, self._caller.ended}
            await asyncio.wait(watched, return_when=asyncio.FIRST_COMPLETED)
            if self._caller.hangup is not None:
                break
            for task in [each for each in pending if each.done()]:
                pending.discard(task)
                response = task.result()
                if response.code < 300:
                    self._answered_by = waiting[task]
                    return waiting[task], response
                refusals.append(response)
        if self._caller.hangup is not None:
            self._note_end(self._caller)
        else:
            self._pass_refusal(_best(refusals))
        return None

    async def _follow(self, branch: Branch) -> Response:
        """Pass on what one phone says until its final answer."""
        while (response := await branch.leg.response()).code < 200:
            if response.code > 100:
                self._pass_progress(branch, response)
        return response

    def _pass_progress(self, branch: Branch, response: Response) -> None:
        """180 and 183; sound before the answer only where one phone rings alone (one dialog, one answer)."""
        early = bool(response.body) and len(self._branches) == 1
        try:
            body = self._join(branch, response.body) if early else b""
        except sdp.SdpError:
            body = b""
        code = response.code if body or response.code != 183 else 180
        self._caller.progress(code, body)
        self.record.ringing(early=bool(body))

    def _pass_refusal(self, response: Response | None) -> None:
        if response is None:
            self._refuse(480, "not registered", "pbx")
        elif response.code in UNREACHABLE:
            self._refuse(480, "unreachable", "pbx")
        else:
            headers = passed_headers(response)
            if response.code < 400:
                headers += [("Contact", value) for value in response.headers.getlist("Contact")]
            self._refuse(response.code, "rejected", "callee", response.phrase, headers)

    def _refuse(self, code: int, cause: str, by: str, reason: str = "", headers: sip.HeaderList = ()) -> None:
        self._outcome = Outcome(cause, code, by)
        self._caller.reject(code, reason, headers=headers, cause=cause)

    def _end_losers(self, waiting: dict[asyncio.Task[Response], Branch]) -> None:
        reason = TAKEN_ELSEWHERE if self._answered_by is not None else NORMAL_CLEARING
        for task, branch in waiting.items():
            if branch is not self._answered_by:
                task.cancel()
                self._tasks.spawn(branch.leg.abandon("cancelled", reason=reason), "cancel branch")

    # talking

    async def _talk(self, winner: tuple[Branch, Response]) -> None:
        branch, response = winner
        try:
            await self._connect(branch, response)
        except sdp.SdpError:
            branch.leg.ack(branch.leg.invite)
            self._refuse(488, "unusable answer", "callee")
            await branch.leg.bye()
            return
        await asyncio.wait({self._caller.ended, branch.leg.ended}, return_when=asyncio.FIRST_COMPLETED)
        first, other = (self._caller, branch.leg) if self._caller.hangup is not None else (branch.leg, self._caller)
        self._note_end(first)
        successor = await transferred(self.record)
        if successor is not None:
            self.record.transfer = None
            self._outcome = await self._host.carry(*successor)
        elif other.owner is self:
            await other.bye(reason=first.hangup.reason if first.hangup is not None else "")

    def _note_end(self, first: Leg) -> None:
        hangup = first.hangup or Hangup("hangup")
        by = "pbx" if hangup.ours else ("caller" if first is self._caller else "callee")
        self._outcome = Outcome(hangup.cause, hangup.code, by)

    async def _connect(self, branch: Branch, response: Response) -> None:
        """200 to the caller. With a late offer the callee's ACK waits for the caller's, which has the answer."""
        callee = branch.leg
        body = self._join(branch, response.body)
        if self._caller.offer:
            callee.ack(callee.invite)
            self._caller.accept_call(body)
        else:
            self._caller.accept_call(body)
            ack = await self._caller.invite.acked
            answer = ack.body if ack is not None else b""
            callee.ack(callee.invite, self._translate(answer, self._caller_port, branch.port))
        if self._caller.hangup is None:
            self.secure = _is_secure(response.body)
            self.record.answered(srtp=self.secure)

    def _join(self, branch: Branch, body: bytes) -> bytes:
        """Connect the caller's side of the relay with that branch's, and translate the branch's description."""
        if self._caller_port is not None and branch.port is not None:
            self._caller_port.join(branch.port)
        return self._translate(body, branch.port, self._caller_port)

    def _translate(self, body: bytes, source: RelayPort | None, target: RelayPort | None) -> bytes:
        if not body or source is None or target is None:
            return body
        return pass_through(body, source, target)

    # inside the dialogs

    def on_leg_request(self, leg: Leg, transaction: ServerTransaction) -> None:
        """Pass re-INVITE, UPDATE, INFO, MESSAGE on to the other leg; a REFER is the PBX's to carry out."""
        method = transaction.request.method
        by = "caller" if leg is self._caller else "callee"
        self.record.events.emit("request", call=self.record.uuid, method=method, by=by)
        sides = self._sides(leg)
        if method == "REFER":
            self._host.refer(self.record, leg, transaction)
        elif method not in ("INVITE", "UPDATE", "INFO", "MESSAGE"):
            transaction.respond(501)
        elif sides is None:
            transaction.respond(491 if method in ("INVITE", "UPDATE") else 481)
        elif method == "INVITE":
            self._tasks.spawn(self._pass_reinvite(leg, transaction, *sides), "re-INVITE")
        else:
            self._tasks.spawn(self._pass_request(leg, transaction, *sides), method)

    def side(self, leg: Leg) -> str:
        """caller or callee."""
        return "caller" if leg is self._caller else "callee"

    def other(self, leg: Leg) -> Leg | None:
        """Who talks to that leg."""
        branch = self._answered_by
        if branch is None or leg not in (self._caller, branch.leg):
            return None
        return branch.leg if leg is self._caller else self._caller

    def _sides(self, leg: Leg) -> tuple[Leg, RelayPort | None, RelayPort | None] | None:
        """The other leg, and the relay's two sides: ours first."""
        branch = self._answered_by
        if branch is None or not self._caller.confirmed:
            return None
        if leg is self._caller:
            return branch.leg, self._caller_port, branch.port
        return self._caller, branch.port, self._caller_port

    async def _pass_request(
        self,
        leg: Leg,
        transaction: ServerTransaction,
        other: Leg,
        near: RelayPort | None,
        far: RelayPort | None,
    ) -> None:
        request = transaction.request
        with_sdp = request.method == "UPDATE"
        try:
            body = self._translate(request.body, near, far) if with_sdp else request.body
            response = await other.request(request.method, headers=passed_headers(request), body=body)
            answer = self._translate(response.body, far, near) if with_sdp else response.body
        except sdp.SdpError:
            transaction.respond(488)
            return
        if with_sdp and response.code < 300:
            self._note_hold(leg, request.body)
        timer = sip.session_timer(request) if response.code < 300 else []
        headers = [("Contact", leg.dialog.contact), *timer, *passed_headers(response)]
        transaction.respond(response.code, response.phrase, headers=headers, body=answer)

    async def _pass_reinvite(
        self,
        leg: Leg,
        transaction: ServerTransaction,
        other: Leg,
        near: RelayPort | None,
        far: RelayPort | None,
    ) -> None:
        request = transaction.request
        transaction.respond(100)
        try:
            body = self._translate(request.body, near, far)
            response, invite = await other.reinvite(headers=passed_headers(request), body=body)
            if invite is None:
                transaction.respond(response.code, response.phrase, headers=passed_headers(response))
                return
            leg.accept(transaction, self._translate(response.body, far, near))
            self._note_hold(leg, request.body)
            ack = await transaction.acked if not request.body else None
            other.ack(invite, self._translate(ack.body, near, far) if ack is not None else b"")
        except sdp.SdpError:
            transaction.respond(488)

    def _note_hold(self, leg: Leg, offer: bytes) -> None:
        if offer:
            self.record.hold(self.side(leg), sdp.holds(offer))

    def on_leg_end(self, leg: Leg) -> None:
        """Noticed by `run` through `leg.ended`."""


def invite_headers(caller: IncomingLeg) -> list[tuple[str, str]]:
    """What of a caller's INVITE goes on to the callee."""
    return [each for each in passed_headers(caller.invite.request) if each[0] != "Content-Type"]


def _is_secure(body: bytes) -> bool:
    try:
        return sdp.Session.parse(body).audio().secure
    except sdp.SdpError:
        return False


def _best(refusals: list[Response]) -> Response | None:
    """What the caller hears when nobody picked up (section 16.7, step 6): a 6xx, else the lowest class."""
    if not refusals:
        return None
    return min(refusals, key=lambda each: (each.code < 600, each.code in UNREACHABLE, each.code // 100))
