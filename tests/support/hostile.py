"""SIP as nobody should send it: raw bytes, a stranger with a socket, and a far end that answers with rubbish.

Nothing here knows the lab or the product: what is sent is written down byte by byte.
"""

from __future__ import annotations

import asyncio
import random
import re
from collections.abc import Callable, Iterator
from typing import Any

SDP_HEAD = "v=0\r\no=x 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
SDP = SDP_HEAD + (
    "m=audio 40000 RTP/AVP 0 8 96 101\r\n"
    "a=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\n"
    "a=rtpmap:96 opus/48000/2\r\na=fmtp:96 useinbandfec=1\r\n"
    "a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-16\r\n"
    "a=rtcp:40001 IN IP4 127.0.0.1\r\na=ptime:20\r\na=sendrecv\r\n"
)
_KEY = "inline:QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVphYmNk"
_AUDIO = "m=audio 40000 RTP/AVP "
_SECURE = "m=audio 40000 RTP/SAVP 0\r\n"

BROKEN_SDP = {
    "dynamic payload without rtpmap": _AUDIO + "97\r\n",
    "dynamic payload without rtpmap beside another": _AUDIO + "97 0\r\n",
    "payload 300": _AUDIO + "300 0\r\na=rtpmap:300 telephone-event/8000\r\n",
    "payload -1": _AUDIO + "-1 0\r\na=rtpmap:-1 telephone-event/8000\r\n",
    "payload 2^32-1": _AUDIO + "4294967295 0\r\na=rtpmap:4294967295 opus/48000/2\r\n",
    "port 0": "m=audio 0 RTP/AVP 0\r\n",
    "port 99999": "m=audio 99999 RTP/AVP 0\r\n",
    "no media": "",
    "no connection": "",
    "a hundred media": (_AUDIO + "0\r\n") * 100,
    "600 formats": _AUDIO + " ".join(str(n % 128) for n in range(600)) + "\r\n",
    "600 attributes": _AUDIO + "0\r\n" + "a=x:y\r\n" * 600,
    "rtpmap without clock": _AUDIO + "97 0\r\na=rtpmap:97 opus\r\n",
    "clock 0": _AUDIO + "97\r\na=rtpmap:97 opus/0/0\r\n",
    "events at clock 0": _AUDIO + "0 97\r\na=rtpmap:97 telephone-event/0\r\n",
    "ptime 0": _AUDIO + "0\r\na=ptime:0\r\na=maxptime:0\r\n",
    "ptime 65535": _AUDIO + "0\r\na=ptime:65535\r\n",
    "ptime -20": _AUDIO + "0\r\na=ptime:-20\r\n",
    "opus parameters": _AUDIO + "96\r\na=rtpmap:96 opus/48000/2\r\na=fmtp:96 maxplaybackrate=0; cbr;;;=;=\r\n",
    "200 parameters": _AUDIO
    + "96\r\na=rtpmap:96 opus/48000/2\r\na=fmtp:96 "
    + ";".join(f"p{n}={n}" for n in range(200))
    + "\r\n",
    "crypto tag of 200 digits": f"{_SECURE}a=crypto:{'1' * 200} AES_CM_128_HMAC_SHA1_80 {_KEY}\r\n",
    "crypto without anything": f"{_SECURE}a=crypto:\r\na=crypto: \r\na=crypto\r\n",
    "crypto key of 2000 characters": f"{_SECURE}a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:{'A' * 2000}\r\n",
    "64 cryptos": _SECURE + "".join(f"a=crypto:{n} AES_CM_128_HMAC_SHA1_80 {_KEY}\r\n" for n in range(64)),
    "DTLS without a fingerprint": "m=audio 40000 UDP/TLS/RTP/SAVPF 0\r\na=fingerprint:\r\na=setup:\r\na=mid:\r\n",
    "IPv6": "c=IN IP6 ::1\r\n" + _AUDIO + "0\r\n",
    "multicast": "c=IN IP4 224.2.1.1/127/3\r\n" + _AUDIO + "0\r\n",
    "RTCP port": _AUDIO + "0\r\na=rtcp:99999999 IN IP4 x\r\na=ssrc:4294967296 cname:\r\n",
    "bandwidth": _AUDIO + "0\r\nb=AS:-1\r\nb=TIAS:99999999999\r\nb=:\r\nb=\r\n",
    "fax": "m=image 4000 udptl t38\r\n",
}
"""What follows SDP_HEAD in a session description, by what is wrong with it."""

