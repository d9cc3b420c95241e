"""Dialogs (RFC 3261 section 12): what two parties must remember to keep talking."""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass, field

from sipmessage import URI, Request, Response

from softphone.lab.sip import message as sip
from softphone.lab.sip.transport import Flow

DialogId = tuple[str, str]  # Call-ID, our tag

_TAG = re.compile(r"\s*;\s*tag\s*=\s*[^;>]+(?=;|$)", re.IGNORECASE)


@dataclass
class Dialog:
    """One dialog from our side. `local` and `remote` are From/To values without tags; `target` is the peer's Contact.

    `flow` is where the peer was last heard: after a broken connection it moves with the peer's next request.
    """

    call_id: str
    local: str
    local_tag: str
    remote: str
    remote_tag: str
    target: URI
    flow: Flow
    contact: str
    routes: list[str] = field(default_factory=list)
    local_cseq: int = 0
    remote_cseq: int = 0

    @property
    def id(self) -> DialogId:
        """What in-dialog requests are found by."""
        return (self.call_id, self.local_tag)

    @classmethod
    def incoming(cls, request: Request, flow: Flow, tag: str, contact: str) -> Dialog:
        """The dialog that our answer to an INVITE makes (section 12.1.1). Raises ValueError without a Contact."""
        contacts = sip.contacts(request)
        if len(contacts) != 1:
            raise ValueError("an INVITE needs one Contact")
        return cls(
            call_id=request.call_id,
            local=request.headers["To"],
            local_tag=tag,
            remote=_without_tag(request.headers["From"]),
            remote_tag=sip.from_tag(request),
            target=contacts[0].uri,
            flow=flow,
            contact=contact,
            routes=list(request.headers.getlist("Record-Route")),
            local_cseq=secrets.randbelow(10_000),
            remote_cseq=request.cseq.sequence,
        )

    @classmethod
    def outgoing(cls, target: URI, flow: Flow, *, local: str, remote: str, contact: str) -> Dialog:
        """The dialog that an INVITE of ours is going to make (section 12.1.2)."""
        return cls(
            call_id=secrets.token_hex(12),
            local=local,
            local_tag=sip.new_tag(),
            remote=remote,
            remote_tag="",
            target=target,
            flow=flow,
            contact=contact,
            local_cseq=secrets.randbelow(10_000),
        )

    def confirm(self, response: Response) -> None:
        """Learn the peer's tag, target and route from a response that makes the dialog."""
        self.remote_tag = sip.to_tag(response)
        self.routes = list(reversed(response.headers.getlist("Record-Route")))
        self.refresh_target(response)

    def refresh_target(self, message: Request | Response) -> None:
        """A re-INVITE, UPDATE or their answers may move the peer (section 12.2)."""
        contacts = sip.contacts(message)
        if contacts:
            self.target = contacts[0].uri

    def make(
        self,
        method: str,
        *,
        headers: sip.HeaderList = (),
        body: bytes = b"",
        cseq: int | None = None,
        with_contact: bool = True,
    ) -> Request:
        """A request of ours inside the dialog; `cseq` only for the ACK, which repeats its INVITE's number."""
        if cseq is None:
            self.local_cseq += 1
            cseq = self.local_cseq
        extra = [("Route", route) for route in self.routes]
        if with_contact:
            extra.append(("Contact", self.contact))
        return sip.make_request(
            method,
            self.target,
            via=f"SIP/2.0/{self.flow.transport.upper()} {_sent_by(self.contact)};branch={sip.new_branch()};rport",
            from_=f"{self.local};tag={self.local_tag}",
            to=self.remote + (f";tag={self.remote_tag}" if self.remote_tag else ""),
            call_id=self.call_id,
            cseq=cseq,
            headers=[*extra, *headers],
            body=body,
        )


def _without_tag(value: str) -> str:
    return _TAG.sub("", value)


def _sent_by(contact: str) -> str:
    """host:port out of `<sip:lab@host:port;transport=...>`."""
    return contact.partition("@")[2].partition(">")[0].partition(";")[0]
