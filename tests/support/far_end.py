"""A far end that says in SIP exactly what a test tells it to, and speaks and hears RTP in every codec and with SRTP.

It shares no code with the product: SIP is text, codecs are PyAV's, SRTP is the lab's.

    async with FarEnd() as peer:
        call = await peer.called(phone, sdp=peer.audio("pcmu"))     # the phone calls, the peer answers
        answer = await call.reinvite(peer.audio("opus"))            # the peer changes the call
        peer.rtp.speak("opus", 700, answer)
        assert heard(peer.rtp.take("opus")) ...
"""

from __future__ import annotations

import asyncio
import re
import secrets
import struct
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, Self

import av
import numpy as np

from softphone.lab.media.srtp import SdesKey, SrtpContext, SrtpError
from softphone.testing.audio import Sound, tone
from tests.interop.peers.ports import free_block
from tests.support.phone import Phone
from tests.support.until import until

DEADLINE_S = 10.0
FRAME_S = 0.02


@dataclass(frozen=True)
class Codec:
    """`clock_hz` is RTP's, `rate_hz` the sound's; they differ for G.722 (RFC 3551 section 4.5.2)."""

    payload_type: int
    name: str
    encoder: str
    decoder: str
    rate_hz: int
    clock_hz: int


CODECS = {
    "pcmu": Codec(0, "PCMU/8000", "pcm_mulaw", "pcm_mulaw", 8000, 8000),
    "pcma": Codec(8, "PCMA/8000", "pcm_alaw", "pcm_alaw", 8000, 8000),
    "g722": Codec(9, "G722/8000", "g722", "g722", 16_000, 8000),
    "opus": Codec(96, "opus/48000/2", "libopus", "libopus", 48_000, 48_000),
}


def encoded(codec: str, frequency_hz: float, seconds: float) -> list[bytes]:
    """A tone as payloads of 20 ms."""
    form = CODECS[codec]
    encoder: Any = av.CodecContext.create(form.encoder, "w")
    encoder.sample_rate, encoder.layout, encoder.format = form.rate_hz, "mono", "s16"
    encoder.time_base = Fraction(1, form.rate_hz)
    encoder.open()
    samples = (tone(frequency_hz, seconds, form.rate_hz).samples * 32767).astype(np.int16)
    size = int(form.rate_hz * FRAME_S)
    payloads = []
    for start in range(0, len(samples) - size + 1, size):
        frame = av.AudioFrame.from_ndarray(samples[None, start : start + size], format="s16", layout="mono")
        frame.sample_rate, frame.pts = form.rate_hz, start
        payloads += [bytes(packet) for packet in encoder.encode(frame)]
    return payloads


def decoded(codec: str, payloads: list[bytes]) -> Sound:
    """What payloads sound like, one after the other."""
    form = CODECS[codec]
    decoder: Any = av.CodecContext.create(form.decoder, "r")
    decoder.sample_rate, decoder.layout = form.rate_hz, "mono"
    decoder.open()
    parts = []
    for payload in payloads:
        for frame in decoder.decode(av.Packet(payload)):
            parts.append(frame.to_ndarray().reshape(-1).astype(np.float64) / 32768)
    return Sound(np.concatenate(parts) if parts else np.zeros(0), form.rate_hz)


@dataclass(frozen=True)
class Rtp:
    """A packet as it came; `payload` is None where SRTP could not be undone."""

    payload_type: int
    timestamp: int
    payload: bytes | None
    size: int