MULTIPARTS = {
    "empty": ("", "multipart/mixed;boundary=x"),
    "no boundary": ("\r\n", "multipart/mixed"),
    "empty boundary": ("--\r\n--", 'multipart/mixed;boundary=""'),
    "end only": ("--x--\r\n", "multipart/mixed;boundary=x"),
    "no end": ("--x", "multipart/mixed;boundary=x"),
    "no parts": ("--x\r\n--x\r\n--x\r\n", "multipart/mixed;boundary=x"),
    "empty SDP": ("--x\r\nContent-Type: application/sdp\r\n\r\n--x--", "multipart/mixed;boundary=x"),
    "nested": ("--x\r\nContent-Type: multipart/mixed;boundary=y\r\n\r\n" * 60, "multipart/mixed;boundary=x"),
}

METHODS = "INVITE OPTIONS NOTIFY REFER SUBSCRIBE MESSAGE CANCEL BYE ACK INFO UPDATE PRACK PUBLISH REGISTER".split()

HEADERS = (
    "Accept Allow Authorization Call-ID Contact Content-Length Content-Type CSeq Event Expires From Max-Forwards Min-SE"
    " Proxy-Authenticate RAck Reason Record-Route Refer-To Referred-By Replaces Require Route RSeq Session-Expires"
    " Subscription-State Supported To Via WWW-Authenticate P-Asserted-Identity X-Any"
).split()

VALUES = (
    "",
    "*",
    ",",
    ";",
    "<>",
    "<sip:>",
    '"',
    "sip:",
    "<tel:+1>",
    "-1",
    "99999999999999999999",
    "0 INVITE",
    "Digest",
    "SIP/2.0/UDP",
    'x;y="',
    "\x00",
    "<sip:x@[::1>",
    "<sip:x@y:99999>",
    "<sip:" + "a" * 3000 + "@x>",
    '"\\',
    "x" * 5000,
    "(",
    "x;to-tag;from-tag",
    "\xff\xfe",
)


def request(
    method: str,
    source: tuple[str, int],
    number: int,
    *,
    user: str = "901",
    host: str = "127.0.0.1",
    caller: str = "<sip:stranger@evil.example>",
    body: str = "",
    kind: str = "application/sdp",
    extra: str = "",
    to_tag: str = "",
    length: str | None = None,
    transport: str = "UDP",
) -> bytes:
    """A request, well-formed but for what is asked for. `number` makes it a transaction of its own."""
    content = body.encode("latin-1", "replace")
    typed = f"Content-Type: {kind}\r\n" if content or kind != "application/sdp" else ""
    tagged = f";tag={to_tag}" if to_tag else ""
    head = (
        f"{method} sip:{user}@{host} SIP/2.0\r\n"
        f"Via: SIP/2.0/{transport} {source[0]}:{source[1]};branch=z9hG4bKx{source[1]}x{number};rport\r\n"
        f"Max-Forwards: 70\r\nFrom: {caller};tag=t{number}\r\nTo: <sip:{user}@{host}>{tagged}\r\n"
        f"Call-ID: evil-{source[1]}-{number}\r\nCSeq: 1 {method}\r\n"
        f"Contact: <sip:stranger@{source[0]}:{source[1]}>\r\n{extra}{typed}"
        f"Content-Length: {len(content) if length is None else length}\r\n\r\n"
    )
    return head.encode("latin-1", "replace") + content


def with_header(message: bytes, name: str, values: list[str]) -> bytes:
    """The message with these values in place of the header's own."""
    lines = [line for line in message.split(b"\r\n") if not line.lower().startswith(name.lower().encode() + b":")]
    lines[1:1] = [f"{name}: {value}".encode("latin-1", "replace") for value in values]
    return b"\r\n".join(lines)


def as_response(message: bytes, status: str) -> bytes:
    """The same headers below a status line: an answer that nobody asked for."""
    return b"SIP/2.0 " + status.encode() + b"\r\n" + message.split(b"\r\n", 1)[1]


def spoiled(dice: random.Random, message: bytes) -> bytes:
    """Bytes put in, taken out, replaced, lines repeated, or the end cut off."""
    text = bytearray(message)
    for _ in range(dice.choice([1, 1, 2, 5, 20])):
        at = dice.randrange(len(text) + 1)
        match dice.randrange(5):
            case 0:
                text[at:at] = dice.randbytes(dice.choice([1, 4, 50, 3000]))
            case 1:
                del text[at : at + dice.choice([1, 2, 10, 100])]
            case 2:
                text[at : at + 1] = bytes([dice.choice(b'\x00\xff\n\r "<>@;:,\\')])
            case 3:
                lines = bytes(text).split(b"\r\n")
                line = dice.randrange(len(lines))
                lines[line:line] = [dice.choice(lines)] * dice.choice([1, 2, 100])
                text = bytearray(b"\r\n".join(lines))
            case _:
                del text[max(1, at) :]
    return bytes(text[:65_000])


def noise(seed: int, count: int, source: tuple[str, int], transport: str) -> Iterator[bytes]:
    """Random bytes, and messages with random faults; the same for the same seed."""
    dice = random.Random(seed)
    for number in range(count):
        if dice.random() < 0.1:
            yield dice.randbytes(dice.choice([1, 100, 1500, 60_000]))
            continue
        message = request(dice.choice(METHODS), source, number, body=SDP, transport=transport)
        yield spoiled(dice, as_response(message, "200 OK") if dice.random() < 0.2 else message)


