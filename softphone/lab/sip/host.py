"""What every call of the PBX shares: settings, tasks, the certificate of its sound, and who moves calls about."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from softphone.lab.calls import CallRecord
from softphone.lab.options import LabOptions
from softphone.lab.tasks import TaskOwner

if TYPE_CHECKING:
    from softphone.lab.media.dtls import Identity
    from softphone.lab.sip.leg import Leg
    from softphone.lab.sip.service_call import ServiceCall
    from softphone.lab.sip.transaction import ServerTransaction
    from softphone.lab.voicemail import Mailboxes

Run = Callable[["ServiceCall"], Awaitable[None]]
Successor = tuple["ServiceCall", Run]


class CallOver(Exception):
    """The phone that a service works for has hung up meanwhile."""


@dataclass(frozen=True)
class Outcome:
    """How a call ended, for the books."""

    cause: str
    code: int
    by: str  # caller, callee, pbx
    rtp_received: int = 0


@dataclass(frozen=True)
class CallHost:
    """`refer` takes a REFER of a phone; `carry` lives through a call that the PBX holds the end of.

    `dial` connects such a call with a number, until one of the two hangs up; False where nobody picked up. `operator`
    names the extension that takes calls which nobody else takes.
    """

    options: LabOptions
    tasks: TaskOwner
    identity: Callable[[], Identity]
    refer: Callable[[CallRecord, Leg, ServerTransaction], None]
    carry: Callable[[ServiceCall, Run], Awaitable[Outcome]]
    dial: Callable[[ServiceCall, str], Awaitable[bool]]
    operator: Callable[[ServiceCall], str]
    mailboxes: Mailboxes


async def transferred(record: CallRecord) -> Successor | None:
    """Wait for the end of a transfer under way: who goes on with the call, None where nothing was transferred."""
    if record.transfer is None:
        return None
    successor: Successor | None = await record.transfer
    return successor
