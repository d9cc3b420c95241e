"""Faults put into SIP messages and session descriptions: by byte, by number, by parameter, by header, by line.

The same seed gives the same messages.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable

from tests.support import hostile

LARGEST = 60_000  # bytes: what one UDP datagram carries

NUMBERS = (
    *("0", "-1", "1", "00000000000000000001", "127", "128", "255", "256", "65535", "65536", "99999", "2147483647"),
    *("2147483648", "4294967295", "4294967296", "18446744073709551616", "9" * 40, "1.5", "0x10", "", "1e9", " "),
)

WORDS = (
    *hostile.VALUES,
    *("%00", "%", "\t", "\r\n ", "<", ">", "[", "]", "{}", "=", "==", "@", ":", "::", "//", "\\", "'", "`", "\x7f"),
    *("sip:[fe80::1%lo]", "sips:x@127.0.0.1;transport=sctp", "<sip:x@127.0.0.1;lr;maddr=127.0.0.1;ttl=0>", "tel:"),
    *("%n%n%s", "a=b;c=d;e", '"a" <sip:b@c>;tag=', "SIP/2.0", "INVITE", "application/sdp", "en,,fr", "1 INVITE"),
)

HEADERS = (
    *("Accept: application/sdp,,text/*;q=0.3", "Accept-Contact: *;audio;require", "Alert-Info: <http://x>;info=alert"),
    *("Allow: INVITE,ACK," + "X," * 70, "Answer-Mode: Auto", "Call-Info: <sip:x>;answer-after=0", "Date: Sat"),
    *("Authorization: Digest username=x, realm=y, nonce=z, uri=u, response=r", "Content-Disposition: session"),
    *("Content-Encoding: gzip", "Content-Type: multipart/mixed;boundary=x", "Content-Type: text/plain", "Event: refer"),
    *(
        "Event: presence",
        "Event: message-summary",
        "Event: dialog;sla",
        "Expires: 0",
        "Identity: x",
        "Join: x;to-tag=1",
    ),
    *("Content-Type: application/pidf+xml", "Content-Type: application/dtmf-relay", "Content-Type: message/sipfrag"),
    *("Diversion: <sip:x@y>;reason=busy;counter=1", "History-Info: <sip:x@y>;index=1", "Info-Package: g", "Min-SE: 1"),
    *("Min-Expires: 0", "P-Asserted-Identity: <sip:x@y>, <tel:1>", "Privacy: id", "Proxy-Authenticate: Digest x=y"),
    *(
        "RAck: 1 1 INVITE",
        "RSeq: 0",
        "Reason: Q.850;cause=16",
        "Record-Route: <sip:127.0.0.1:9;lr>",
        "Refer-Sub: false",
    ),
    *("Refer-To: <sip:x@127.0.0.1?Replaces=a%3Bto-tag%3Db%3Bfrom-tag%3Dc>", "Refer-To: sip:x", "Referred-By: <sip:x>"),
    *(
        "Replaces: x;to-tag=y;from-tag=z",
        "Replaces: ;early-only",
        "Require: 100rel",
        "Require: timer",
        "Retry-After: 1",
    ),
    *(
        "Route: <sip:127.0.0.1:9;lr>",
        "Security-Client: x",
        "Service-Route: <sip:x;lr>",
        "Session-Expires: 90;refresher=uac",
    ),
    *("Session-Expires: 1", "Subscription-State: terminated;reason=x", "Subscription-State: active;expires=-1"),
    *("Supported: timer,100rel,replaces," + "x," * 70, "Timestamp: 1 2", "Unsupported: x", "User-Agent: (", "Via: x"),
    *('Warning: 399 x "y', 'WWW-Authenticate: Digest realm="x",nonce="y",algorithm=SHA-256', "X-" + "y" * 300 + ": z"),
)

SDP_LINES = (
    *("a=sendonly", "a=inactive", "a=recvonly", "a=rtcp-mux", "a=rtcp:9 IN IP4 127.0.0.1", "a=rtcp:x", "a=ptime:1"),
    *("a=rtpmap:0 PCMU/8000", "a=rtpmap:96 opus/48000/2", "a=rtpmap:97 telephone-event/8000", "a=rtpmap:98 red/8000"),
    *("a=rtpmap:0 opus/48000/2", "a=rtpmap:8 G722/8000", "a=rtpmap:96", "a=rtpmap:x y/z", "a=rtpmap:96 opus/1/99"),
    *("a=fmtp:96 maxplaybackrate=0;stereo=1", "a=fmtp:98 96/96/96/96", "a=fmtp:97 0-99999", "a=fmtp:", "a=fmtp:96"),
    *("a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVphYmNk", "a=crypto:1 X inline:"),
    *(
        "a=crypto:1 AES_256_CM_HMAC_SHA1_80 inline:" + "QUJD" * 15 + "QQ==",
        "a=crypto:0 AES_CM_128_HMAC_SHA1_32 inline:A|2^20|1:4",
    ),
    *("a=fingerprint:sha-256 " + ":".join(["AB"] * 32), "a=fingerprint:md5 x", "a=setup:actpass", "a=setup:active"),
    *(
        "a=ice-ufrag:abcd",
        "a=ice-pwd:abcdefghijklmnopqrstuvwx",
        "a=ice-lite",
        "a=ice-options:trickle",
        "a=ice-mismatch",
    ),
    *(
        "a=candidate:1 1 UDP 1 127.0.0.1 9 typ host",
        "a=candidate:1 2 UDP 1 ::1 9 typ relay raddr x rport y",
        "a=candidate:",
    ),
    *(
        "a=ssrc:1 cname:x",
        "a=ssrc:99999999999 cname",
        "a=mid:0",
        "a=group:BUNDLE 0 1 2",
        "a=rtcp-fb:* nack",
        "a=rtcp-xr:all",
    ),
    *(
        "a=extmap:1 urn:x",
        "a=label:1",
        "a=X-nat:0",
        "a=",
        "a=:",
        "=",
        "b=AS:64",
        "b=TIAS:-1",
        "b=RR:0",
        "i=x",
        "k=prompt",
    ),
    *(
        "m=audio 9 RTP/AVP 0",
        "m=audio 9 RTP/SAVPF 96 97 98",
        "m=audio 0 RTP/AVP 0",
        "m=video 9 RTP/AVP 31",
        "m=text 9 RTP/AVP 98",
    ),
    *(
        "m=audio 9/65535 RTP/AVP 0",
        "m=image 9 udptl t38",
        "m=audio 9 UDP/TLS/RTP/SAVP 0",
        "m=message 9 TCP/MSRP *",
        "m=",
    ),
    *(
        "c=IN IP4 0.0.0.0",
        "c=IN IP6 ::",
        "c=IN IP4 127.0.0.1/127/3",
        "c=",
        "t=0 0",
        "r=1 2 3",
        "z=1 2",
        "v=0",
        "v=1",
        "o=",
        "s=",
    ),
)


def plain(text: str) -> bytes:
    return text.encode("latin-1", "replace")


class Mutator:
    """Puts faults into messages. A message is never longer than LARGEST."""

    def __init__(self, dice: random.Random) -> None:
        self._dice = dice
        self._in_head: list[Callable[[list[bytes]], None]] = [
            *(self._value, self._value, self._parameter, self._parameter, self._number, self._number),
            *(self._graft, self._graft, self._repeat, self._drop, self._swap, self._fold),
        ]
        self._in_body: list[Callable[[list[bytes]], None]] = [
            *(self._number, self._number, self._parameter, self._repeat, self._drop, self._swap),
            *(self._graft_sdp, self._graft_sdp, self._graft_sdp),
        ]

    def message(self, data: bytes, keep: int = 0) -> bytes:
        """The message with one to four faults. `keep`: so many lines at its head stay as they are."""
        head, separator, body = data.partition(b"\r\n\r\n")
        lines, described = head.split(b"\r\n"), body.split(b"\r\n")
        for _ in range(self._dice.choice((1, 1, 1, 2, 4))):
            if body and self._dice.random() < 0.5:
                self._dice.choice(self._in_body)(described)
            else:
                changed = lines[keep:]
                self._dice.choice(self._in_head)(changed)
                lines[keep:] = changed
        body = b"\r\n".join(described)
        if self._dice.random() < 0.9:
            lines = [b"Content-Length: %d" % len(body) if is_length(line) else line for line in lines]
        whole = (b"\r\n".join(lines) + separator + body)[:LARGEST]
        return hostile.spoiled(self._dice, whole) if self._dice.random() < 0.1 and not keep else whole

    def _any(self, lines: list[bytes]) -> int:
        return self._dice.randrange(len(lines))

    def _value(self, lines: list[bytes]) -> None:
        if not lines:
            return
        at = self._any(lines)
        name, colon, _ = lines[at].partition(b":")
        lines[at] = name + colon + b" " + plain(self._dice.choice(WORDS))

    def _parameter(self, lines: list[bytes]) -> None:
        """A word put in, or put in place, at one of the marks that divide values."""
        if not lines:
            return
        at = self._any(lines)
        marks = [found.start() for found in re.finditer(rb"[;=:@<>,\" /]", lines[at])]
        if marks:
            mark = self._dice.choice(marks)
            rest = lines[at][mark + 1 :] if self._dice.random() < 0.6 else b""
            lines[at] = lines[at][: mark + 1] + plain(self._dice.choice(WORDS)) + rest

    def _number(self, lines: list[bytes]) -> None:
        if not lines:
            return
        at = self._any(lines)
        numbers = list(re.finditer(rb"\d+", lines[at]))
        if numbers:
            found = self._dice.choice(numbers)
            lines[at] = lines[at][: found.start()] + plain(self._dice.choice(NUMBERS)) + lines[at][found.end() :]

    def _graft(self, lines: list[bytes]) -> None:
        at = self._dice.randrange(len(lines) + 1)
        lines[at:at] = [plain(self._dice.choice(HEADERS))] * self._dice.choice((1, 1, 1, 2, 9, 40))

    def _graft_sdp(self, lines: list[bytes]) -> None:
        at = self._dice.randrange(len(lines) + 1)
        lines[at:at] = [plain(self._dice.choice(SDP_LINES))] * self._dice.choice((1, 1, 1, 2, 9, 40))

    def _repeat(self, lines: list[bytes]) -> None:
        if lines:
            at = self._any(lines)
            lines[at:at] = [lines[at]] * self._dice.choice((1, 1, 3, 40))

    def _drop(self, lines: list[bytes]) -> None:
        if lines:
            del lines[self._any(lines)]

    def _swap(self, lines: list[bytes]) -> None:
        if lines:
            one, other = self._any(lines), self._any(lines)
            lines[one], lines[other] = lines[other], lines[one]

    def _fold(self, lines: list[bytes]) -> None:
        if lines:
            at = self._any(lines)
            lines[at] = lines[at].replace(b" ", self._dice.choice((b"\r\n ", b"\r\n\t", b"\n ", b"\r ", b"  ")))


def is_length(line: bytes) -> bool:
    return line.lower().startswith((b"content-length:", b"l:"))


def packet(dice: random.Random) -> bytes:
    """What may come to a media port: RTP, RTCP, STUN (RFC 8489), DTLS, each nearly right, or anything."""
    kind = dice.randrange(8)
    rest = dice.randbytes(dice.choice((0, 1, 3, 4, 8, 10, 40, 160, 172, 480, 1200, 1500)))
    match kind:
        case 0 | 1:
            return (
                bytes([dice.choice((0x80, 0x80, 0x90, 0xA0, 0x8F, 0xB5)), dice.choice((0, 8, 9, 96, 101, 224, 127))])
                + rest
            )
        case 2 | 3:
            length = dice.choice((0, 1, 6, 12, 100, 0xFFFF))
            return bytes([0x80 | dice.randrange(64), dice.randrange(192, 224)]) + length.to_bytes(2, "big") + rest
        case 4 | 5:
            message = dice.choice((0x0001, 0x0101, 0x0111, 0x0011, 0x0003, 0x0116, 0x3FFF)).to_bytes(2, "big")
            length = dice.choice((len(rest), 0, 4, 0xFFFC)).to_bytes(2, "big")
            return message + length + bytes.fromhex("2112a442") + dice.randbytes(12) + rest
        case 6:
            return (
                bytes([dice.choice((20, 21, 22, 23, 63)), 0xFE, dice.choice((0xFD, 0xFF))]) + dice.randbytes(10) + rest
            )
    return rest