class RtpPort(asyncio.DatagramProtocol):
    """One UDP port for RTP: keeps what comes, and says tones."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.packets: list[Rtp] = []
        self.hears_with: SrtpContext | None = None
        self._speaker: asyncio.Task[None] | None = None
        self._transport: asyncio.DatagramTransport
        self._news = asyncio.Event()

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        if len(data) < 12 or data[0] >> 6 != 2:
            return
        payload: bytes | None = data[12:]
        if self.hears_with is not None:
            try:
                payload = self.hears_with.unprotect(data)[12:]
            except SrtpError:
                payload = None
        self.packets.append(Rtp(data[1] & 127, struct.unpack("!I", data[4:8])[0], payload, len(data)))
        self._news.set()

    def speak(self, codec: str, frequency_hz: float, to: tuple[str, int], key: SdesKey | None = None) -> None:
        """Says a tone from now on, instead of what was said before."""
        self.silent()
        self._speaker = asyncio.create_task(self._speak(codec, frequency_hz, to, key))

    def silent(self) -> None:
        if self._speaker is not None:
            self._speaker.cancel()
            self._speaker = None

    async def _speak(self, codec: str, frequency_hz: float, to: tuple[str, int], key: SdesKey | None) -> None:
        form = CODECS[codec]
        protect = SrtpContext(key).protect if key else bytes
        ssrc, first, start = secrets.randbits(32), secrets.randbits(15), secrets.randbits(31)
        payloads = encoded(codec, frequency_hz, 5)
        loop = asyncio.get_running_loop()
        began = loop.time()
        for number in range(100_000):
            stamp = start + number * form.clock_hz // 50
            head = struct.pack("!BBHII", 0x80, form.payload_type, first + number & 0xFFFF, stamp & 0xFFFFFFFF, ssrc)
            self._transport.sendto(protect(head + payloads[number % len(payloads)]), to)
            await asyncio.sleep(max(0, began + (number + 1) * FRAME_S - loop.time()))

    async def hear(self, codec: str, count: int) -> Sound:
        """Forgets what came before, waits for so many packets of a codec, and returns what they say."""
        self.packets.clear()
        wanted = CODECS[codec].payload_type

        def found() -> list[bytes]:
            return [p.payload for p in self.packets if p.payload_type == wanted and p.payload]

        try:
            async with asyncio.timeout(DEADLINE_S):
                while len(found()) < count:
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            kinds = [p.payload_type for p in self.packets]
            raise AssertionError(f"{len(found())} of {count} packets of {codec} came; types {kinds[-20:]}") from None
        return decoded(codec, found())


def parsed(message: str, name: str) -> str:
    """The first header of a name."""
    found = re.search(rf"(?im)^{name}[ \t]*:[ \t]*(.*?)\r?$", message)
    if found is None:
        raise AssertionError(f"no {name} in\n{message}")
    return found[1]


def body_of(message: str) -> str:
    return message.partition("\r\n\r\n")[2]


def media_of(sdp: str) -> tuple[str, int]:
    """Where an SDP wants RTP."""
    host, port = re.search(r"(?m)^c=IN IP4 (\S+)", sdp), re.search(r"(?m)^m=audio (\d+)", sdp)
    if host is None or port is None:
        raise AssertionError(f"no audio in\n{sdp}")
    return host[1], int(port[1])


def key_of(sdp: str) -> SdesKey:
    """The key in an SDP."""
    found = re.search(r"(?m)^a=crypto:(.*?)\r?$", sdp)
    key = SdesKey.parse(found[1]) if found else None
    if key is None:
        raise AssertionError(f"no key in\n{sdp}")
    return key


@dataclass
class Dialog:
    """A call, from the far end's side."""

    peer: FarEnd
    call_id: str
    ours: str  # From or To with our tag
    theirs: str
    target: str  # the phone's Contact
    sdp: str = ""  # the phone's last
    cseq: int = 100
    answers: list[str] = field(default_factory=list)

    def send(self, method: str, body: str = "", *, cseq: int | None = None, extra: str = "") -> None:
        """Sends a request within the dialog."""
        if cseq is None:
            self.cseq += 1
            cseq = self.cseq
        kind = "Content-Type: application/sdp\r\n" if body else ""
        self.peer.send(
            f"{method} {self.target} SIP/2.0\r\n{self.peer.via()}Max-Forwards: 70\r\nFrom: {self.ours}\r\n"
            f"To: {self.theirs}\r\nCall-ID: {self.call_id}\r\nCSeq: {cseq} {method}\r\n{self.peer.contact}"
            f"{extra}{kind}Content-Length: {len(body)}\r\n\r\n{body}"
        )

    async def reinvite(self, sdp: str, ack: Any = None) -> str:
        """Changes the call; returns the SDP of the phone's answer, '' where it refused. `ack(answer)` is ACK's SDP."""
        self.send("INVITE", sdp)
        answer = await self.peer.final(self.cseq)
        self.send("ACK", ack(body_of(answer)) if ack else "", cseq=self.cseq)
        self.answers.append(answer)
        if not answer.startswith("SIP/2.0 200"):
            return ""
        self.sdp = body_of(answer)
        return self.sdp

    async def accept(self, sdp: Any) -> str:
        """Takes the phone's next re-INVITE with an SDP, or with what `sdp(offer)` makes; returns the offer."""
        request = await self.peer.expect("INVITE ")
        self.sdp = body_of(request)
        self.peer.answer(request, "200 OK", sdp(self.sdp) if callable(sdp) else sdp)
        await self.peer.expect("ACK ")
        return self.sdp

    async def bye(self) -> None:
        self.send("BYE")
        await self.peer.final(self.cseq)


