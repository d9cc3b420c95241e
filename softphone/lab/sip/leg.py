"""A leg: one INVITE dialog between the lab and a phone, seen as a telephone call sees it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Protocol

from sipmessage import Request, Response

from softphone.lab.directory import Extension
from softphone.lab.sip import message as sip
from softphone.lab.sip.dialog import Dialog
from softphone.lab.sip.transaction import ClientTransaction, ServerTransaction, TransactionLayer, make_cancel
from softphone.lab.sip.transport import Flow
from softphone.lab.tasks import TaskOwner

# What FreeSWITCH writes into the Reason header, and what RFC 3326 has for a call that another phone took
NORMAL_CLEARING = 'Q.850;cause=16;text="NORMAL_CLEARING"'
TAKEN_ELSEWHERE = 'SIP;cause=200;text="Call completed elsewhere"'


@dataclass(frozen=True)
class Hangup:
    """Why a leg ended: `ours` tells whether the lab ended it; `code` is the SIP status where one did it.

    `reason` is the value of the Reason header (RFC 3326) that came with a BYE or CANCEL.
    """

    cause: str
    code: int = 0
    ours: bool = False
    reason: str = ""


class LegOwner(Protocol):
    """The call that a leg belongs to."""

    def on_leg_request(self, leg: Leg, transaction: ServerTransaction) -> None:
        """A request inside the dialog, other than BYE: answer it, now or later."""

    def on_leg_end(self, leg: Leg) -> None:
        """The leg is over; `leg.hangup` says why. Called once."""


class LegHost(Protocol):
    """What a leg needs of the SIP endpoint."""

    layer: TransactionLayer
    tasks: TaskOwner

    def add_leg(self, leg: Leg) -> None:
        """Let in-dialog requests find the leg."""

    def remove_leg(self, leg: Leg) -> None:
        """Let them find it no more."""

    def way_to(self, extension: Extension) -> Flow | None:
        """Another way to the phone, when the connection of the dialog is gone."""


class Leg:
    """Common to both directions. Without an owner, requests inside the dialog are answered 481."""

    def __init__(self, host: LegHost, dialog: Dialog, extension: Extension | None) -> None:
        self.dialog = dialog
        self.extension = extension
        self.owner: LegOwner | None = None
        self.confirmed = False
        self.hangup: Hangup | None = None
        self.ended: asyncio.Future[Hangup] = asyncio.get_running_loop().create_future()
        self._host = host
        self._invites: dict[int, ServerTransaction] = {}
        self._reinviting = False
        host.add_leg(self)

    @property
    def call_id(self) -> str:
        """The Call-ID of the dialog."""
        return self.dialog.call_id

    async def end(self, cause: str) -> None:
        """Hang up, whatever the leg is at."""
        await self.bye(cause)

    # requests of ours

    def _send(self, request: Request) -> ClientTransaction:
        return self._host.layer.send(request, self._flow())

    def _flow(self) -> Flow:
        if self.dialog.flow.closed and self.extension is not None:
            self.dialog.flow = self._host.way_to(self.extension) or self.dialog.flow
        return self.dialog.flow

    async def request(self, method: str, *, headers: sip.HeaderList = (), body: bytes = b"") -> Response:
        """Send a request inside the dialog and return its final answer (408 or 503 if there is none)."""
        self._flow()
        response = await self._send(self.dialog.make(method, headers=headers, body=body)).final()
        if method == "UPDATE" and response.code < 300:
            self.dialog.refresh_target(response)
        return response

    async def reinvite(
        self, *, headers: sip.HeaderList = (), body: bytes = b""
    ) -> tuple[Response, ClientTransaction | None]:
        """Send a re-INVITE and return its final answer; a 2xx comes with the transaction to `ack`.

        491 without a word on the wire if an INVITE is under way already (section 14.1).
        """
        self._flow()
        request = self.dialog.make("INVITE", headers=headers, body=body)
        if self._reinviting or self._invited_now():
            return sip.make_response(request, 491), None
        self._reinviting = True
        try:
            transaction = self._send(request)
            response = await transaction.final()
        finally:
            self._reinviting = False
        if response.code >= 300:
            return response, None
        self.dialog.refresh_target(response)
        return response, transaction

    def ack(self, invite: ClientTransaction, body: bytes = b"") -> None:
        """Acknowledge a 2xx, and every repetition of it."""
        headers = [("Content-Type", "application/sdp")] if body else []
        sequence = invite.request.cseq.sequence
        ack = self.dialog.make("ACK", headers=headers, body=body, cseq=sequence, with_contact=False)
        data = bytes(ack)

        def send() -> None:
            self._flow().send(data)

        invite.on_repeated_2xx = send
        send()

    async def bye(self, cause: str = "hangup", *, reason: str = "") -> None:
        """End a confirmed dialog, saying why (RFC 3326); returns when the phone has answered, or never will."""
        if self.hangup is not None:
            return
        self._end(Hangup(cause, ours=True), keep=True)
        try:
            await self.request("BYE", headers=[("Reason", reason or NORMAL_CLEARING)])
        finally:
            self._host.remove_leg(self)

    # requests of theirs

    def receive(self, transaction: ServerTransaction) -> None:
        """A request inside the dialog. Raises ValueError if a header that it needs is malformed."""
        request = transaction.request
        if request.cseq.sequence <= self.dialog.remote_cseq:
            transaction.respond(500)  # overtaken (section 12.2.2)
            return
        self.dialog.remote_cseq = request.cseq.sequence
        self.dialog.flow = transaction.flow
        if request.method == "BYE":
            transaction.respond(200)
            self._said_bye(request.headers.get("Reason") or "")
        elif self.hangup is not None or self.owner is None:
            transaction.respond(481)
        elif request.method == "INVITE" and (self._reinviting or self._invited_now()):
            transaction.respond(491)
        else:
            self._deliver(transaction, self.owner)

    def _deliver(self, transaction: ServerTransaction, owner: LegOwner) -> None:
        if transaction.request.method in ("INVITE", "UPDATE"):
            self.dialog.refresh_target(transaction.request)
        if transaction.request.method == "INVITE":
            self._track(transaction)
        owner.on_leg_request(self, transaction)

    def _track(self, invite: ServerTransaction) -> None:
        """Let the ACK of our 2xx find its INVITE."""
        sequence = invite.request.cseq.sequence
        self._invites[sequence] = invite
        invite.acked.add_done_callback(lambda _: self._invites.pop(sequence, None))

    def _invited_now(self) -> bool:
        """Whether an INVITE of the phone waits for its answer, or for its ACK."""
        return any(not each.acked.done() for each in self._invites.values())

    def receive_ack(self, request: Request, flow: Flow) -> None:
        """The ACK of a 2xx of ours."""
        self.dialog.flow = flow
        transaction = self._invites.get(request.cseq.sequence)
        if transaction is not None:
            transaction.acknowledge(request)

    def accept(self, transaction: ServerTransaction, body: bytes, headers: sip.HeaderList = ()) -> None:
        """Answer an INVITE of the phone by 200; if its ACK never comes, hang up (section 13.3.1.4)."""
        content = [("Content-Type", "application/sdp")] if body else []
        own = [("Contact", self.dialog.contact), ("Allow", sip.ALLOW), *sip.session_timer(transaction.request)]
        transaction.respond(200, headers=[*own, *content, *headers], body=body)
        self._host.tasks.spawn(self._expect_ack(transaction), "expect ACK")

    async def _expect_ack(self, transaction: ServerTransaction) -> None:
        if await transaction.acked is None and self.hangup is None:
            await self.bye("no ACK")

    def _said_bye(self, reason: str) -> None:
        self._end(Hangup("hangup", reason=reason))

    def _end(self, hangup: Hangup, *, keep: bool = False) -> None:
        """Note the end, once; `keep` leaves the dialog findable, for a BYE that crosses ours."""
        if not keep:
            self._host.remove_leg(self)
        if self.hangup is not None:
            return
        self.hangup = hangup
        self.ended.set_result(hangup)
        if self.owner is not None:
            self.owner.on_leg_end(self)


class IncomingLeg(Leg):
    """A phone calls us. One of `accept_call` and `reject` is the answer; a CANCEL ends it before."""

    def __init__(self, host: LegHost, invite: ServerTransaction, contact: str, extension: Extension | None) -> None:
        dialog = Dialog.incoming(invite.request, invite.flow, invite.tag, contact)
        super().__init__(host, dialog, extension)
        self.invite = invite
        self._track(invite)
        invite.on_cancel = self._cancelled

    @property
    def offer(self) -> bytes:
        """The session description of the INVITE, b"" for a late offer."""
        return self.invite.request.body

    @property
    def number(self) -> str:
        """What was dialled."""
        return self.invite.request.uri.user or ""

    def progress(self, code: int, body: bytes = b"") -> None:
        """Ringing (180) or early media (183 with a description)."""
        content = [("Content-Type", "application/sdp")] if body else []
        self.invite.respond(code, headers=[("Contact", self.dialog.contact), *content], body=body)

    def accept_call(self, body: bytes) -> None:
        """Pick up."""
        if not self.invite.final:
            self.confirmed = True
            self.accept(self.invite, body)

    def reject(self, code: int, reason: str = "", *, headers: sip.HeaderList = (), cause: str = "rejected") -> None:
        """Refuse the call."""
        if not self.invite.final:
            self.invite.respond(code, reason, headers=headers)
            self._end(Hangup(cause, code, ours=True))

    async def end(self, cause: str) -> None:
        """Refuse what is not answered yet, else hang up."""
        if self.confirmed:
            await self.bye(cause)
        else:
            self.reject(480, cause=cause)

    def _cancelled(self) -> None:
        self.invite.respond(487)
        self._end(Hangup("cancelled", 487))

    def _said_bye(self, reason: str) -> None:
        """A BYE before the answer takes the INVITE with it (section 15.1.2)."""
        if not self.invite.final:
            self.invite.respond(487)
        super()._said_bye(reason)


class OutgoingLeg(Leg):
    """We call a phone."""

    def __init__(self, host: LegHost, dialog: Dialog, extension: Extension | None) -> None:
        super().__init__(host, dialog, extension)
        self._invite: ClientTransaction | None = None
        self._cancel_wanted = False
        self._cancel_sent = False
        self._cancel_reason = NORMAL_CLEARING
        self._provisional = False

    @property
    def invite(self) -> ClientTransaction:
        """The INVITE under way. Raises RuntimeError before `start`."""
        if self._invite is None:
            raise RuntimeError("the leg has sent no INVITE yet")
        return self._invite

    def start(self, *, headers: sip.HeaderList = (), body: bytes = b"") -> None:
        """Send the INVITE."""
        content = [("Content-Type", "application/sdp")] if body else []
        request = self.dialog.make("INVITE", headers=[("Allow", sip.ALLOW), *content, *headers], body=body)
        self._invite = self._send(request)

    async def response(self) -> Response:
        """The next answer to the INVITE. After one of 300 or more the leg is over; a 2xx wants an `ack`."""
        response = await self.invite.response()
        if 100 < response.code < 300 and sip.to_tag(response):
            self.dialog.confirm(response)
        if response.code < 200:
            self._provisional = True
            if self._cancel_wanted:
                self._send_cancel()
        elif response.code >= 300:
            self._end(Hangup("rejected", response.code))
        else:
            self.confirmed = True
        return response

    def cancel(self, reason: str = NORMAL_CLEARING) -> None:
        """Take the call back; the CANCEL waits for a first provisional answer (section 9.1)."""
        if self.confirmed or self.hangup is not None:
            return
        self._cancel_wanted = True
        self._cancel_reason = reason
        if self._provisional:
            self._send_cancel()

    def _send_cancel(self) -> None:
        if self._cancel_sent:
            return
        self._cancel_sent = True
        cancel = make_cancel(self.invite.request)
        cancel.headers.set("Reason", self._cancel_reason)
        self._host.layer.send(cancel, self.dialog.flow)

    async def end(self, cause: str) -> None:
        """Hang up, or take the call back; whoever waits for its answer sees that answer."""
        if self.confirmed:
            await self.bye(cause)
        else:
            self.cancel()

    async def abandon(self, cause: str, *, reason: str = NORMAL_CLEARING) -> None:
        """Cancel and see to the end: a phone that picked up just then gets an ACK and a BYE."""
        if not self.confirmed:
            self.cancel(reason)
            try:
                async with asyncio.timeout(self._host.layer.timers.timeout_s):
                    while self.hangup is None and not self.confirmed:
                        await self.response()
            except TimeoutError:
                self._end(Hangup(cause, 408, ours=True))  # it rings on without an answer to our CANCEL
                self.invite.terminate()
            if self.hangup is None:
                self.ack(self.invite)
        await self.bye(cause, reason=reason)
