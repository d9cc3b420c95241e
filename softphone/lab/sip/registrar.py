"""The registrar (RFC 3261 section 10.3): who can be reached where, and for how long."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from email.utils import formatdate

from sipmessage import URI, Address, Request

from softphone.lab.addresses import in_uri
from softphone.lab.directory import Extension
from softphone.lab.events import EventLog
from softphone.lab.options import LabOptions
from softphone.lab.sip import message as sip
from softphone.lab.sip.transaction import ServerTransaction
from softphone.lab.sip.transport import Flow, UdpFlow

_EXPIRES = re.compile(r";\s*expires\s*=\s*[^;>]*", re.IGNORECASE)


@dataclass
class Binding:
    """One place where an extension can be reached. `flow` is the way there; `contact` as the phone wrote it."""

    extension: Extension
    uri: URI
    contact: str
    flow: Flow
    call_id: str
    cseq: int
    expires_at: float
    expires_s: int
    source: tuple[str, int]
    user_agent: str = ""
    instance: str = ""
    timer: asyncio.TimerHandle | None = field(default=None, repr=False)

    @property
    def reachable(self) -> bool:
        """Whether there is still a way there."""
        return not self.flow.closed and time.monotonic() < self.expires_at

    @property
    def remaining_s(self) -> int:
        """Seconds until it expires, at least 1."""
        return max(1, round(self.expires_at - time.monotonic()))


class Refusal(Exception):
    """A REGISTER that is answered with an error."""

    def __init__(self, code: int, headers: sip.HeaderList = ()) -> None:
        super().__init__(code)
        self.code = code
        self.headers = tuple(headers)


class Registrar:
    """The bindings of all extensions."""

    def __init__(self, options: LabOptions, events: EventLog, udp_flow: Callable[[tuple[str, int]], UdpFlow]) -> None:
        self._options = options
        self._events = events
        self._udp_flow = udp_flow
        self._bindings: dict[str, dict[str, Binding]] = {}

    def all(self) -> list[Binding]:
        """Every binding of every extension."""
        return [binding for table in self._bindings.values() for binding in table.values()]

    def lookup(self, extension: Extension) -> list[Binding]:
        """Where the extension can be reached now."""
        return [each for each in self._table(extension).values() if each.reachable]

    def register(self, transaction: ServerTransaction, extension: Extension) -> None:
        """Answer an authenticated REGISTER: query, add, refresh or remove."""
        request = transaction.request
        try:
            if request.to_address.uri.user != extension.number:
                raise Refusal(403)
            self._apply(request, transaction.flow, extension)
        except (Refusal, ValueError) as error:
            refusal = error if isinstance(error, Refusal) else Refusal(400)
            transaction.respond(refusal.code, headers=refusal.headers)
            self._events.emit(
                "registration_failed",
                extension=extension.number,
                domain=extension.domain,
                code=refusal.code,
                cause=sip.REASONS[refusal.code],
            )
            return
        transaction.respond(200, headers=self._listing(extension))

    def _apply(self, request: Request, flow: Flow, extension: Extension) -> None:
        if [value.strip() for value in request.headers.getlist("Contact")] == ["*"]:
            if request.expires != 0:
                raise Refusal(400)
            self.remove_all(extension, "request")
            return
        for contact in sip.contacts(request):
            self._apply_one(request, flow, extension, contact)

    def _apply_one(self, request: Request, flow: Flow, extension: Extension, contact: Address) -> None:
        expires_s = self._expiry(request, contact)
        key = _key(contact)
        known = self._table(extension).get(key)
        sequence = request.cseq.sequence
        if known is not None and known.call_id == request.call_id and sequence <= known.cseq:
            raise Refusal(500)  # an old REGISTER that was overtaken (section 10.3, step 7)
        if expires_s == 0:
            self._remove(extension, key, "request")
        else:
            self._store(request, flow, extension, contact, expires_s)

    def _expiry(self, request: Request, contact: Address) -> int:
        """Contact's own expires, else Expires, else our default; raises Refusal 423 for too brief a wish."""
        own = contact.parameters.get("expires")
        wanted = int(own) if own else request.expires
        if wanted is None:
            return self._options.default_expires_s
        if wanted <= 0:
            return 0
        if wanted < self._options.min_expires_s:
            raise Refusal(423, [("Min-Expires", str(self._options.min_expires_s))])
        return min(wanted, self._options.max_expires_s)

    def _store(self, request: Request, flow: Flow, extension: Extension, contact: Address, expires_s: int) -> None:
        key = _key(contact)
        table = self._table(extension)
        old = table.pop(key, None)
        if old is not None and old.timer is not None:
            old.timer.cancel()
        binding = Binding(
            extension=extension,
            uri=contact.uri,
            contact=_EXPIRES.sub("", _raw_contact(request, contact)),
            flow=self._way(flow, contact.uri),
            call_id=request.call_id,
            cseq=request.cseq.sequence,
            expires_at=time.monotonic() + expires_s,
            expires_s=expires_s,
            source=flow.remote,
            user_agent=request.headers.get("User-Agent") or "",
            instance=contact.parameters.get("+sip.instance") or "",
        )
        loop = asyncio.get_running_loop()
        binding.timer = loop.call_later(expires_s, self._remove, extension, key, "expired")
        table[key] = binding
        self._events.emit(
            "registered",
            extension=extension.number,
            domain=extension.domain,
            contact=str(contact.uri),
            transport=flow.transport,
            expires_s=expires_s,
            source=f"{in_uri(flow.remote[0])}:{flow.remote[1]}",
            refresh=old is not None,
        )

    def _way(self, flow: Flow, uri: URI) -> Flow:
        """Over a connection: that connection. Over UDP: where the REGISTER came from, unless told otherwise."""
        if flow.reliable or self._options.rewrite_contact:
            return flow
        return self._udp_flow((uri.host.strip("[]"), uri.port or 5060))

    def _listing(self, extension: Extension) -> list[tuple[str, str]]:
        """All present bindings, each with what remains of its time (section 10.3, step 8)."""
        lines = [("Contact", f"{each.contact};expires={each.remaining_s}") for each in self.lookup(extension)]
        return [*lines, ("Date", formatdate(usegmt=True))]

    def flow_lost(self, flow: Flow) -> None:
        """A connection is gone, and with it the way to the phones behind it."""
        for binding in [each for each in self.all() if each.flow is flow]:
            self._remove(binding.extension, _key_of(self._table(binding.extension), binding), "connection")

    def remove_all(self, extension: Extension, cause: str) -> None:
        """Forget every binding of an extension."""
        for key in tuple(self._table(extension)):
            self._remove(extension, key, cause)

    def close(self) -> None:
        """Stop all timers."""
        for binding in self.all():
            if binding.timer is not None:
                binding.timer.cancel()
        self._bindings.clear()

    def _remove(self, extension: Extension, key: str, cause: str) -> None:
        binding = self._table(extension).pop(key, None)
        if binding is None:
            return
        if binding.timer is not None:
            binding.timer.cancel()
        self._events.emit(
            "unregistered",
            extension=extension.number,
            domain=extension.domain,
            contact=str(binding.uri),
            cause=cause,
        )

    def _table(self, extension: Extension) -> dict[str, Binding]:
        return self._bindings.setdefault(extension.aor, {})


def _key(contact: Address) -> str:
    """What makes two contacts the same one: device and flow number (RFC 5626), else the URI's essentials."""
    instance, reg_id = contact.parameters.get("+sip.instance"), contact.parameters.get("reg-id")
    if instance and reg_id:
        return f"{instance}/{reg_id}"
    uri = contact.uri
    transport = (uri.parameters.get("transport") or "").lower()
    return f"{uri.scheme}:{uri.user}@{uri.host.lower()}:{uri.port};{transport}"


def _key_of(table: dict[str, Binding], binding: Binding) -> str:
    return next(key for key, each in table.items() if each is binding)


def _raw_contact(request: Request, contact: Address) -> str:
    """The contact in the phone's own spelling where that is possible: phones look for themselves in the answer."""
    values = request.headers.getlist("Contact")
    if len(values) == 1 and len(sip.contacts(request)) == 1:
        value = values[0].strip()
        return value if "<" in value else f"<{contact.uri}>"
    return f"<{contact.uri}>"