class Stranger(asyncio.DatagramProtocol):
    """Somebody with a UDP socket. Calls that get answered are taken (ACK) and hung up (BYE) at once."""

    def __init__(self) -> None:
        self.transport: Any = None
        self.address = ("", 0)
        self.finals: dict[int, int] = {}
        self.received: list[bytes] = []
        self._number = 0
        self._news = asyncio.Event()
        self._target = ("", 0)

    @classmethod
    async def at(cls, host: str, target: int) -> Stranger:
        """On a free port of `host`; sends to `target`, a port of 127.0.0.1."""
        transport, stranger = await asyncio.get_running_loop().create_datagram_endpoint(cls, local_addr=(host, 0))
        stranger.transport, stranger.address = transport, transport.get_extra_info("sockname")
        stranger._target = ("127.0.0.1", target)
        return stranger

    def close(self) -> None:
        self.transport.close()

    def send(self, message: bytes, port: int | None = None) -> None:
        self.transport.sendto(message, ("127.0.0.1", port) if port else self._target)

    def ask(self, method: str = "INVITE", **options: Any) -> int:
        """Sends a request; returns its number."""
        self._number += 1
        self.send(request(method, self.address, self._number, **options))
        return self._number

    async def answered(self, number: int, within_s: float = 5.0) -> int:
        """Waits for the final status of a request."""
        async with asyncio.timeout(within_s):
            while number not in self.finals:
                self._news.clear()
                await self._news.wait()
        return self.finals[number]

    def datagram_received(self, data: bytes, _: object) -> None:
        self.received.append(data)
        status = re.match(rb"SIP/2\.0 (\d{3})", data)
        about = re.search(rb"(?i)\r\nCall-ID: evil-\d+-(\d+)\r\n", data)
        if status is None or about is None or int(status[1]) < 200:
            return
        number, code = int(about[1]), int(status[1])
        if b" INVITE\r\n" in data:
            self._take_leave(number, code, data)
        self.finals[number] = code
        self._news.set()

    def _take_leave(self, number: int, code: int, answer: bytes) -> None:
        to = re.search(rb"(?im)^To: (.*?)\r", answer)
        if to is None:
            return
        for method, cseq in (("ACK", 1), ("BYE", 2)) if code < 300 else (("ACK", 1),):
            message = request(method, self.address, number).replace(b"CSeq: 1", b"CSeq: %d" % cseq)
            message = with_header(message, "To", [to[1].decode("latin-1")])
            if code < 300:
                message = message.replace(b"z9hG4bK", b"z9hG4bK" + method.encode())
            self.send(message)


class Peer(asyncio.DatagramProtocol):
    """The far end of an account: `respond(request) -> response` answers INVITE or REGISTER, all else gets 200."""

    def __init__(self, method: str, respond: Callable[[str], str | None]) -> None:
        self.method = method
        self.respond = respond
        self.asked = 0
        self.transport: Any = None
        self.port = 0

    @classmethod
    async def start(cls, method: str, respond: Callable[[str], str | None]) -> Peer:
        loop = asyncio.get_running_loop()
        transport, peer = await loop.create_datagram_endpoint(lambda: cls(method, respond), local_addr=("127.0.0.1", 0))
        peer.transport, peer.port = transport, transport.get_extra_info("sockname")[1]
        return peer

    def datagram_received(self, data: bytes, source: tuple[str, int]) -> None:
        text = data.decode("latin-1")
        if text.startswith(self.method + " "):
            self.asked += 1
            answer = self.respond(text)
        elif text.startswith("ACK ") or not text.split(" ")[0].isalpha():
            answer = None
        else:
            answer = response(text, "200 OK")
        if answer is not None:
            self.transport.sendto(answer.encode("latin-1", "replace"), source)

    def close(self) -> None:
        self.transport.close()


def response(request: str, status: str, *, extra: str = "", body: str = "", contact: str = "") -> str:
    """A response to a request that came in; `contact` is a whole header line."""
    copied = ("via:", "from:", "to:", "call-id:", "cseq:", "record-route:")
    lines = [line for line in request.split("\r\n\r\n")[0].split("\r\n")[1:] if line.lower().startswith(copied)]
    lines = [f"{x};tag=peer" if x.lower().startswith("to:") and ";tag=" not in x else x for x in lines]
    typed = "Content-Type: application/sdp\r\n" if body else ""
    head = "\r\n".join([f"SIP/2.0 {status}", *lines])
    return f"{head}\r\n{contact}{extra}{typed}Content-Length: {len(body.encode('latin-1', 'replace'))}\r\n\r\n{body}"
