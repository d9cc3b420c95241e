"""REFER (RFC 3515): whom a phone wants its call to go to, and how it is told what became of that."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from urllib.parse import unquote

from sipmessage import URI, Request

from softphone.lab.sip.leg import Leg
from softphone.lab.sip.message import REASONS
from softphone.lab.tasks import TaskOwner

SIPFRAG = ("Content-Type", "message/sipfrag;version=2.0")
EXPIRES_S = 60
# A phone hangs up when it hears that the transfer worked; who does not is hung up
GRACE_S = 2.0

_ADDRESS = re.compile(r"^[^<]*<([^<>]+)>|^\s*([^<>;\s]+)")


@dataclass(frozen=True)
class Replaced:
    """A dialog that is to be replaced (RFC 3891), its tags as the transferring phone sees them."""

    call_id: str
    to_tag: str
    from_tag: str


@dataclass(frozen=True)
class ReferTarget:
    """Where Refer-To points."""

    number: str
    host: str
    replaces: Replaced | None


def parse_refer(request: Request) -> ReferTarget:
    """Read Refer-To. Raises ValueError."""
    values = request.headers.getlist("Refer-To")
    found = _ADDRESS.match(values[0]) if len(values) == 1 else None
    if found is None:
        raise ValueError("a REFER needs one Refer-To")
    plain, _, headers = (found[1] or found[2]).partition("?")
    uri = URI.parse(plain)
    if uri.scheme not in ("sip", "sips"):
        raise ValueError(f"Refer-To with scheme {uri.scheme[:20]}")
    return ReferTarget(uri.user or "", uri.host, _replaces(headers))


def _replaces(headers: str) -> Replaced | None:
    for part in headers.split("&"):
        name, _, value = part.partition("=")
        if name.lower() == "replaces":
            call_id, *parameters = unquote(value).split(";")
            tags = dict(each.strip().partition("=")[::2] for each in parameters)
            return Replaced(call_id.strip(), tags.get("to-tag", ""), tags.get("from-tag", ""))
    return None


class ReferSubscription:
    """Tells the transferring phone how far its transfer is; in order, and without anybody waiting for it."""

    def __init__(self, leg: Leg, tasks: TaskOwner) -> None:
        self._leg = leg
        self._tasks = tasks
        self._order = asyncio.Lock()

    def tell(self, code: int, *, last: bool = False) -> None:
        """One NOTIFY; the last one ends the subscription."""
        self._tasks.spawn(self._notify(code, last), "NOTIFY")

    async def _notify(self, code: int, last: bool) -> None:
        state = "terminated;reason=noresource" if last else f"active;expires={EXPIRES_S}"
        headers = [("Event", "refer"), ("Subscription-State", state), SIPFRAG]
        body = f"SIP/2.0 {code} {REASONS.get(code, 'Unknown')}\r\n".encode()
        async with self._order:
            if self._leg.hangup is None:
                await self._leg.request("NOTIFY", headers=headers, body=body)

    async def dismiss(self) -> None:
        """The phone is out of the call: wait for its BYE, and say it ourselves if it does not."""
        await asyncio.wait({self._leg.ended}, timeout=GRACE_S)
        await self._leg.bye("transferred")
