"""A registrar by UDP, TCP and TLS that takes every phone and every call, and then sends what a test wants.

It answers properly, so that the phone stays registered and its calls are up; `spoil` puts messages before each answer.
"""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from tests.support import hostile

Send = Callable[[bytes], None]
COPIED = ("via:", "from:", "to:", "call-id:", "cseq:", "record-route:")


@dataclass
class Dialog:
    """A call that a phone made here. `number` is the CSeq of our last request in it."""

    call_id: str
    us: str
    phone: str
    target: str
    send: Send
    host: str
    way: str
    up: bool = False
    over: bool = False
    media: tuple[str, int] = ("", 0)
    number: int = 1

    def request(self, method: str, body: str = "", extra: str = "", branch: str = "") -> bytes:
        """The next request of ours in this call."""
        if method != "ACK":
            self.number += 1
        typed = "Content-Type: application/sdp\r\n" if body and "Content-Type" not in extra else ""
        branch = f"z9hG4bK{self.call_id[:8]}{method}{self.number}{branch}"
        return (
            f"{method} {self.target} SIP/2.0\r\n"
            f"Via: SIP/2.0/{self.way} {self.host};rport;branch={branch}\r\n"
            f"From: {self.us}\r\nTo: {self.phone}\r\nCall-ID: {self.call_id}\r\nCSeq: {self.number} {method}\r\n"
            f"Max-Forwards: 70\r\nContact: <sip:pbx@{self.host};transport={self.way.lower()}>\r\n"
            f"{extra}{typed}Content-Length: {len(body)}\r\n\r\n{body}"
        ).encode("latin-1", "replace")


@dataclass
class Way:
    """One transport of the PBX and the phone behind it."""

    name: str
    host: str
    send: Send | None = None
    registered: int = 0
    dialogs: dict[str, Dialog] = field(default_factory=dict)

    @property
    def dialog(self) -> Dialog | None:
        """A call that is up."""
        return next((each for each in self.dialogs.values() if each.up and not each.over), None)


