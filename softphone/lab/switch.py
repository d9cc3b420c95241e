"""The switch: where a call goes. To a service of the PBX, to an extension, or nowhere."""

from __future__ import annotations

import asyncio

from sipmessage import Request, Response

from softphone.errors import Conflict, NotFound, UsageError
from softphone.lab.calls import CallRecord
from softphone.lab.directory import Directory, Extension, Tenant
from softphone.lab.events import EventLog
from softphone.lab.media.negotiation import NotAcceptable
from softphone.lab.options import LabOptions
from softphone.lab.plan import Service, number_plan
from softphone.lab.sip import message as sip
from softphone.lab.sip.b2bua import Bridge
from softphone.lab.sip.endpoint import SipEndpoint
from softphone.lab.sip.leg import Hangup, IncomingLeg, OutgoingLeg
from softphone.lab.sip.registrar import Binding
from softphone.lab.sip.service_call import ServiceCall

KEPT_CALLS = 10_000


class Switch:
    """Routes calls and keeps their records."""

    def __init__(self, options: LabOptions, directory: Directory, events: EventLog) -> None:
        self.calls: dict[str, CallRecord] = {}
        self.plan = number_plan()
        self.endpoint = SipEndpoint(options, directory, events, self.on_call)
        self._options = options
        self._directory = directory
        self._events = events

    # a phone calls

    def on_call(self, leg: IncomingLeg) -> None:
        """An admitted INVITE: find out whom it is for."""
        record = self._new_record(_number_of(leg), leg.number)
        record.start()
        tenant = self._directory.by_host(leg.invite.request.uri.host)
        service = self.plan.get(leg.number) if tenant is not None else None
        if service is not None:
            self.endpoint.tasks.spawn(self._serve(leg, record, service), f"service {service.name}")
        elif tenant is None or leg.number not in tenant.extensions:
            leg.reject(404, cause="no such number")
            record.finished(cause="no such number", code=404, by="pbx", rtp_received=0)
        else:
            self._bridge(leg, record, tenant)

    def _new_record(self, caller: str, callee: str) -> CallRecord:
        record = CallRecord(caller, callee, self._events)
        self.calls[record.uuid] = record
        while len(self.calls) > KEPT_CALLS:
            del self.calls[next(iter(self.calls))]
        return record

    async def _serve(self, leg: IncomingLeg, record: CallRecord, service: Service) -> None:
        await self._run_service(ServiceCall(leg, record, self._options, any_codec=service.any_codec), service)

    def _bridge(self, leg: IncomingLeg, record: CallRecord, tenant: Tenant) -> None:
        bridge = Bridge(leg, record, self._options, self.endpoint.tasks)
        try:
            bridge.check_offer()
        except NotAcceptable:
            leg.reject(488, cause="not acceptable")
        else:
            callee = tenant.extensions[leg.number]
            for binding in self._reachable(callee):
                outgoing = self.endpoint.call(binding, caller=_number_of(leg), caller_name=_name_of(leg.invite.request))
                bridge.add(outgoing, bridge.new_port())
        self.endpoint.tasks.spawn(bridge.run(), "bridge")

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
        record = self._new_record(caller or service, extension.number)
        record.start()
        leg = self.endpoint.call(bindings[-1], caller=caller or service, caller_name=caller_name or chosen.name)
        call = ServiceCall(leg, record, self._options, any_codec=False)
        leg.start(headers=headers, body=call.offer(srtp=srtp or self._options.srtp == "mandatory"))
        self.endpoint.tasks.spawn(self._ring_out(leg, call, chosen), f"call {extension.number}")
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
        try:
            call.picked_up(response.body)
        except NotAcceptable:
            await leg.bye("unusable answer")

    # the service itself

    async def _run_service(self, call: ServiceCall, service: Service) -> None:
        """Run a service until it is done or the phone hangs up, then close the books."""
        task = self.endpoint.tasks.spawn(_perform(call, service), f"service {service.name}")
        try:
            await asyncio.wait({task, call.leg.ended}, return_when=asyncio.FIRST_COMPLETED)
            await call.hang_up()
        finally:
            task.cancel()
            call.media.close()
            hangup = call.leg.hangup or Hangup("lab stopped", ours=True)
            call.record.finished(
                cause=hangup.cause,
                code=hangup.code,
                by="pbx" if hangup.ours else ("caller" if isinstance(call.leg, IncomingLeg) else "callee"),
                rtp_received=call.media.received,
            )


async def _perform(call: ServiceCall, service: Service) -> None:
    """Run a service; a description that it cannot work with is a 488."""
    if call.leg.hangup is not None:
        return
    try:
        await service.run(call)
    except NotAcceptable:
        call.reject(488, "not acceptable")


def _number_of(leg: IncomingLeg) -> str:
    """Who calls: the extension that proved itself, else what From says."""
    if leg.extension is not None:
        return leg.extension.number
    return leg.invite.request.from_address.uri.user or "anonymous"


def _name_of(request: Request) -> str:
    return request.from_address.name or request.from_address.uri.user or ""
