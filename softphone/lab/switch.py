"""The switch: where a call goes. To a service of the PBX, to an extension, or nowhere."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from sipmessage import URI, Request, Response

from softphone.errors import Conflict, NotFound, UsageError
from softphone.lab.calls import CallRecord, Origin, Party
from softphone.lab.directory import Directory, Extension, Tenant
from softphone.lab.events import EventLog
from softphone.lab.media.keying import new_identity
from softphone.lab.media.negotiation import DEFAULT_CODECS, Codec, NotAcceptable
from softphone.lab.options import LabOptions
from softphone.lab.plan import Service, number_plan
from softphone.lab.sip import message as sip
from softphone.lab.sip import sdp
from softphone.lab.sip.b2bua import Bridge, invite_headers
from softphone.lab.sip.connection import Connection, Hunt
from softphone.lab.sip.endpoint import SipEndpoint
from softphone.lab.sip.host import CallHost, CallOver, Outcome, Run, Successor, transferred
from softphone.lab.sip.leg import Hangup, IncomingLeg, Leg, OutgoingLeg
from softphone.lab.sip.registrar import Binding
from softphone.lab.sip.service_call import ServiceCall
from softphone.lab.sip.transaction import ServerTransaction
from softphone.lab.transfer import Transfers
from softphone.lab.voicemail import Mailboxes, leave_message, summary

KEPT_CALLS = 10_000


if TYPE_CHECKING:
    from softphone.lab.media.dtls import Identity

MESSAGE_SUMMARY = ("message-summary", "application/simple-message-summary")  # event and media type (RFC 3842)
WEB = ("ws", "wss")  # who comes by these is a browser, or acts like one

Target = Service | Extension


class Switch:
    """Routes calls and keeps their records."""

    def __init__(self, options: LabOptions, directory: Directory, events: EventLog) -> None:
        self.calls: dict[str, CallRecord] = {}
        self.plan = number_plan()
        self.endpoint = SipEndpoint(options, directory, events, self.on_call)
        self.mailboxes = Mailboxes(events, self._mailbox_changed)
        self._identity: Identity | None = None
        self._host = CallHost(
            options,
            self.endpoint.tasks,
            self.identity,
            self._refer,
            self.carry,
            self.dial,
            self._operator,
            self.mailboxes,
        )
        self._transfers = Transfers(self, self._host)
        self._options = options
        self._directory = directory
        self._events = events

    @property
    def tenants(self) -> Directory:
        """Who exists."""
        return self._directory

    # a phone calls

    def on_call(self, leg: IncomingLeg) -> None:
        """An admitted INVITE: find out whom it is for."""
        tenant = self._tenant_of(leg)
        caller = _number_of(leg)
        record = self._new_record(caller, leg.number, domain=tenant.domain if tenant is not None else "")
        target = self.route(leg.number, tenant) if tenant is not None else None
        if leg.extension is not None:
            record.add_party(Party(leg.extension.number, leg.extension.domain, "outbound", leg.number))
        if isinstance(target, Extension):
            record.add_party(Party(target.number, target.domain, "inbound", caller))
        record.start()
        if isinstance(target, Service):
            self.endpoint.tasks.spawn(self._serve(leg, record, target), f"service {target.name}")
        elif target is None:
            leg.reject(404, cause="no such number")
            record.finished(cause="no such number", code=404, by="pbx", rtp_received=0)
        elif self._options.voicemail or self._speaks_webrtc(leg, target):
            self.endpoint.tasks.spawn(self._connect_incoming(leg, record, target), "connection")
        else:
            self._bridge(leg, record, target)

    def _speaks_webrtc(self, leg: IncomingLeg, callee: Extension) -> bool:
        """Whether an end is a browser: its ICE and DTLS are between it and the PBX, not between it and the other."""
        if any(binding.flow.transport in WEB for binding in self._reachable(callee)):
            return True
        try:
            return sdp.Session.parse(leg.offer).audio().dtls
        except sdp.SdpError:
            return False

    async def _connect_incoming(self, leg: IncomingLeg, record: CallRecord, callee: Extension) -> None:
        caller, name = _number_of(leg), _name_of(leg.invite.request)
        headers = invite_headers(leg)

        async def connect(near: ServiceCall) -> None:
            failure = await self.connect(near, callee, caller=caller, caller_name=name, headers=headers)
            if failure is not None and self._options.voicemail:
                near.only_tones()
                await leave_message(near)
            elif failure is not None:
                near.outcome = failure
                near.reject(failure.code, failure.cause)

        service = Service(callee.number, "connection", "", connect, any_codec=True)
        await self._serve(leg, record, service)

    def _tenant_of(self, leg: IncomingLeg) -> Tenant | None:
        """Whose number was dialled."""
        return self.tenant_for(leg.invite.request.uri.host, leg.extension.domain if leg.extension is not None else "")

    def tenant_for(self, host: str, domain: str) -> Tenant | None:
        """The tenant that a host means to a phone of `domain`: its own one, if it is the lab's bare address."""
        tenant = self._directory.by_host(host)
        if tenant is not None and domain and not self._directory.is_domain(host):
            return self._directory.by_host(domain)
        return tenant

    def find_leg(self, call_id: str, local_tag: str, remote_tag: str) -> Leg | None:
        """The dialog of that name."""
        return self.endpoint.find_leg(call_id, local_tag, remote_tag)

    def route(self, number: str, tenant: Tenant) -> Target | None:
        """What a number of this tenant reaches: a service, an extension, a DID of any tenant, or the outside."""
        if number in self.plan:
            return self.plan[number]
        if number in tenant.extensions:
            return tenant.extensions[number]
        return self._directory.by_did(number) or self._outside(number, tenant)

    def _outside(self, address: str, tenant: Tenant) -> Target | None:
        """What the options let answer in the place of a number, or of a SIP URI, beyond the PBX."""
        number = self._options.outside.get(address) or self._options.outside.get("*", "")
        return self.plan.get(number) or tenant.extensions.get(number)

    def _new_record(self, caller: str, callee: str, *, domain: str, origin: Origin = "phone") -> CallRecord:
        record = CallRecord(caller, callee, self._events, domain=domain, origin=origin)
        self.calls[record.uuid] = record
        while len(self.calls) > KEPT_CALLS:
            del self.calls[next(iter(self.calls))]
        return record

    async def _serve(self, leg: IncomingLeg, record: CallRecord, service: Service) -> None:
        call = self._call(leg, record, any_codec=service.any_codec)
        await self._run_service(call, service)

    def _call(self, leg: Leg, record: CallRecord, *, any_codec: bool) -> ServiceCall:
        return ServiceCall(leg, record, self._host, any_codec=any_codec)

    def _refer(self, record: CallRecord, leg: Leg, transaction: ServerTransaction) -> None:
        self._transfers.refer(record, leg, transaction)

    def identity(self) -> Identity:
        """The certificate of all DTLS handshakes, made when the first one comes."""
        if self._identity is None:
            self._identity = new_identity()
        return self._identity

    def _bridge(self, leg: IncomingLeg, record: CallRecord, callee: Extension) -> None:
        bridge = Bridge(leg, record, self._host)
        try:
            bridge.check_offer()
        except NotAcceptable:
            leg.reject(488, cause="not acceptable")
        else:
            for binding in self._reachable(callee):
                outgoing = self.endpoint.call(binding, caller=_number_of(leg), caller_name=_name_of(leg.invite.request))
                bridge.add(outgoing, bridge.new_port())
        self.endpoint.tasks.spawn(bridge.run(), "bridge")

    def _offers_dtls(self, binding: Binding) -> bool:
        return binding.flow.transport in WEB and self._options.srtp != "off"

    def _reachable(self, extension: Extension) -> list[Binding]:
        return self.endpoint.registrar.lookup(extension) if extension.enabled else []

    # the PBX calls

    def originate(
        self,
        extension: Extension,
        service: str,
        *,
        caller: str = "",
        caller_name: str = "",
        headers: sip.HeaderList = (),
        srtp: bool = False,
    ) -> CallRecord:
        """Ring an extension, and connect it to a service when it picks up. Raises NotFound, Conflict, UsageError."""
        if service not in self.plan:
            raise NotFound(f"the lab has no service {service}; it has {', '.join(self.plan)}")
        if srtp and self._options.srtp == "off":
            raise UsageError("this lab has SRTP switched off")
        bindings = self._reachable(extension)
        if not bindings:
            raise Conflict(f"extension {extension.number} is not registered")
        chosen = self.plan[service]
        record = self._new_record(caller or service, extension.number, domain=extension.domain, origin="pbx")
        record.add_party(Party(extension.number, extension.domain, "inbound", caller or service))
        record.start()
        leg = self.endpoint.call(bindings[-1], caller=caller or service, caller_name=caller_name or chosen.name)
        call = self._call(leg, record, any_codec=False)
        headers = [*headers, *self._options.call_headers(record.uuid)]
        secure = srtp or self._options.srtp == "mandatory"
        leg.start(headers=headers, body=call.offer(srtp=secure, dtls=self._offers_dtls(bindings[-1])))
        self.endpoint.tasks.spawn(self._ring_out(leg, call, chosen), f"call {extension.number}")
        return record

    def click_to_call(
        self,
        tenant: Tenant,
        src: str,
        destination: str,
        *,
        auto_answer: bool = False,
        ignore_early: bool = False,
        src_cid_number: str = "",
        srtp: bool = False,
    ) -> CallRecord:
        """Ring the extension `src`; when it picks up, ring `destination` and connect the two.

        `destination`: an extension, service or outside number, or a SIP URI, here or `outside`. `src_cid_number`
        is the caller that `src` sees (else the destination). Returns at once; follow the record and the events
        leg_answered, call_answered, call_ended. Raises NotFound for an unknown `src` or destination, Conflict where
        `src` is not registered.
        """
        source = tenant.get(src)
        target = self._destination(destination, tenant)
        if not self._reachable(source):
            raise Conflict(f"extension {src} is not registered")
        number = target.number
        record = self._new_record(src, number, domain=tenant.domain, origin="click_to_call")
        record.add_party(Party(src, source.domain, "outbound", number))
        if isinstance(target, Extension):
            record.add_party(Party(target.number, target.domain, "inbound", src))
        record.start()
        seen = src_cid_number or number
        headers = [("Call-Info", f"<sip:{tenant.domain}>;answer-after=0")] if auto_answer else []
        phones = self.phones(
            source,
            record,
            DEFAULT_CODECS,
            caller=seen,
            caller_name=seen,
            secure=srtp,
            headers=headers,
            side="caller",
        )

        async def connect(near: ServiceCall) -> None:
            if isinstance(target, Extension):
                failure = await self.connect(
                    near, target, caller=src, caller_name=source.name, ignore_early=ignore_early
                )
                near.outcome = failure or near.outcome
            else:
                near.record.answered(srtp=near.media.secure)
                await target.run(near)

        self.endpoint.tasks.spawn(self._from_first_end(record, phones, connect), f"click-to-call {src}")
        return record

    async def _from_first_end(self, record: CallRecord, phones: list[ServiceCall], run: Run) -> None:
        """Wait for the first end to pick up, then see the call through."""
        end = Outcome("lab stopped", 0, "pbx")
        hunt = Hunt(phones, self.endpoint.tasks, lambda _, response: record.ringing(early=bool(response.body)))
        try:
            near = await hunt.run(asyncio.get_running_loop().create_future(), self._options.no_answer_s)
            hunt.let_go(winner_too=record.killed)
            if near is not None and not record.killed:
                record.leg_answered(record.caller)
                end = await self.carry(near, run)
            else:
                end = replace(hunt.failure, by="caller")
        finally:
            record.finished(cause=end.cause, code=end.code, by=end.by, rtp_received=end.rtp_received)

    def _destination(self, destination: str, tenant: Tenant) -> Target:
        if destination.lower().startswith(("sip:", "sips:")):
            target = self._of_uri(destination, tenant)
        else:
            target = self.route(destination, tenant)
        if target is None:
            raise NotFound(f"{destination} leads nowhere from {tenant.domain}")
        return target

    def _of_uri(self, text: str, caller: Tenant) -> Target | None:
        try:
            uri = URI.parse(text)
        except ValueError as error:
            raise NotFound(f"{text} is no SIP URI") from error
        tenant = self._directory.by_host(uri.host)
        return self._outside(text, caller) if tenant is None else self.route(uri.user or "", tenant)

    async def connect(
        self,
        near: ServiceCall,
        callee: Extension,
        *,
        caller: str,
        caller_name: str,
        ignore_early: bool = False,
        headers: sip.HeaderList = (),
    ) -> Outcome | None:
        """Ring an extension for a call that the PBX holds, and join the two until one hangs up.

        What went wrong where nobody picked up, else None. Raises NotAcceptable, CallOver where the caller gave up.
        """
        phones = self.phones(
            callee,
            near.record,
            near.codecs(),
            caller=caller,
            caller_name=caller_name,
            secure=near.media.secure,
            headers=headers,
        )
        connection = Connection(near, phones, self.endpoint.tasks, ignore_early=ignore_early)
        if await connection.run():
            return None
        if near.leg.hangup is not None:
            raise CallOver
        return connection.hunt.failure

    def phones(
        self,
        callee: Extension,
        record: CallRecord,
        codecs: Sequence[Codec],
        *,
        caller: str,
        caller_name: str,
        secure: bool,
        headers: sip.HeaderList = (),
        side: str = "callee",
    ) -> list[ServiceCall]:
        """Ring every phone of an extension with an offer of the PBX; one that insists on SRTP is rung once more."""

        def ring(binding: Binding, srtp: bool) -> ServiceCall:
            leg = self.endpoint.call(binding, caller=caller, caller_name=caller_name)
            phone = self._call(leg, record, any_codec=True)
            phone.side = side
            dtls = self._offers_dtls(binding)
            if not (srtp or dtls or self._options.srtp == "off"):
                phone.again = functools.partial(ring, binding, True)
            body = phone.offer(srtp=srtp, codecs=codecs, dtls=dtls)
            leg.start(headers=[*headers, *self._options.call_headers(record.uuid)], body=body)
            return phone

        srtp = secure or self._options.srtp == "mandatory"
        return [ring(binding, srtp) for binding in self._reachable(callee)]

    def _operator(self, call: ServiceCall) -> str:
        """The first extension of the tenant that somebody is at."""
        tenant = self._directory.by_host(call.record.domain)
        everybody = list(tenant.extensions.values()) if tenant is not None else []
        present = [each.number for each in everybody if self._reachable(each) and each.number != call.record.caller]
        return next(iter(present), "")

    def _mailbox_changed(self, domain: str, number: str, count: int) -> None:
        tenant = self._directory.by_host(domain)
        extension = tenant.extensions.get(number) if tenant is not None else None
        if self._options.mwi and extension is not None:
            for binding in self._reachable(extension):
                self.endpoint.notify(
                    binding, "message-summary", "application/simple-message-summary", summary(extension, count)
                )

    async def dial(self, call: ServiceCall, number: str) -> bool:
        """Connect a call that a service holds with a number of its tenant; see CallHost."""
        record = call.record
        tenant = self._directory.by_host(record.domain)
        target = self.route(number, tenant) if tenant is not None else None
        if target is None:
            return False
        if isinstance(target, Service):
            await target.run(call)
            return True
        record.add_party(Party(target.number, target.domain, "inbound", record.caller))
        return await self.connect(call, target, caller=record.caller, caller_name=record.caller) is None

    def kill(self, call_uuid: str) -> CallRecord:
        """Hang up a call, both its legs, whatever it is at. Raises NotFound if there is no such call any more."""
        record = self.calls.get(call_uuid)
        if record is None or record.state == "finished":
            raise NotFound(f"no such call {call_uuid}")
        record.killed = True
        for leg in tuple(record.legs):
            self.endpoint.tasks.spawn(leg.end("killed"), "kill")
        return record

    async def _ring_out(self, leg: OutgoingLeg, call: ServiceCall, service: Service) -> None:
        """See an INVITE of ours through to its answer, then run the service."""
        try:
            async with asyncio.timeout(self._options.no_answer_s):
                response = await self._follow(leg, call)
        except TimeoutError:
            await leg.abandon("no answer")
        else:
            if response.code < 300:
                await self._picked_up(leg, call, response)
        await self._run_service(call, service)

    async def _follow(self, leg: OutgoingLeg, call: ServiceCall) -> Response:
        while (response := await leg.response()).code < 200:
            if response.code > 100:
                call.record.ringing(early=bool(response.body))
        return response

    async def _picked_up(self, leg: OutgoingLeg, call: ServiceCall, response: Response) -> None:
        leg.ack(leg.invite)
        if call.record.killed:
            await leg.bye("killed")
            return
        try:
            call.picked_up(response.body)
        except NotAcceptable:
            await leg.bye("unusable answer")

    # the service itself

    async def _run_service(self, call: ServiceCall, service: Service) -> None:
        """Run a service until it is done or the phone hangs up, then close the books."""
        record, end = call.record, Outcome("lab stopped", 0, "pbx")
        try:
            end = await self.carry(call, service.run)
        finally:
            record.finished(cause=end.cause, code=end.code, by=end.by, rtp_received=end.rtp_received)

    async def carry(self, call: ServiceCall, run: Run) -> Outcome:
        """See a call through, transfers included: what serves it may change, and so may the phone."""
        record = call.record
        while True:
            successor = await self._carry_on(call, run, record)
            if successor is None:
                return _outcome(call, record)
            record.transfer = None
            call, run = successor

    async def _carry_on(self, call: ServiceCall, run: Run, record: CallRecord) -> Successor | None:
        """Until the service is done, the phone hangs up, or the call is another one's."""
        call.run = run
        task = self.endpoint.tasks.spawn(_perform(call, run), f"service of {record.callee}")
        successor = None
        try:
            await asyncio.wait({task, call.leg.ended}, return_when=asyncio.FIRST_COMPLETED)
            if call.minded:
                await asyncio.wait({task})
            successor = await transferred(record)
            if successor is None and call.record is record:
                await call.hang_up()
        finally:
            task.cancel()
            if successor is None and call.record is record:
                call.media.close()
        return successor


def _outcome(call: ServiceCall, record: CallRecord) -> Outcome:
    if call.record is not record:
        return Outcome("transferred", 0, "pbx")
    hangup = call.leg.hangup or Hangup("hangup", ours=True)
    received = call.media.received + (call.joined.media.received if call.joined is not None else 0)
    end = call.outcome or Outcome(hangup.cause, hangup.code, "pbx" if hangup.ours else call.side)
    return replace(end, rtp_received=received)


async def _perform(call: ServiceCall, run: Run) -> None:
    """Run a service; a description that it cannot work with is a 488."""
    if call.leg.hangup is not None:
        return
    try:
        await run(call)
    except NotAcceptable:
        call.reject(488, "not acceptable")
    except CallOver:
        return


def _number_of(leg: IncomingLeg) -> str:
    """Who calls: the extension that proved itself, else what From says."""
    if leg.extension is not None:
        return leg.extension.number
    return leg.invite.request.from_address.uri.user or "anonymous"


def _name_of(request: Request) -> str:
    return request.from_address.name or request.from_address.uri.user or ""
