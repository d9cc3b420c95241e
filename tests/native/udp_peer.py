"""A called party made of plain sockets: it answers INVITE and BYE over UDP, and says what it is told to say over RTP.

It shares nothing with PJSIP, so it can do what PJSIP as a peer would not do, such as send RTP before its 200 OK.
"""

import re
import socket
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass

SDP = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio {port} RTP/AVP 0\r\n"


@dataclass(frozen=True)
class Request:
    """A SIP request as it came, and who sent it."""

    text: str
    sender: tuple[str, int]

    @property
    def method(self) -> str:
        return self.text.split(" ", 1)[0]

    @property
    def call_id(self) -> str:
        return self.header("Call-ID")

    def header(self, name: str) -> str:
        found = re.search(rf"^{name}: *(.*?)\r$", self.text, re.MULTILINE | re.IGNORECASE)
        assert found, f"no {name} in\n{self.text}"
        return found[1]

    @property
    def rtp(self) -> tuple[str, int]:
        """Where the sender wants audio, by its SDP."""
        port = re.search(r"^m=audio (\d+)", self.text, re.MULTILINE)
        assert port, self.text
        return self.sender[0], int(port[1])

    def response(self, status: str, contact: str, body: str = "") -> bytes:
        vias = re.findall(r"^(Via: .*?)\r$", self.text, re.MULTILINE)
        to = self.header("To")
        lines = [f"SIP/2.0 {status}", *vias, f"From: {self.header('From')}"]
        lines += [f"To: {to}" if ";tag=" in to else f"To: {to};tag=peer", f"Call-ID: {self.call_id}"]
        lines += [f"CSeq: {self.header('CSeq')}", f"Contact: <{contact}>"]
        if body:
            lines.append("Content-Type: application/sdp")
        return "\r\n".join([*lines, f"Content-Length: {len(body)}", "", body]).encode()


def rtp_packet(sequence: int, ssrc: int) -> bytes:
    """20 ms of PCMU silence (RFC 3550 section 5.1)."""
    return struct.pack("!BBHII", 0x80, 0, sequence, 160 * sequence, ssrc) + b"\xff" * 160


class UdpPeer:
    """Runs in a thread until close(). `before_answer` and `after_ack` are called in that thread."""

    def __init__(
        self,
        before_answer: Callable[[Request], None] = lambda request: None,
        after_ack: Callable[[Request], None] = lambda invite: None,
        sdp: str = SDP,
    ) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        self._socket.bind(("127.0.0.1", 0))
        self.rtp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.rtp.bind(("127.0.0.1", 0))
        self._before_answer, self._after_ack, self._sdp = before_answer, after_ack, sdp
        self._invites: dict[str, Request] = {}
        self.byes = 0
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    @property
    def uri(self) -> str:
        return f"sip:peer@127.0.0.1:{self._socket.getsockname()[1]}"

    def close(self) -> None:
        self._socket.sendto(b"close", self._socket.getsockname())
        self._thread.join()
        self._socket.close()
        self.rtp.close()

    def _serve(self) -> None:
        while True:
            data, sender = self._socket.recvfrom(65536)
            if data == b"close":
                return
            text = data.decode(errors="replace")
            if text.strip() and not text.startswith("SIP/2.0"):
                self._take(Request(text, sender))

    def _take(self, request: Request) -> None:
        if request.method == "INVITE":
            self._invites[request.call_id] = request
            self._before_answer(request)
            body = self._sdp.format(port=self.rtp.getsockname()[1])
            self._socket.sendto(request.response("200 OK", self.uri, body), request.sender)
        elif request.method == "ACK" and request.call_id in self._invites:
            self._after_ack(self._invites[request.call_id])
        elif request.method != "ACK":
            self.byes += request.method == "BYE"
            self._socket.sendto(request.response("200 OK", self.uri), request.sender)
