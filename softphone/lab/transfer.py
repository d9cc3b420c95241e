"""Transfers that phones ask for: blind to a number, attended to the other end of a second call."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from softphone.lab.calls import CallRecord, Party
from softphone.lab.directory import Extension, Tenant
from softphone.lab.media.negotiation import DEFAULT_CODECS, Codec, NotAcceptable
from softphone.lab.plan import Service
from softphone.lab.sip.b2bua import Bridge
from softphone.lab.sip.connection import Hunt, paired
from softphone.lab.sip.host import CallHost, Run, Successor
from softphone.lab.sip.leg import Leg
from softphone.lab.sip.message import HeaderList
from softphone.lab.sip.refer import ReferSubscription, ReferTarget, Replaced, parse_refer
from softphone.lab.sip.service_call import ServiceCall
from softphone.lab.sip.transaction import ServerTransaction


class Pbx(Protocol):
    """What a transfer needs of the switch."""

    def route(self, number: str, tenant: Tenant) -> Service | Extension | None:
        """What a number reaches."""

    def tenant_for(self, host: str, domain: str) -> Tenant | None:
        """The tenant that a host means in a call of `domain`."""

    def find_leg(self, call_id: str, local_tag: str, remote_tag: str) -> Leg | None:
        """The dialog of that name."""

    def phones(
        self,
        callee: Extension,
        record: CallRecord,
        codecs: Sequence[Codec],
        *,
        caller: str,
        caller_name: str,
        secure: bool,
        headers: HeaderList = (),
    ) -> list[ServiceCall]:
        """Ring every phone of an extension."""


@dataclass(frozen=True)
class _Remaining:
    """Who stays in the call when the transferring phone leaves: a phone, or a service of the PBX."""

    number: str
    leg: Leg | None = None
    call: ServiceCall | None = None
    secure: bool = False
    service: Run | None = None


class Refused(Exception):
    """The transfer came to nothing; `code` is what the phone is told."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class Transfers:
    """Every transfer under way belongs to a record; the call's own runner goes on with what comes out of it."""

    def __init__(self, pbx: Pbx, host: CallHost) -> None:
        self._pbx = pbx
        self._host = host

    def refer(self, record: CallRecord, leg: Leg, transaction: ServerTransaction) -> None:
        """A REFER inside a call: 202, and then NOTIFYs."""
        if not self._host.options.refer:
            transaction.respond(501)
            return
        try:
            target = parse_refer(transaction.request)
        except ValueError:
            transaction.respond(400)
            return
        if record.answered_at is None or (record.transfer is not None and not record.transfer.done()):
            transaction.respond(491)
            return
        transaction.respond(202, headers=[("Contact", leg.dialog.contact)])
        referred_by = transaction.request.headers.get("Referred-By") or f"<{transaction.request.from_address.uri}>"
        record.transfer = self._host.tasks.spawn(self._transfer(record, leg, target, referred_by), "transfer")

    async def _transfer(self, record: CallRecord, leg: Leg, target: ReferTarget, referred_by: str) -> Successor | None:
        subscription = ReferSubscription(leg, self._host.tasks)
        subscription.tell(100)
        try:
            if target.replaces is not None:
                successor = await self._attended(record, leg, target.replaces)
            else:
                successor = await self._blind(record, leg, target, [("Referred-By", referred_by)])
        except (Refused, NotAcceptable) as error:
            subscription.tell(error.code if isinstance(error, Refused) else 488, last=True)
            return None
        subscription.tell(200, last=True)
        self._host.tasks.spawn(subscription.dismiss(), "dismiss")
        return successor

    # blind

    async def _blind(self, record: CallRecord, leg: Leg, target: ReferTarget, headers: HeaderList) -> Successor:
        tenant = self._pbx.tenant_for(target.host, record.domain)
        goal = self._pbx.route(target.number, tenant) if tenant is not None else None
        if goal is None:
            raise Refused(404)
        remaining = _remaining(record, leg)
        by = _side(record, leg)
        if isinstance(goal, Service):
            if remaining.service is not None:
                raise Refused(403)  # two services have nothing to say to each other
            near = await self._take(remaining, record)
            record.transferred(goal.number, by=by, how="blind")
            return near, goal.run
        far = await self._ring(goal, record, leg, remaining, headers)
        try:
            near, run = await self._connect(remaining, far, record)
        except NotAcceptable:
            await far.leg.bye("transfer failed")
            raise
        record.add_party(Party(goal.number, goal.domain, "inbound", remaining.number))
        record.transferred(goal.number, by=by, how="blind")
        return near, run

    async def _ring(
        self, goal: Extension, record: CallRecord, leg: Leg, remaining: _Remaining, headers: HeaderList
    ) -> ServiceCall:
        codecs = remaining.call.codecs() if remaining.call is not None else DEFAULT_CODECS
        phones = self._pbx.phones(
            goal,
            record,
            codecs,
            caller=remaining.number,
            caller_name=remaining.number,
            secure=remaining.secure,
            headers=headers,
        )
        hunt = Hunt(phones, self._host.tasks, lambda *_: None)
        over = remaining.leg.ended if remaining.leg is not None else leg.ended
        try:
            far = await hunt.run(over, self._host.options.no_answer_s)
        finally:
            hunt.let_go(winner_too=False)
        if far is None:
            raise Refused(hunt.failure.code)
        return far

    async def _connect(self, remaining: _Remaining, far: ServiceCall, record: CallRecord) -> Successor:
        """The phone that answered gets the one that remains, or the service that it talked to."""
        if remaining.service is not None:
            far.side = "caller" if remaining.number == record.callee else "callee"
            return far, remaining.service
        return self._pair(await self._take(remaining, record, far.codecs()), far)

    def _pair(self, near: ServiceCall, far: ServiceCall) -> Successor:
        """They hear each other from now on, though the transferring phone has not left yet."""
        near.join(far)
        return near, paired(far, self._host.tasks)

    # attended

    async def _attended(self, record: CallRecord, leg: Leg, replaced: Replaced) -> Successor:
        other = self._pbx.find_leg(replaced.call_id, replaced.to_tag, replaced.from_tag)
        owner = other.owner if other is not None else None
        if other is None or other is leg or not isinstance(owner, Bridge | ServiceCall):
            raise Refused(481)
        second = owner.record
        if second.answered_at is None:
            raise Refused(480)
        one, two = _remaining(record, leg), _remaining(second, other)
        if one.service is not None and two.service is not None:
            raise Refused(403)
        successor = await self._join(one, two, record)
        for party in second.parties:
            if party.extension == two.number:
                record.add_party(party)
        record.transferred(two.number, by=_side(record, leg), how="attended")
        self._host.tasks.spawn(other.bye("transferred"), "end consultation")
        return successor

    async def _join(self, one: _Remaining, two: _Remaining, record: CallRecord) -> Successor:
        if one.service is not None:
            return await self._take(two, record), one.service
        near = await self._take(one, record)
        if two.service is not None:
            return near, two.service
        far = await self._take(two, record, near.codecs())
        return self._pair(near, far)

    async def _take(
        self, remaining: _Remaining, record: CallRecord, codecs: Sequence[Codec] = DEFAULT_CODECS
    ) -> ServiceCall:
        """Hold a phone's end ourselves: it gets an offer of ours. Raises NotAcceptable if it refuses that."""
        call = remaining.call
        if call is None:
            if remaining.leg is None or remaining.leg.hangup is not None:
                raise Refused(481)
            call = ServiceCall(remaining.leg, record, self._host, any_codec=True)
            await call.renegotiate(codecs, srtp=remaining.secure)
        elif not call.media.speaks(codecs):
            await call.renegotiate(codecs, srtp=remaining.secure)
        call.record = record
        record.adopt(call.leg)
        for by in tuple(record.held_by):
            record.hold(by, False)
        return call


def _remaining(record: CallRecord, leg: Leg) -> _Remaining:
    owner = leg.owner
    number = record.callee if _side(record, leg) == "caller" else record.caller
    if isinstance(owner, Bridge):
        return _Remaining(number, leg=owner.other(leg), secure=owner.secure)
    if isinstance(owner, ServiceCall):
        if owner.joined is not None:
            joined = owner.joined
            return _Remaining(number, leg=joined.leg, call=joined, secure=joined.media.secure)
        return _Remaining(number, service=owner.run, secure=owner.media.secure)
    raise Refused(481)


def _side(record: CallRecord, leg: Leg) -> str:
    owner = leg.owner
    if isinstance(owner, Bridge):
        return owner.side(leg)
    return owner.side if isinstance(owner, ServiceCall) else "caller"
