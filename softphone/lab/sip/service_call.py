"""A call between one phone and the PBX itself, with the verbs that a service is written in."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from sipmessage import Request

from softphone.lab.calls import CallRecord
from softphone.lab.media import dtmf
from softphone.lab.media.negotiation import (
    DEFAULT_CODECS,
    OFFERED_SUITE,
    TONE_CODECS,
    Codec,
    NotAcceptable,
    agree,
    codecs_of,
    make_answer,
    make_offer,
)
from softphone.lab.media.session import DIGIT_GAP_MS, DIGIT_MS, MediaSession
from softphone.lab.media.srtp import SdesKey
from softphone.lab.sip import message as sip
from softphone.lab.sip import sdp
from softphone.lab.sip.host import CallHost, Outcome, Run
from softphone.lab.sip.leg import IncomingLeg, Leg
from softphone.lab.sip.transaction import ServerTransaction

GLARE_ATTEMPTS = 5
GLARE_S = 0.3  # between attempts where a re-INVITE of the phone crossed ours (RFC 3261 section 14.1)
SDP_TYPE = ("Content-Type", "application/sdp")


class ServiceCall:
    """The PBX's end of a call. `digits` receives every key press, however it came."""

    def __init__(
        self,
        leg: Leg,
        record: CallRecord,
        host: CallHost,
        *,
        any_codec: bool,
    ) -> None:
        self.leg = leg
        self.record = record
        self.digits: asyncio.Queue[str] = asyncio.Queue()
        self.media = MediaSession(host.options.host, self._rtp_digit, record.media_failed, host.identity)
        self.codec = ""  # the only one to agree on, where another phone has chosen already
        self.side = "caller" if isinstance(leg, IncomingLeg) else "callee"
        self.joined: ServiceCall | None = None  # the phone that hears this one, and is heard
        self.outcome: Outcome | None = None  # where this leg does not tell
        self.run: Run | None = None  # the service that works for this phone
        self.again: Callable[[], ServiceCall] | None = None  # rings the same phone with SRTP, should it insist on it
        self.minded = False  # somebody sees to the end of this leg: it does not end the service
        self._host = host
        self._options = host.options
        self._tasks = host.tasks
        self._any_codec = any_codec
        self._first_answer = b""
        self._offered_key: SdesKey | None = None
        self._offers_dtls = False
        self._version = 0
        leg.owner = self
        record.adopt(leg)

    # verbs

    def ring(self) -> None:
        """180; without effect where the PBX was the caller."""
        if isinstance(self.leg, IncomingLeg):
            self.leg.progress(180)
            self.record.ringing()

    def early_media(self) -> None:
        """183: sound before the answer. Raises NotAcceptable."""
        if isinstance(self.leg, IncomingLeg):
            self.leg.progress(183, self._answer_invite(self.leg))
            self.record.ringing(early=True)

    async def answer(self) -> None:
        """Pick up; returns when sound may flow. Raises NotAcceptable."""
        leg = self.leg
        if not isinstance(leg, IncomingLeg) or leg.confirmed:
            return
        leg.accept_call(self._answer_invite(leg))
        if not leg.offer:
            ack = await leg.invite.acked
            if ack is not None:
                self._learn_answer(ack.body)
        self._note_answered()

    async def hang_up(self, cause: str = "hangup") -> None:
        """BYE, or a refusal of what is not answered yet."""
        if isinstance(self.leg, IncomingLeg) and not self.leg.confirmed:
            self.leg.reject(480, cause=cause)
        else:
            await self.leg.bye(cause)

    def reject(self, code: int, cause: str) -> None:
        """Refuse the call."""
        if isinstance(self.leg, IncomingLeg):
            self.leg.reject(code, cause=cause)

    async def send_digits(self, digits: str) -> None:
        """Press keys: by RFC 4733 where the phone takes it, else by INFO."""
        if await self.media.send_digits(digits):
            return
        for digit in digits:
            kind = ("Content-Type", "application/dtmf-relay")
            await self.leg.request("INFO", headers=[kind], body=dtmf.info_body(digit, DIGIT_MS))
            await asyncio.sleep((DIGIT_MS + DIGIT_GAP_MS) / 1000)

    def codecs(self) -> list[Codec]:
        """What another phone may be offered so that the two understand each other."""
        agreement = self.media.agreement
        if agreement is not None:
            return agreement.compatible()
        if isinstance(self.leg, IncomingLeg) and self.leg.offer:
            try:
                return codecs_of(_parse(self.leg.offer).audio())
            except sdp.SdpError as error:
                raise NotAcceptable(str(error)) from error
        return list(DEFAULT_CODECS)

    def only_tones(self) -> None:
        """Agree on a codec that sounds can be made for. Raises NotAcceptable where the phone has none."""
        found = [each.name for each in self.codecs() if each.name in TONE_CODECS]
        if not found:
            raise NotAcceptable("no codec in common")
        self.codec = self.codec if self.codec in found else found[0]

    def join(self, other: ServiceCall) -> None:
        """Let two phones hear each other."""
        self.media.part()
        other.media.part()
        self.joined, other.joined = other, self
        self.media.join(other.media)

    @property
    def no_answer_s(self) -> float:
        """How long the PBX lets a phone ring."""
        return self._options.no_answer_s

    async def dial(self, number: str) -> bool:
        """Connect the phone with a number until one of the two hangs up; False where nobody picked up."""
        return await self._host.dial(self, number)

    @property
    def operator(self) -> str:
        """The extension that takes calls which nobody else takes."""
        return self._host.operator(self)

    @property
    def host(self) -> CallHost:
        """What all calls share."""
        return self._host

    # descriptions

    def _answer_invite(self, leg: IncomingLeg) -> bytes:
        """The description for 183 and 200: the same one in both (RFC 3261 section 13.2.1)."""
        self._first_answer = self._first_answer or self._describe(leg.offer)
        return self._first_answer

    def _describe(self, offer: bytes) -> bytes:
        """Our answer to an offer, or our own offer where there is none. Raises NotAcceptable."""
        self._version += 1
        if not offer:
            key = self._own_key(wanted=self._options.srtp == "mandatory")
            return self._offer(key, self.codecs() if self.media.agreement is not None else DEFAULT_CODECS)
        session = _parse(offer)
        old = self.media.agreement
        agreement = agree(
            session,
            any_codec=self._any_codec,
            policy=self._options.srtp,
            local_key=old.local_key if old is not None else None,
            only=self.codec,
        )
        self.media.apply(agreement)
        dtls = self.media.dtls_local(agreement.dtls) if agreement.dtls is not None else None
        return bytes(make_answer(session, agreement, self._options.host, self.media.port, self._version, dtls))

    def _own_key(self, *, wanted: bool) -> SdesKey | None:
        old = self.media.agreement
        if old is not None:
            return old.local_key
        self._offered_key = SdesKey.new(OFFERED_SUITE) if wanted else None
        return self._offered_key

    def _learn_answer(self, body: bytes) -> None:
        """The phone's answer to an offer of ours."""
        old = self.media.agreement
        key = old.local_key if old is not None else self._offered_key
        agreement = agree(_parse(body), any_codec=self._any_codec, policy=self._options.srtp, local_key=key)
        self.media.apply(agreement)

    def offer(self, *, srtp: bool, codecs: Sequence[Codec] = DEFAULT_CODECS, dtls: bool = False) -> bytes:
        """Our offer for a call that the PBX makes; `dtls` is what browsers want."""
        self._version += 1
        self._offers_dtls = dtls
        return self._offer(self._own_key(wanted=srtp and not dtls), codecs)

    def _offer(self, key: SdesKey | None, codecs: Sequence[Codec]) -> bytes:
        agreement = self.media.agreement
        with_dtls = self._offers_dtls if agreement is None else agreement.dtls is not None
        local = self.media.dtls_local() if with_dtls else None
        return bytes(make_offer(self._options.host, self.media.port, key, self._version, codecs, local))

    async def renegotiate(self, codecs: Sequence[Codec], *, srtp: bool) -> None:
        """Offer the phone other codecs, and the PBX as its partner. Raises NotAcceptable if it refuses."""
        for _ in range(GLARE_ATTEMPTS):
            dtls = self.media.agreement is not None and self.media.agreement.dtls is not None
            body = self.offer(srtp=srtp, codecs=codecs, dtls=dtls)
            response, invite = await self.leg.reinvite(headers=[SDP_TYPE], body=body)
            if invite is not None:
                self.leg.ack(invite)
                self.learn(response.body)
                return
            if response.code != 491:
                break
            await asyncio.sleep(GLARE_S)
        raise NotAcceptable("the phone refused a new offer")

    def learn(self, body: bytes) -> None:
        """The phone that the PBX called has described itself, early or by answering. Raises NotAcceptable."""
        self._learn_answer(body)

    def picked_up(self, body: bytes) -> None:
        """The phone that the PBX called has answered with a description. Raises NotAcceptable."""
        self._learn_answer(body)
        self._note_answered()

    def note_connected(self, far: ServiceCall) -> None:
        """Two phones hear each other now: for the books, the call is answered."""
        if self.leg.hangup is None and far.leg.hangup is None:
            if self.record.answered_at is not None and far.leg.extension is not None:
                self.record.leg_answered(far.leg.extension.number)
            secure = [each.media.secure for each in (self, far)]
            self.record.answered(srtp=all(secure))

    def _note_answered(self) -> None:
        if self.leg.hangup is None and self.joined is None:
            self.record.answered(srtp=self.media.secure)

    # what the phone does

    def on_leg_request(self, leg: Leg, transaction: ServerTransaction) -> None:
        """INFO with a digit, re-INVITE and UPDATE for hold and codec changes; others are refused."""
        method = transaction.request.method
        self.record.events.emit("request", call=self.record.uuid, method=method, by="phone")
        if method == "INFO":
            self._info(transaction)
        elif method == "INVITE":
            self._reinvite(leg, transaction)
        elif method == "UPDATE":
            self._update(leg, transaction)
        elif method == "REFER":
            self._host.refer(self.record, leg, transaction)
        else:
            transaction.respond(501)

    def _info(self, transaction: ServerTransaction) -> None:
        request = transaction.request
        found = dtmf.parse_info(request.headers.get("Content-Type") or "", request.body)
        transaction.respond(200)
        if found is not None:
            self._digit(found[0], found[1], "info")
        if self.joined is not None and self.joined.leg.hangup is None:
            self._tasks.spawn(self.joined.pass_info(request), "INFO")

    def _reinvite(self, leg: Leg, transaction: ServerTransaction) -> None:
        try:
            body = self._describe(transaction.request.body)
        except NotAcceptable:
            transaction.respond(488)
            return
        leg.accept(transaction, body)
        self._note_hold(transaction.request.body)

    def _update(self, leg: Leg, transaction: ServerTransaction) -> None:
        headers = [("Contact", leg.dialog.contact), *sip.session_timer(transaction.request)]
        if not transaction.request.body:
            transaction.respond(200, headers=headers)
            return
        try:
            body = self._describe(transaction.request.body)
        except NotAcceptable:
            transaction.respond(488)
            return
        transaction.respond(200, headers=[*headers, SDP_TYPE], body=body)
        self._note_hold(transaction.request.body)

    def _note_hold(self, offer: bytes) -> None:
        if offer:
            self.record.hold(self.side, sdp.holds(offer))

    async def pass_info(self, request: Request) -> None:
        """Send on what the other phone said by INFO."""
        kind = ("Content-Type", request.headers.get("Content-Type") or "")
        await self.leg.request("INFO", headers=[kind], body=request.body)

    def on_leg_end(self, leg: Leg) -> None:
        """The phone hung up, or we did: the service's task notices by `leg.ended`."""
        self.media.close()

    def _rtp_digit(self, digit: str, duration_ms: int) -> None:
        self._digit(digit, duration_ms, "rfc4733")

    def _digit(self, digit: str, duration_ms: int, how: str) -> None:
        self.record.events.emit("digit", call=self.record.uuid, digit=digit, duration_ms=duration_ms, how=how)
        self.digits.put_nowait(digit)


def _parse(body: bytes) -> sdp.Session:
    try:
        return sdp.Session.parse(body)
    except sdp.SdpError as error:
        raise NotAcceptable(str(error)) from error