class FarEnd(asyncio.DatagramProtocol):
    """A SIP phone on UDP, without a registrar."""

    def __init__(self) -> None:
        self._inbox: list[str] = []
        self._news = asyncio.Event()
        self._transport: asyncio.DatagramTransport
        self.all: list[str] = []
        self._origin = 0

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        await loop.create_datagram_endpoint(lambda: self, local_addr=("127.0.0.1", 0))
        self.port = self._transport.get_extra_info("sockname")[1]
        self._ports: list[RtpPort] = []
        self.rtp = await self.rtp_port()
        return self

    async def __aexit__(self, *_: object) -> None:
        for port in self._ports:
            port.silent()
            port._transport.close()
        self._transport.close()

    async def rtp_port(self) -> RtpPort:
        """One more place for RTP."""
        number = free_block(2)
        _, port = await asyncio.get_running_loop().create_datagram_endpoint(
            lambda: RtpPort(number), local_addr=("127.0.0.1", number)
        )
        self._ports.append(port)
        return port

    # ---- SDP

    def audio(
        self,
        *codecs: str,
        profile: str = "RTP/AVP",
        key: SdesKey | None = None,
        direction: str = "sendrecv",
        port: int | None = None,
        more: str = "",
        fmtp: str = "",
    ) -> str:
        """An SDP with these codecs; `key` makes it SAVP, `fmtp` is Opus's, `more` are further lines of the medium."""
        self._origin += 1
        forms = [CODECS[codec] for codec in codecs]
        lines = "".join(f"a=rtpmap:{form.payload_type} {form.name}\r\n" for form in forms)
        lines += f"a=fmtp:96 {fmtp}\r\n" if fmtp else ""
        lines += f"a=crypto:{key}\r\n" if key else ""
        types = " ".join(str(form.payload_type) for form in forms)
        return (
            f"v=0\r\no=x 1 {self._origin} IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
            f"m=audio {port or self.rtp.port} {'RTP/SAVP' if key else profile} {types}\r\n"
            f"{lines}a={direction}\r\n{more}"
        )

    # ---- calls

    async def called(self, phone: Phone, answer: Any, *, account: str | None = None) -> tuple[Dialog, str]:
        """The phone calls, and hears `answer`, an SDP or what `answer(offer)` makes. Returns the dialog and the id."""
        call = phone.agent.dial("sip:peer@127.0.0.1", account=account).id
        request = await self.expect("INVITE ")
        tag = f";tag={secrets.token_hex(4)}"
        dialog = Dialog(
            self,
            parsed(request, "Call-ID"),
            parsed(request, "To") + tag,
            parsed(request, "From"),
            parsed(request, "Contact").split("<")[1].split(">")[0],
            body_of(request),
        )
        self.answer(request, "200 OK", answer(dialog.sdp) if callable(answer) else answer, tag=tag)
        await self.expect("ACK ")
        return dialog, call

    async def calls(self, port: int, user: str, offer: str, ack: Any = None) -> Dialog:
        """Calls the phone at its UDP port; it must answer by itself."""
        dialog = Dialog(
            self,
            secrets.token_hex(8),
            f"<sip:peer@peer.test>;tag={secrets.token_hex(4)}",
            f"<sip:{user}@127.0.0.1>",
            f"sip:{user}@127.0.0.1:{port}",
        )
        self._transport_to = ("127.0.0.1", port)
        dialog.send("INVITE", offer)
        answer = await self.final(dialog.cseq)
        dialog.answers.append(answer)
        if answer.startswith("SIP/2.0 200"):
            dialog.theirs = parsed(answer, "To")
            dialog.target = parsed(answer, "Contact").split("<")[1].split(">")[0]
            dialog.sdp = body_of(answer)
        dialog.send("ACK", ack(dialog.sdp) if ack else "", cseq=dialog.cseq)
        return dialog

    # ---- wire

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self._transport_to = addr
        text = data.decode("latin-1")
        self.all.append(text)
        if text.startswith(("BYE ", "CANCEL ", "OPTIONS ", "UPDATE ")):
            self.answer(text, "200 OK")
        self._inbox.append(text)
        self._news.set()

    def send(self, text: str) -> None:
        self._transport.sendto(text.encode("latin-1"), self._transport_to)

    def via(self) -> str:
        return f"Via: SIP/2.0/UDP 127.0.0.1:{self.port};branch=z9hG4bK{secrets.token_hex(6)};rport\r\n"

    @property
    def contact(self) -> str:
        return f"Contact: <sip:peer@127.0.0.1:{self.port}>\r\n"

    def answer(self, request: str, status: str, body: str = "", *, tag: str = "", extra: str = "") -> None:
        """Answers a request."""
        echo = "".join(f"{name}: {parsed(request, name)}\r\n" for name in ("Via", "From", "Call-ID", "CSeq"))
        kind = "Content-Type: application/sdp\r\n" if body else ""
        self.send(
            f"SIP/2.0 {status}\r\n{echo}To: {parsed(request, 'To')}{tag}\r\n{self.contact}{extra}{kind}"
            f"Content-Length: {len(body)}\r\n\r\n{body}"
        )

    async def expect(self, start: str) -> str:
        """Waits for the next message that begins so; those before it are passed over."""
        return await self._find(lambda text: text.startswith(start), start)

    async def final(self, cseq: int) -> str:
        """Waits for the final answer to a request of ours."""
        return await self._find(
            lambda text: re.match(r"SIP/2.0 [2-6]", text) is not None and parsed(text, "CSeq").startswith(f"{cseq} "),
            f"a final answer to {cseq}",
        )

    async def _find(self, wanted: Any, what: str) -> str:
        try:
            async with asyncio.timeout(DEADLINE_S):
                while True:
                    while self._inbox:
                        if wanted(text := self._inbox.pop(0)):
                            return text
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            seen = [text.partition("\r\n")[0] for text in self.all]
            raise AssertionError(f"{what!r} did not come; there were {seen[-20:]}") from None


async def ready(phone: Phone) -> None:
    """Waits until accounts that do not register have found the way to their first hop, which no event tells."""
    accounts: list[Any] = phone.agent._stack._accounts  # type: ignore[attr-defined]
    await until(lambda: all(account._registrars.current for account in accounts))
