"""SIP over WebSocket (RFC 7118): one message per frame, both ways over the connection that the phone opened."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Literal

from websockets.datastructures import Headers
from websockets.frames import Frame, Opcode
from websockets.http11 import Request
from websockets.server import ServerProtocol
from websockets.typing import Subprotocol

from softphone.lab.sip.flow import MAX_UNSENT_BYTES, ConnectionFlow
from softphone.lab.sip.framing import MAX_BODY_BYTES, MAX_HEAD_BYTES

if TYPE_CHECKING:
    from softphone.lab.sip.transport import Network, TransportName

Frames = Literal["text", "binary"]

SUBPROTOCOL = Subprotocol("sip")
PATH = "/"
MAX_MESSAGE_BYTES = MAX_HEAD_BYTES + MAX_BODY_BYTES
DOUBLE_CRLF = b"\r\n\r\n"


class WebSocketFlow(ConnectionFlow):
    """One connection of a phone. `websockets` does the handshake and the frames, without I/O of its own."""

    def __init__(self, network: Network, transport: TransportName, *, frames: Frames, ping_s: float) -> None:
        super().__init__(network, transport)
        self._frames = frames
        self._ping_s = ping_s
        self._protocol = ServerProtocol(subprotocols=[SUBPROTOCOL], max_size=MAX_MESSAGE_BYTES)
        self._upgraded = False
        self._parts = bytearray()  # of a message that comes in several frames
        self._pinger: asyncio.TimerHandle | None = None
        self._pong_missing = False

    # from asyncio

    def connection_lost(self, exc: Exception | None) -> None:
        """asyncio: the other side, or we, closed it."""
        if self._pinger is not None:
            self._pinger.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """asyncio: some bytes of the handshake or of frames."""
        if self._mute:
            return
        self._protocol.receive_data(data)
        for event in self._protocol.events_received():
            if isinstance(event, Request):
                self._shake_hands(event)
            elif isinstance(event, Frame):
                self._receive_frame(event)
        self._flush()

    def eof_received(self) -> bool:
        """asyncio: the phone says no more."""
        self._protocol.receive_eof()
        self._flush()
        return False

    # what arrives

    def _shake_hands(self, request: Request) -> None:
        if request.path.partition("?")[0] != PATH:
            response = self._protocol.reject(404, "SIP is spoken at / only\n")
        else:
            response = self._protocol.accept(request)
        self._upgraded = response.status_code == 101
        if not self._upgraded:
            self._network.owner.on_garbage(self.transport, self.remote, _refused(request.headers))
        self._protocol.send_response(response)
        if self._upgraded and self._ping_s > 0:
            self._pinger = asyncio.get_running_loop().call_later(self._ping_s, self._ping)

    def _receive_frame(self, frame: Frame) -> None:
        if frame.opcode is Opcode.PONG:
            self._pong_missing = False
        if frame.opcode not in (Opcode.TEXT, Opcode.BINARY, Opcode.CONT):
            return
        self._parts += frame.data
        if not frame.fin:
            return
        message, self._parts = bytes(self._parts), bytearray()
        if message == DOUBLE_CRLF:
            self.send(b"\r\n")  # the keep-alive of RFC 5626, which RFC 7118 section 6 lets through
        elif message.strip(b"\r\n\0 "):
            self._network.receive(message, self)

    def _ping(self) -> None:
        """Ask whether the phone is there; one that was silent since the last question is not."""
        if self._pong_missing:
            self.abort()
            return
        self._pinger = asyncio.get_running_loop().call_later(self._ping_s, self._ping)
        if not self._mute and not self.closed:
            self._pong_missing = True
            self._protocol.send_ping(b"lab")
            self._flush()

    # what leaves

    def send(self, data: bytes) -> None:
        """Queue one message; a peer that reads nothing loses its connection instead of filling our memory."""
        if self.closed or self._mute or not self._upgraded or self._protocol.state.name != "OPEN":
            return
        if self._frames == "text":
            self._protocol.send_text(data.decode("utf-8", "replace").encode())
        else:
            self._protocol.send_binary(data)
        self._flush()

    def _flush(self) -> None:
        for data in self._protocol.data_to_send():
            if self._writer is None or self._writer.is_closing():
                return
            if data:
                self._writer.write(data)
            else:
                self._writer.close()
        if self._writer is not None and self._writer.get_write_buffer_size() > MAX_UNSENT_BYTES:
            self.abort()


def _refused(headers: Headers) -> str:
    """What the handshake lacked, for the event log."""
    if (headers.get("Upgrade") or "").lower() != "websocket":
        return "no WebSocket handshake"
    return f"WebSocket handshake refused: subprotocol {headers.get('Sec-WebSocket-Protocol') or 'missing'}"
