"""A bare SIP phone for tests: it says exactly what the test tells it to, and shares no code with the lab."""

from __future__ import annotations

import asyncio
import hashlib
import re
import secrets
import ssl
from dataclasses import dataclass, field
from typing import Any

from sipmessage import Message, Request, Response
from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Subprotocol

SDP = """v=0
o=phone 1 1 IN IP4 127.0.0.1
s=-
c=IN IP4 127.0.0.1
t=0 0
m=audio {port} RTP/AVP 0 8 101
a=rtpmap:0 PCMU/8000
a=rtpmap:8 PCMA/8000
a=rtpmap:101 telephone-event/8000
"""


def sdp(port: int, text: str = SDP) -> bytes:
    """A description with CRLF line ends."""
    return text.format(port=port).replace("\n", "\r\n").encode()


class _Wire(asyncio.DatagramProtocol):
    def __init__(self, queue: asyncio.Queue[bytes]) -> None:
        self.queue = queue

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self.queue.put_nowait(data)


@dataclass
class Phone:
    """One extension at one transport. Use `async with`."""

    user: str
    password: str
    domain: str
    port: int
    transport: str = "udp"
    ca_file: Any = None
    algorithm: str = ""
    raw: asyncio.Queue[bytes] = field(default_factory=asyncio.Queue)
    cseq: int = 0
    nc: int = 0
    call_id: str = field(default_factory=lambda: secrets.token_hex(8))
    text: bool = True  # over WebSocket: text frames
    frames: list[type] = field(default_factory=list)  # what came over WebSocket: str or bytes
    _socket: ClientConnection | None = None

    async def __aenter__(self) -> Phone:
        loop = asyncio.get_running_loop()
        if self.transport == "udp":
            self._udp, _ = await loop.create_datagram_endpoint(
                lambda: _Wire(self.raw), remote_addr=("127.0.0.1", self.port)
            )
            self.local_port = self._udp.get_extra_info("sockname")[1]
            return self
        context = ssl.create_default_context(cafile=self.ca_file) if self.transport in ("tls", "wss") else None
        name = {"server_hostname": self.domain} if context else {}
        if self.transport in ("ws", "wss"):
            return await self._open_websocket(context)
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self.port, ssl=context, **name)
        self.local_port = self._writer.get_extra_info("sockname")[1]
        self._task = asyncio.create_task(self._read())
        return self

    async def __aexit__(self, *_: object) -> None:
        if self.transport == "udp":
            self._udp.close()
            return
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        if self._socket is not None:
            await self._socket.close()
            return
        self._writer.close()
        await asyncio.gather(self._writer.wait_closed(), return_exceptions=True)

    async def _open_websocket(self, context: ssl.SSLContext | None) -> Phone:
        self._socket = await connect(
            f"{self.transport}://{self.domain}:{self.port}/",
            host="127.0.0.1",
            port=self.port,
            ssl=context,
            subprotocols=[Subprotocol("sip")],
            proxy=None,
        )
        self.local_port = self._socket.local_address[1]
        self._task = asyncio.create_task(self._read_frames(self._socket))
        return self

    async def _read_frames(self, socket: ClientConnection) -> None:
        async for frame in socket:
            self.frames.append(type(frame))
            self.raw.put_nowait(frame.encode() if isinstance(frame, str) else frame)

    async def _read(self) -> None:
        while True:
            head = await self._reader.readuntil(b"\r\n")
            if head == b"\r\n":
                self.raw.put_nowait(head)
                continue
            head += await self._reader.readuntil(b"\r\n\r\n")
            length = int(re.search(rb"(?i)content-length: *(\d+)", head)[1])  # type: ignore[index]
            self.raw.put_nowait(head + await self._reader.readexactly(length))

    @property
    def contact(self) -> str:
        if self._socket is not None:
            return f"<sip:{self.user}@f1a2.invalid;transport=ws>"
        return f"<sip:{self.user}@127.0.0.1:{self.local_port};transport={self.transport}>"

    def send(self, data: bytes) -> None:
        """Put bytes on the wire."""
        if self.transport == "udp":
            self._udp.sendto(data)
        elif self._socket is not None:
            self._sending = asyncio.create_task(self._socket.send(data.decode() if self.text else data))
        else:
            self._writer.write(data)

    async def receive(self, timeout_s: float = 3.0) -> Request | Response:
        """The next message."""
        return Message.parse(await asyncio.wait_for(self.raw.get(), timeout_s))

    async def expect(self, wanted: int | str, *, timeout_s: float = 3.0) -> Any:
        """Skip until a response of that code, or a request of that method."""
        seen = []
        while True:
            try:
                message = await self.receive(timeout_s)
            except TimeoutError:
                raise AssertionError(f"{self.user}: no {wanted}, but {seen}") from None
            what = message.method if isinstance(message, Request) else message.code
            if what == wanted:
                return message
            seen.append(what)

    def request(
        self,
        method: str,
        uri: str,
        *,
        to: str = "",
        from_: str = "",
        headers: dict[str, str] | None = None,
        body: bytes = b"",
        branch: str = "",
        cseq: int | None = None,
    ) -> bytes:
        """Build a request; `cseq` None counts on."""
        if cseq is None:
            self.cseq += 1
            cseq = self.cseq
        lines = {
            "Via": f"SIP/2.0/{self.transport.upper()} 127.0.0.1:{self.local_port};rport"
            f";branch={branch or 'z9hG4bK' + secrets.token_hex(6)}",
            "Max-Forwards": "70",
            "From": from_ or f"<sip:{self.user}@{self.domain}>;tag=phone{self.user}",
            "To": to or f"<{uri}>",
            "Call-ID": self.call_id,
            "CSeq": f"{cseq} {method}",
            "Contact": self.contact,
            **(headers or {}),
            "Content-Length": str(len(body)),
        }
        if body and "Content-Type" not in lines:
            lines["Content-Type"] = "application/sdp"
        text = f"{method} {uri} SIP/2.0\r\n" + "".join(f"{k}: {v}\r\n" for k, v in lines.items())
        return text.encode() + b"\r\n" + body

    def answer_challenge(self, challenge: str, method: str, uri: str, *, nc: int | None = None) -> str:
        """The Authorization value for a challenge (RFC 7616 by hand)."""
        found = dict(re.findall(r'(\w+)="?([^",]+)"?', challenge))
        algorithm = found.get("algorithm", "MD5")
        make = {"MD5": hashlib.md5, "SHA-256": hashlib.sha256}[algorithm]

        def h(text: str) -> str:
            return make(text.encode()).hexdigest()

        self.nc = nc if nc is not None else self.nc + 1
        count, cnonce = f"{self.nc:08x}", "0a4f113b"
        secret, what = h(f"{self.user}:{found['realm']}:{self.password}"), h(f"{method}:{uri}")
        response = h(f"{secret}:{found['nonce']}:{count}:{cnonce}:auth:{what}")
        return (
            f'Digest username="{self.user}", realm="{found["realm"]}", nonce="{found["nonce"]}", uri="{uri}",'
            f' response="{response}", algorithm={algorithm}, cnonce="{cnonce}", qop=auth, nc={count}'
        )

    def pick(self, response: Response) -> str:
        """The challenge of our algorithm, else the first."""
        name = "WWW-Authenticate" if response.code == 401 else "Proxy-Authenticate"
        values = response.headers.getlist(name)
        return next((v for v in values if f"algorithm={self.algorithm}," in v), values[0])

    async def register(self, *, headers: dict[str, str] | None = None, expect: int = 200) -> Response:
        """REGISTER, with digest; returns the last answer, which must have code `expect`."""
        uri = f"sip:{self.domain}"
        to = f"<sip:{self.user}@{self.domain}>"
        extra = {"Expires": "600", **(headers or {})}
        self.send(self.request("REGISTER", uri, to=to, headers=extra))
        challenge = self.pick(await self.expect(401))
        extra["Authorization"] = self.answer_challenge(challenge, "REGISTER", uri)
        self.send(self.request("REGISTER", uri, to=to, headers=extra))
        response: Response = await self.expect(expect)
        return response

    async def invite(self, number: str, body: bytes, *, headers: dict[str, str] | None = None) -> None:
        """INVITE with digest, up to the authenticated request; the answers are the test's to read."""
        self.target = f"sip:{number}@{self.domain}"
        self.call_id = secrets.token_hex(8)
        branch = "z9hG4bK" + secrets.token_hex(6)
        self.send(self.request("INVITE", self.target, body=body, branch=branch, headers=headers))
        response = await self.expect(407)
        self.ack(response, branch=branch)
        value = self.answer_challenge(self.pick(response), "INVITE", self.target)
        self.branch = "z9hG4bK" + secrets.token_hex(6)
        extra = {**(headers or {}), "Proxy-Authorization": value}
        self.send(self.request("INVITE", self.target, body=body, branch=self.branch, headers=extra))
        self.invite_cseq = self.cseq

    def ack(self, response: Response, *, branch: str = "", body: bytes = b"") -> None:
        """Acknowledge a final answer; its own branch for refusals."""
        ok = response.code < 300
        uri = str(response.contact[0].uri) if ok else self.target
        data = self.request(
            "ACK", uri, to=response.headers["To"], branch=branch, cseq=response.cseq.sequence, body=body
        )
        self.send(data)

    def cancel(self) -> None:
        """Take back the INVITE."""
        self.send(self.request("CANCEL", self.target, branch=self.branch, cseq=self.invite_cseq))

    def within(self, response: Response, method: str, **more: Any) -> None:
        """A request in the dialog that `response` (to our INVITE) made."""
        uri = str(response.contact[0].uri)
        self.send(self.request(method, uri, to=response.headers["To"], **more))

    def within_theirs(self, invite: Request, method: str, **more: Any) -> None:
        """A request in the dialog that we accepted."""
        self.call_id = invite.headers["Call-ID"]
        uri = str(invite.contact[0].uri)
        from_ = invite.headers["To"] + f";tag=phone{self.user}"
        self.send(self.request(method, uri, to=invite.headers["From"], from_=from_, **more))

    def reply(self, request: Request, code: int, *, body: bytes = b"", headers: dict[str, str] | None = None) -> None:
        """Answer a request of the lab."""
        lines = [f"SIP/2.0 {code} Because"]
        lines += [f"Via: {value}" for value in request.headers.getlist("Via")]
        to = request.headers["To"]
        if "tag=" not in to and code > 100:
            to += f";tag=phone{self.user}"
        lines += [f"From: {request.headers['From']}", f"To: {to}"]
        lines += [f"{name}: {request.headers[name]}" for name in ("Call-ID", "CSeq")]
        lines += [f"Contact: {self.contact}"]
        lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
        if body:
            lines.append("Content-Type: application/sdp")
        lines += [f"Content-Length: {len(body)}", "", ""]
        self.send("\r\n".join(lines).encode() + body)


def phone(lab: Any, user: str, transport: str = "udp", **more: Any) -> Phone:
    """A phone for one extension of a lab."""
    port = lab.switch.endpoint.network.ports[transport]
    if "password" not in more:
        more["password"] = lab.extension(user).password
    return Phone(user=user, domain=lab.domain, port=port, transport=transport, ca_file=lab.ca_file, **more)