class HostilePbx:
    """`spoil(request) -> messages`: what is sent before the proper answer to a request."""

    def __init__(self, spoil: Callable[[str], Iterable[bytes]]) -> None:
        self._spoil = spoil
        self.ways: dict[str, Way] = {}
        self._rtp: Any = None
        self._held: list[Any] = []

    async def start(self, tls: ssl.SSLContext) -> None:
        loop = asyncio.get_running_loop()
        self._rtp, _ = await loop.create_datagram_endpoint(asyncio.DatagramProtocol, local_addr=("127.0.0.1", 0))
        udp, _ = await loop.create_datagram_endpoint(lambda: _Datagrams(self), local_addr=("127.0.0.1", 0))
        self._add("UDP", udp.get_extra_info("sockname")[1])
        self._held = [self._rtp, udp]
        for name, context in (("TCP", None), ("TLS", tls)):
            server = await loop.create_server(lambda name=name: _Stream(self, name), "127.0.0.1", 0, ssl=context)
            self._add(name, server.sockets[0].getsockname()[1])
            self._held.append(server)

    def _add(self, name: str, port: int) -> None:
        self.ways[name] = Way(name, f"127.0.0.1:{port}")

    def close(self) -> None:
        for each in self._held:
            each.close()

    def send_media(self, data: bytes, target: tuple[str, int]) -> None:
        """From the address that our session descriptions name."""
        self._rtp.sendto(data, target)

    # ---- what phones send

    def take(self, name: str, text: str, send: Send) -> None:
        way = self.ways[name]
        if text.startswith("SIP/2.0"):
            self._take_answer(way, text)
            return
        method, call_id = text.partition(" ")[0], header(text, "Call-ID")
        for message in self._spoil(text):
            send(message)
        if method == "ACK":
            if call_id in way.dialogs:
                way.dialogs[call_id].up = True
            return
        send(self._answer(way, method, text, send))
        if method == "REGISTER":
            way.send, way.registered = send, way.registered + 1

    def _answer(self, way: Way, method: str, text: str, send: Send) -> bytes:
        if method == "INVITE":
            self._open(way, text, send)
            contact = f"Contact: <sip:pbx@{way.host};transport={way.name.lower()}>\r\n"
            return hostile.response(text, "200 OK", body=self._sdp(), contact=contact).encode("latin-1")
        if method == "BYE" and (dialog := way.dialogs.pop(header(text, "Call-ID"), None)):
            dialog.over = True
        extra = "Expires: 60\r\n" if method == "REGISTER" else ""
        contact = f"Contact: {header(text, 'Contact')}\r\n" if method == "REGISTER" else ""
        return hostile.response(text, "200 OK", extra=extra, contact=contact).encode("latin-1")

    def _open(self, way: Way, text: str, send: Send) -> None:
        call_id = header(text, "Call-ID")
        target = re.search(r"<([^>]*)>", header(text, "Contact"))
        port = re.search(r"(?m)^m=audio (\d+)", text)
        if call_id not in way.dialogs:
            us, phone = header(text, "To") + ";tag=peer", header(text, "From")
            way.dialogs[call_id] = Dialog(
                call_id, us, phone, target[1] if target else "sip:x", send, way.host, way.name
            )
        dialog = way.dialogs[call_id]
        if port:
            dialog.media = ("127.0.0.1", int(port[1]))

    def _sdp(self) -> str:
        port = self._rtp.get_extra_info("sockname")[1]
        return f"{hostile.SDP_HEAD}m=audio {port} RTP/AVP 0 101\r\na=rtpmap:101 telephone-event/8000\r\n"

    def _take_answer(self, way: Way, text: str) -> None:
        """Our re-INVITE was answered: ACK. Whatever says that there is no such call ends it."""
        dialog = way.dialogs.get(header(text, "Call-ID"))
        code, cseq = text[8:11], header(text, "CSeq")
        if dialog is None or code < "200":
            return
        if cseq.endswith("INVITE"):
            number, dialog.number = dialog.number, int(cseq.split()[0]) if cseq.split()[0].isdigit() else 1
            dialog.send(dialog.request("ACK", branch="a" if code < "300" else ""))
            dialog.number = number
        if code == "481":
            dialog.over = True
            way.dialogs.pop(dialog.call_id, None)


def header(text: str, name: str) -> str:
    found = re.search(rf"(?im)^{name}: *(.*?)\r?$", text)
    return found[1] if found else ""


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, pbx: HostilePbx) -> None:
        self._pbx = pbx
        self._transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, source: Any) -> None:
        if data.strip(b"\r\n\x00"):
            self._pbx.take("UDP", data.decode("latin-1"), lambda message: self._transport.sendto(message, source))


class _Stream(asyncio.Protocol):
    def __init__(self, pbx: HostilePbx, name: str) -> None:
        self._pbx, self._name = pbx, name
        self._data = b""
        self._transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def connection_lost(self, _: Exception | None) -> None:
        way = self._pbx.ways[self._name]
        if way.send is not None and getattr(way.send, "__self__", None) is self:
            way.send = None
        way.dialogs = {
            key: each for key, each in way.dialogs.items() if getattr(each.send, "__self__", None) is not self
        }

    def send(self, message: bytes) -> None:
        if not self._transport.is_closing():
            self._transport.write(message)

    def data_received(self, data: bytes) -> None:
        self._data = (self._data + data).lstrip(b"\r\n")
        while (end := self._data.find(b"\r\n\r\n")) >= 0:
            length = re.search(rb"(?im)^Content-Length: *(\d+)", self._data[:end])
            whole = end + 4 + (int(length[1]) if length else 0)
            if len(self._data) < whole:
                return
            message, self._data = self._data[:whole], self._data[whole:].lstrip(b"\r\n")
            self._pbx.take(self._name, message.decode("latin-1"), self.send)
