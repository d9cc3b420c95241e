"""What the messages of RFC 4475 are put together from.

Documentation addresses in session descriptions are 127.0.0.1 here: an answered call sends its sound there, and nothing
of a test leaves the machine.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

BRANCH = b"z9hG4bK"


@dataclass(frozen=True)
class Message:
    """`answers`: the final codes that are right for a phone, by the RFC's own word on the message, and None where
    silence is right too (a parser may give up on a message whose sender cannot be told)."""

    name: str
    section: str
    data: bytes
    answers: tuple[int | None, ...]

    @property
    def is_invite(self) -> bool:
        return self.data.startswith(b"INVITE ")

    def unique(self, word: str) -> bytes:
        """The message as a new transaction and call of its own: branches and Call-ID begin with `word`."""
        mark = word.encode()
        data = self.data.replace(BRANCH, BRANCH + mark)
        return re.sub(rb"(?im)^(call-id[ \t]*:[ \t\r\n]*|i[ \t]*:[ \t\r\n]*)", rb"\g<1>" + mark + b".", data)

    def answerable(self, word: str) -> bytes:
        """As unique(), and the answer comes back to where it was sent from (rport, RFC 3581)."""
        data = self.unique(word)
        return re.sub(rb"(?i)(\r\n(?:via|v)\s*:\s*SIP\s*/\s*2\.0\s*/\s*\w+\s+[\w.:]+)", rb"\1;rport", data, count=1)


def sdp(address: str = "127.0.0.1", second: str = "127.0.0.1") -> bytes:
    return (
        f"v=0\r\no=mhandley 29739 7272939 IN IP4 {address}\r\ns=-\r\nc=IN IP4 {second}\r\nt=0 0\r\n"
        "m=audio 49217 RTP/AVP 0 12\r\nm=video 3227 RTP/AVP 31\r\na=rtpmap:31 LPC\r\n"
    ).encode()


def plain(text: str, body: bytes = b"") -> bytes:
    """The lines of `text`, then an empty line and the body. A line that begins with `+` goes on the one before it."""
    head = text.strip("\n").replace("\n+", "").replace("\n", "\r\n") + "\r\n\r\n"
    return head.encode("latin-1") + body


def repeated(text: str) -> str:
    """Line by line, `name*count`: the word in brackets repeated."""
    return re.sub(r"\[(\w+)\*(\d+)\]", lambda found: found[1] * int(found[2]), text)


CALL = sdp()
assert len(CALL) == 150, "the RFC's Content-Length"


def invite(*lines: str, call: str, to: str = "sip:j.user@example.com", body: bytes = CALL) -> bytes:
    """An INVITE in which `lines` replace the usual ones of their names; `-Name` takes one out."""
    usual = {
        "": "INVITE sip:user@example.com SIP/2.0",
        "to": f"To: {to}",
        "from": "From: sip:caller@example.net;tag=8814",
        "max-forwards": "Max-Forwards: 70",
        "call-id": f"Call-ID: {call}",
        "cseq": "CSeq: 8 INVITE",
        "via": "Via: SIP/2.0/UDP 192.0.2.15;branch=z9hG4bKkdjuw380234",
        "contact": "Contact: <sip:joe@127.0.0.1:9>",
        "content-type": "Content-Type: application/sdp",
        "content-length": f"Content-Length: {len(body)}",
    }
    extra: list[str] = []
    for line in lines:
        name = line.lstrip("-").partition(":")[0].lower().strip()
        if line.startswith("-"):
            del usual[name]
        elif line.startswith(("INVITE ", " INVITE", "\n")) or line.endswith((" SIP/2.0", " SIP/7.0", " SIP/2.0  ")):
            usual[""] = line.lstrip("\n")
        elif name in usual and name not in {each.partition(":")[0].lower() for each in extra}:
            usual[name] = line
        else:
            extra.append(line)
    return "\r\n".join([*usual.values(), *extra, "", ""]).encode("latin-1") + body


def request(method: str, *lines: str, call: str, uri: str = "sip:user@example.com") -> bytes:
    """As invite() for a request without a body."""
    bare = ("-Content-Type", f"CSeq: 8 {method}", f"{method} {uri} SIP/2.0", *lines)
    return invite(*bare, call=call, body=b"")
