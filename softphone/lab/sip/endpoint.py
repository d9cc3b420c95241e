"""The PBX's SIP side as a whole: what arrives is registered, called, passed into its dialog, or refused."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable

from sipmessage import URI, Request, Response

from softphone.lab.addresses import in_uri
from softphone.lab.directory import Directory, Extension
from softphone.lab.events import EventLog
from softphone.lab.faults import SIP_REQUEST_KINDS, Fault
from softphone.lab.options import LabOptions
from softphone.lab.sip import message as sip
from softphone.lab.sip.dialog import Dialog, DialogId
from softphone.lab.sip.digest import DigestAuthority
from softphone.lab.sip.gatekeeper import Gatekeeper
from softphone.lab.sip.leg import IncomingLeg, Leg, OutgoingLeg
from softphone.lab.sip.registrar import Binding, Registrar
from softphone.lab.sip.transaction import ServerTransaction, TransactionLayer
from softphone.lab.sip.transport import Address, Flow, Network, TransportName
from softphone.lab.tasks import TaskOwner

SUPPORTED = {"timer"}
MAX_LEGS = 4000


class SipEndpoint:
    """Glue between network, transactions, registrar and calls. `on_call` gets every admitted INVITE."""

    def __init__(
        self, options: LabOptions, directory: Directory, events: EventLog, on_call: Callable[[IncomingLeg], None]
    ) -> None:
        self.tasks = TaskOwner()
        self.layer = TransactionLayer(self, options.timers)
        self.network = Network(self, options.host)
        self.registrar = Registrar(options, events, self.network.udp_flow)
        authority = DigestAuthority(options.algorithms, options.nonce_ttl_s)
        self.gatekeeper = Gatekeeper(directory, authority, self._refused)
        self._options = options
        self._directory = directory
        self._events = events
        self._on_call = on_call
        self.closing = False
        self._legs: dict[DialogId, Leg] = {}

    @property
    def legs(self) -> int:
        """How many dialogs there are."""
        return len(self._legs)

    async def close(self) -> None:
        """Hang up what is connected, without waiting for answers, and stop everything."""
        self.closing = True
        for leg in tuple(self._legs.values()):
            if leg.confirmed:
                self.tasks.spawn(leg.bye("lab stopped"), "last BYE")
        await asyncio.sleep(0)
        await self.tasks.close()
        self.layer.close()
        self.registrar.close()
        await self.network.close()

    # from the network

    def on_message(self, message: Request | Response, flow: Flow) -> None:
        """One message; what is malformed is answered 400 where an answer can find its way."""
        try:
            if isinstance(message, Request):
                sip.check_request(message)
            else:
                sip.check_response(message)
            self.layer.receive(message, flow)
        except ValueError as error:
            self.on_garbage(flow.transport, flow.remote, str(error))
            _answer_bad_request(message, flow)

    def on_garbage(self, transport: TransportName, source: Address, why: str) -> None:
        """Count it, and go on."""
        self._events.emit("garbage", transport=transport, source=f"{source[0]}:{source[1]}", why=why[:200])

    def on_connection(self, flow: Flow, opened: bool) -> None:
        """A connection came or went; with it go the registrations that came through it."""
        name = "connection_opened" if opened else "connection_closed"
        self._events.emit(name, transport=flow.transport, source=f"{flow.remote[0]}:{flow.remote[1]}")
        if not opened:
            self.layer.flow_lost(flow)
            self.registrar.flow_lost(flow)

    def _refused(self, extension: str, domain: str, code: int, cause: str) -> None:
        self._events.emit("registration_failed", extension=extension, domain=domain, code=code, cause=cause)

    # from the transactions

    def on_request(self, transaction: ServerTransaction) -> None:
        """A new request, other than ACK and CANCEL."""
        request = transaction.request
        where = f"{request.method} {request.from_address.uri.user or ''}"
        fault = self.gatekeeper.faults.strikes("sip", SIP_REQUEST_KINDS, path=where)
        if fault is None:
            self._handle(transaction)
        else:
            self._mishandle(transaction, fault)

    def _mishandle(self, transaction: ServerTransaction, fault: Fault) -> None:
        """What a fault asks for. The transaction absorbs the request's repetitions meanwhile."""
        loop = asyncio.get_running_loop()
        if fault.kind == "status":
            retry_after = [("Retry-After", str(math.ceil(fault.delay_s)))] if fault.status == 503 else []
            transaction.respond(fault.status, headers=retry_after)
        elif fault.kind == "delay":
            loop.call_later(fault.delay_s, self._handle_late, transaction)
        else:
            loop.call_later(self._options.timers.timeout_s, transaction.terminate)

    def _handle_late(self, transaction: ServerTransaction) -> None:
        """It may have been cancelled meanwhile, and the lab closed."""
        if transaction.flow.closed or self.closing:
            return
        try:
            self._handle(transaction)
        except ValueError:
            transaction.respond(400)

    def _handle(self, transaction: ServerTransaction) -> None:
        request = transaction.request
        unknown = sip.option_tags(request, "Require") - SUPPORTED
        if request.max_forwards is not None and request.max_forwards <= 0:
            transaction.respond(483)
        elif request.uri.scheme not in ("sip", "sips"):
            transaction.respond(416)
        elif unknown:
            transaction.respond(420, headers=[("Unsupported", ", ".join(sorted(unknown)))])
        elif sip.to_tag(request):
            self._inside_dialog(transaction)
        else:
            self._outside_dialog(transaction)

    def _inside_dialog(self, transaction: ServerTransaction) -> None:
        request = transaction.request
        leg = self._legs.get((request.call_id, sip.to_tag(request)))
        if leg is None or leg.dialog.remote_tag != sip.from_tag(request):
            transaction.respond(481)
        else:
            leg.receive(transaction)

    def _outside_dialog(self, transaction: ServerTransaction) -> None:
        method = transaction.request.method
        if method == "REGISTER":
            self._register(transaction)
        elif method == "INVITE":
            self._invite(transaction)
        elif method == "OPTIONS":
            headers = [("Allow", sip.ALLOW), ("Accept", "application/sdp"), ("Supported", "timer")]
            transaction.respond(200, headers=headers)
        elif method in ("SUBSCRIBE", "PUBLISH"):
            transaction.respond(489)
        elif method in ("BYE", "INFO", "UPDATE", "REFER", "NOTIFY", "PRACK"):
            transaction.respond(481)
        else:
            transaction.respond(405, headers=[("Allow", sip.ALLOW)])

    def _register(self, transaction: ServerTransaction) -> None:
        extension = self.gatekeeper.admit(transaction, proxy=False)
        if extension is not None:
            self.registrar.register(transaction, extension)

    def _invite(self, transaction: ServerTransaction) -> None:
        if len(self._legs) >= MAX_LEGS:
            transaction.respond(503, headers=[("Retry-After", "5")])
            return
        caller = None
        if self._options.authenticate_calls:
            caller = self.gatekeeper.admit(transaction, proxy=True)
            if caller is None:
                return
        if _strange_body(transaction.request):
            transaction.respond(415, headers=[("Accept", "application/sdp")])
            return
        transaction.respond(100)
        self._on_call(IncomingLeg(self, transaction, self.contact(transaction.flow), caller))

    def on_ack(self, request: Request, flow: Flow) -> None:
        """The ACK of a 2xx."""
        leg = self._legs.get((request.call_id, sip.to_tag(request)))
        if leg is not None:
            leg.receive_ack(request, flow)

    # for the legs

    def contact(self, flow: Flow) -> str:
        """Our own Contact as the phone on that flow reaches it."""
        port = self.network.ports[flow.transport]
        transport = "ws" if flow.transport == "wss" else flow.transport  # RFC 7118 section 5.3 knows `ws` only
        return f"<sip:lab@{in_uri(self._options.host)}:{port};transport={transport}>"

    def add_leg(self, leg: Leg) -> None:
        """Let in-dialog requests find the leg."""
        self._legs[leg.dialog.id] = leg

    def remove_leg(self, leg: Leg) -> None:
        """Let them find it no more."""
        self._legs.pop(leg.dialog.id, None)

    def find_leg(self, call_id: str, local_tag: str, remote_tag: str) -> Leg | None:
        """The dialog of that name, if there is one."""
        leg = self._legs.get((call_id, local_tag))
        return leg if leg is not None and leg.dialog.remote_tag == remote_tag else None

    def notify(self, binding: Binding, event: str, kind: str, body: bytes) -> None:
        """Tell a registered phone something outside any call, unasked; its answer does not matter."""
        dialog = self._dialog(binding, f"<sip:{binding.extension.aor}>")
        headers = [("Event", event), ("Subscription-State", "terminated"), ("Content-Type", kind)]
        self.layer.send(dialog.make("NOTIFY", headers=headers, body=body), binding.flow)

    def way_to(self, extension: Extension) -> Flow | None:
        """A live flow to the extension, if it is registered."""
        bindings = self.registrar.lookup(extension)
        return bindings[-1].flow if bindings else None

    def call(self, binding: Binding, *, caller: str, caller_name: str) -> OutgoingLeg:
        """A leg towards one registered phone; its INVITE is not sent yet. `caller` is the number it will see."""
        extension = binding.extension
        local = f'"{_quotable(caller_name)}" <{URI("sip", extension.domain, caller)}>'
        return OutgoingLeg(self, self._dialog(binding, local), extension)

    def _dialog(self, binding: Binding, local: str) -> Dialog:
        return Dialog.outgoing(
            binding.uri,
            binding.flow,
            local=local,
            remote=f"<sip:{binding.extension.aor}>",
            contact=self.contact(binding.flow),
        )


def _quotable(text: str) -> str:
    return text.replace("\\", "").replace('"', "")


def _strange_body(request: Request) -> bool:
    kind = (request.headers.get("Content-Type") or "application/sdp").partition(";")[0].strip().lower()
    return bool(request.body) and kind != "application/sdp"


def _answer_bad_request(message: Request | Response, flow: Flow) -> None:
    """400, if the request has at least what an answer copies."""
    if not isinstance(message, Request) or message.method == "ACK":
        return
    if all(message.headers.get(name) for name in ("Via", "From", "To", "Call-ID", "CSeq")):
        flow.send(bytes(sip.make_response(message, 400)))
