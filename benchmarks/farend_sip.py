"""Enough SIP (RFC 3261) to be called and registered with: INVITE and REGISTER are answered at once, ACK counted, BYE
confirmed. Pure: text in, text out.

Retransmissions are answered again with the same words; nothing is ever sent unasked. On loopback that is enough.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

Address = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Request:
    """What is read of a request. `echoed` are the header lines that every response repeats, `contact` is one too."""

    method: str
    call_id: str
    cseq: str
    echoed: tuple[str, ...]
    body: str
    caller: str = ""
    contact: str = ""

    @classmethod
    def parse(cls, text: str) -> Request | None:
        """None for what is no request (responses, keep-alives)."""
        head, _, body = text.partition("\r\n\r\n")
        start, *lines = head.split("\r\n")
        if not start.endswith(" SIP/2.0"):
            return None
        names = ("via", "v", "from", "f", "to", "t", "call-id", "i", "cseq")
        found = [(line.partition(":")[0].strip().lower(), line) for line in lines]
        echoed = tuple(line for name, line in found if name in names)
        values = {name: line.partition(":")[2].strip() for name, line in found}
        call_id = values.get("call-id") or values.get("i", "")
        caller = (values.get("from") or values.get("f", "")).partition(";tag=")[0]
        contact = next((line for name, line in found if name in ("contact", "m")), "")
        return cls(start.partition(" ")[0], call_id, values.get("cseq", ""), echoed, body, caller, contact)


@dataclass(frozen=True, slots=True)
class Media:
    """Where the caller wants its sound, and as which payload type."""

    address: Address
    payload_type: int


def offered(sdp: str, codec: str) -> Media | None:
    """The caller's audio address and its payload type of `codec` ("PCMU", "opus"); None where it is not offered."""
    host = re.search(r"(?m)^c=IN IP4 (\S+)", sdp)
    audio = re.search(r"(?m)^m=audio (\d+) \S+ (.*)$", sdp)
    if not host or not audio:
        return None
    types = re.findall(rf"(?mi)^a=rtpmap:(\d+) {codec}/", sdp) or (["0"] if codec == "PCMU" else [])
    payload_type = next((each for each in audio[2].split() if each in types), None)
    return Media((host[1], int(audio[1])), int(payload_type)) if payload_type else None


@dataclass(slots=True)
class Answerer:
    """The calls as SIP sees them. `calls` are up (their INVITE came, no BYE yet); `confirmed` had their ACK.

    `registered`: who sent a REGISTER, each once.
    """

    host: str
    sip_port: int
    rtp_port: int
    codec: str
    calls: dict[str, Media] = field(default_factory=dict)
    confirmed: set[str] = field(default_factory=set)
    registered: set[str] = field(default_factory=set)

    def take(self, text: str) -> str:
        """The response to a message, or '' where none is due."""
        request = Request.parse(text)
        if request is None or not request.call_id:
            return ""
        match request.method:
            case "ACK":
                self.confirmed.add(request.call_id)
                return ""
            case "INVITE":
                return self._invite(request)
            case "REGISTER":
                self.registered.add(request.caller)
                return self._response(request, "200 OK", contact=f"{request.contact};expires=3600")
            case "BYE":
                self.calls.pop(request.call_id, None)
                self.confirmed.discard(request.call_id)
        return self._response(request, "200 OK")

    def _invite(self, request: Request) -> str:
        media = offered(request.body, self.codec)
        if media is None:
            return self._response(request, "488 Not Acceptable Here")
        self.calls[request.call_id] = media
        return self._response(request, "200 OK", self._sdp(media.payload_type))

    def _sdp(self, payload_type: int) -> str:
        rtpmap = {"PCMU": "PCMU/8000", "opus": "opus/48000/2"}[self.codec]
        return "\r\n".join(
            (
                "v=0",
                f"o=- 1 1 IN IP4 {self.host}",
                "s=-",
                f"c=IN IP4 {self.host}",
                "t=0 0",
                f"m=audio {self.rtp_port} RTP/AVP {payload_type}",
                f"a=rtpmap:{payload_type} {rtpmap}",
                "a=ptime:20",
                "a=sendrecv",
                "",
            )
        )

    def _response(self, request: Request, status: str, body: str = "", contact: str = "") -> str:
        lines = [f"SIP/2.0 {status}"]
        for line in request.echoed:
            is_to = line.partition(":")[0].strip().lower() in ("to", "t")
            lines.append(f"{line};tag=far" if is_to and "tag=" not in line else line)
        lines.append(contact or f"Contact: <sip:far@{self.host}:{self.sip_port}>")
        if body:
            lines.append("Content-Type: application/sdp")
        return "\r\n".join([*lines, f"Content-Length: {len(body)}", "", body])
