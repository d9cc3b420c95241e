"""The sound of one service call: what comes is echoed or counted, what goes is a tone or digits."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from softphone.lab.media import dtmf, g711
from softphone.lab.media.keying import KeyExchange, new_identity
from softphone.lab.media.negotiation import PTIME_MS, Agreement, Codec, DtlsLocal, DtlsTerms
from softphone.lab.media.rtcp import FIRST_S, INTERVAL_S, RtcpReporter, is_rtcp
from softphone.lab.media.rtp import RtpPacket
from softphone.lab.media.sockets import Address, RtpSockets
from softphone.lab.media.srtp import SdesKey, SrtpContext

if TYPE_CHECKING:
    from softphone.lab.media.dtls import Identity

DIGIT_MS = 100
DIGIT_GAP_MS = 80


class Pacer:
    """Ticks every 20 ms by the clock on the wall, so that delays do not add up."""

    def __init__(self) -> None:
        self._next = asyncio.get_running_loop().time()

    async def tick(self) -> None:
        """Wait for the next tick."""
        self._next += PTIME_MS / 1000
        await asyncio.sleep(max(0.0, self._next - asyncio.get_running_loop().time()))


class _Stream:
    """Numbers what we send: one SSRC, whatever the source of the sound."""

    def __init__(self) -> None:
        self.ssrc = secrets.randbits(32)
        self.sequence = secrets.randbits(15)
        self._born = time.monotonic()
        self._base = secrets.randbits(31)

    def now(self, rate_hz: int) -> int:
        """The timestamp of this moment."""
        return (self._base + int((time.monotonic() - self._born) * rate_hz)) & 0xFFFFFFFF

    def next_sequence(self) -> int:
        """The number of the next packet."""
        self.sequence = (self.sequence + 1) & 0xFFFF
        return self.sequence


class _EchoOffsets:
    """Maps a received stream's numbers to ours, so that a lost packet stays a gap."""

    def __init__(self, packet: RtpPacket, stream: _Stream, rate_hz: int) -> None:
        self.source = packet.ssrc
        self._sequence = stream.sequence + 1 - packet.sequence
        self._timestamp = stream.now(rate_hz) - packet.timestamp

    def map(self, packet: RtpPacket, stream: _Stream) -> RtpPacket:
        sequence = (packet.sequence + self._sequence) & 0xFFFF
        stream.sequence = sequence
        timestamp = (packet.timestamp + self._timestamp) & 0xFFFFFFFF
        return RtpPacket(packet.payload_type, sequence, timestamp, stream.ssrc, packet.payload, packet.marker)


class MediaSession:
    """One RTP stream with one phone. `on_digit(digit, duration_ms)` reports key presses (RFC 4733).

    `on_failure(why)` tells that DTLS brought no keys.
    """

    def __init__(
        self,
        host: str,
        on_digit: Callable[[str, int], None],
        on_failure: Callable[[str], None] = lambda _: None,
        identity: Callable[[], Identity] = new_identity,
    ) -> None:
        self.echo = False
        self.listener: Callable[[bytes, str], None] | None = None  # gets each payload, and the codec's name
        self.peer: MediaSession | None = None  # another call that hears what comes here
        self.dead = False  # what we would send, reports included, gets lost on the way
        self.received = 0
        self.sent = 0
        self.agreement: Agreement | None = None
        self.suite = ""  # what a DTLS handshake agreed on
        self._on_digit = on_digit
        self._on_failure = on_failure
        self._identity = identity
        self._key_exchange: KeyExchange | None = None
        self._stream = _Stream()
        self._offsets: _EchoOffsets | None = None
        self._digits: dtmf.DigitReceiver | None = None
        self._learned: Address | None = None
        self._rtcp_learned: Address | None = None
        self._outbound: SrtpContext | None = None
        self._inbound: SrtpContext | None = None
        self._rtcp = RtcpReporter(self._stream.ssrc)
        self._octets = 0
        self._report_timer: asyncio.TimerHandle | None = None
        self._sockets = RtpSockets(host, self._receive)

    @property
    def port(self) -> int:
        """The RTP port to put into SDP."""
        return self._sockets.port

    def apply(self, agreement: Agreement) -> None:
        """Start, or go on under new terms (hold, other address, other keys)."""
        old, self.agreement = self.agreement, agreement
        self._learned = self._rtcp_learned = None
        self._offsets = None
        if agreement.dtls is not None:
            self._apply_dtls(agreement.dtls, agreement.rtp_remote)
        else:
            if old is None or old.local_key != agreement.local_key:
                self._outbound = SrtpContext(agreement.local_key) if agreement.local_key else None
            if old is None or old.remote_key != agreement.remote_key:
                self._inbound = SrtpContext(agreement.remote_key) if agreement.remote_key else None
        self._digits = dtmf.DigitReceiver(agreement.event_rate_hz, self._on_digit)
        if self._report_timer is None:
            self._report_timer = asyncio.get_running_loop().call_later(FIRST_S, self._report)

    def speaks(self, codecs: Sequence[Codec]) -> bool:
        """Whether sound in the first of these codecs can be sent as it is, or turned into what was agreed."""
        agreement = self.agreement
        if agreement is None or not codecs:
            return False
        wanted = codecs[0].name
        both = (wanted.partition("/")[0], agreement.codec_name)
        return wanted == agreement.codec or both in g711.TRANSCODED

    # keys by DTLS

    def dtls_local(self, terms: DtlsTerms | None = None) -> DtlsLocal:
        """What to say of ourselves: in an answer to `terms`, or in an offer (no terms: with ICE)."""
        return self._exchange().local(terms)

    def _exchange(self) -> KeyExchange:
        if self._key_exchange is None:
            self._key_exchange = KeyExchange(self._identity(), self._sockets.send, self._keyed, self._on_failure)
        return self._key_exchange

    def _apply_dtls(self, terms: DtlsTerms, remote: Address) -> None:
        if self._exchange().apply(terms, remote):
            self._outbound = self._inbound = None

    def _keyed(self, local: SdesKey, remote: SdesKey) -> None:
        """The handshake is through: sound may flow."""
        self._outbound, self._inbound = SrtpContext(local), SrtpContext(remote)
        self.suite = local.suite

    @property
    def secure(self) -> bool:
        """Whether the sound is encrypted."""
        return self.agreement is not None and self.agreement.secure

    @property
    def can_play(self) -> bool:
        """Whether sounds of the lab's own can be sent: the codec is G.711."""
        return self.agreement is not None and self.agreement.codec_name in g711.ENCODERS

    def close(self) -> None:
        """End the stream."""
        self.part()
        if self._digits is not None:
            self._digits.flush()
        if self._report_timer is not None:
            self._report_timer.cancel()
            self._send_rtcp(self._rtcp.goodbye())
            self._report_timer = None
        if self._key_exchange is not None:
            self._key_exchange.close()
        self._sockets.close()

    @property
    def lost(self) -> int:
        """RTP packets that never came."""
        return self._rtcp.lost

    @property
    def reports_received(self) -> int:
        """RTCP reports of the phone."""
        return self._rtcp.reports_received

    def _receive(self, data: bytes, source: Address, rtcp: bool) -> None:
        """What is not for us, or not from who knows the key, is dropped."""
        agreement = self.agreement
        if agreement is None:
            return
        if agreement.dtls is not None and self._key_exchange is not None:
            if self._key_exchange.takes(data, source, rtcp=rtcp) or self._inbound is None:
                return
        try:
            if rtcp or is_rtcp(data):
                self._rtcp.received_rtcp(self._inbound.unprotect_rtcp(data) if self._inbound else data)
                self._rtcp_learned = source
            else:
                self._receive_rtp(data, source, agreement)
        except ValueError:
            return

    def _receive_rtp(self, data: bytes, source: Address, agreement: Agreement) -> None:
        packet = RtpPacket.parse(self._inbound.unprotect(data) if self._inbound else data)
        self._learned = source
        self.received += 1
        self._rtcp.received_rtp(packet.ssrc, packet.sequence, packet.timestamp, agreement.rate_hz)
        event = packet.payload_type == agreement.event_type
        if event and self._digits is not None:
            self._digits.receive(packet)
        elif self.listener is not None:
            self.listener(packet.payload, agreement.codec_name)
        if self.peer is not None:
            self.peer.forward(packet, agreement.codec_name, event=event)
        elif self.echo and not event:
            self._send_back(packet, agreement)

    def forward(self, packet: RtpPacket, codec_name: str, *, event: bool) -> None:
        """Send on what came from another call: same codec, or G.711 turned into its sister. Others are dropped."""
        agreement = self.agreement
        if agreement is None:
            return
        payload, kind = packet.payload, agreement.event_type if event else agreement.payload_type
        if not event and codec_name != agreement.codec_name:
            table = g711.TRANSCODED.get((codec_name, agreement.codec_name))
            payload, kind = (payload.translate(table), kind) if table is not None else (b"", None)
        if kind is not None:
            self._send_back(replace(packet, payload_type=kind, payload=payload), agreement)

    def join(self, other: MediaSession) -> None:
        """Let these two calls hear each other."""
        self.peer, other.peer = other, self

    def part(self) -> None:
        """Let nobody hear this call any more."""
        if self.peer is not None:
            self.peer.peer = None
            self.peer = None

    def _send_back(self, packet: RtpPacket, agreement: Agreement) -> None:
        if self._offsets is None or self._offsets.source != packet.ssrc:
            self._offsets = _EchoOffsets(packet, self._stream, agreement.rate_hz)
        self._send(self._offsets.map(packet, self._stream), agreement)

    def _send(self, packet: RtpPacket, agreement: Agreement) -> None:
        if not agreement.sending or self.dead or (agreement.dtls is not None and self._outbound is None):
            return
        data = bytes(packet)
        if self._outbound is not None:
            data = self._outbound.protect(data)
        self.sent += 1
        self._octets += len(packet.payload)
        self._sockets.send(data, self._way(agreement))

    def _way(self, agreement: Agreement) -> Address:
        """Where the phone is: as ICE found it, as its packets told, or as its description says."""
        chosen = self._key_exchange.remote if self._key_exchange is not None and agreement.dtls is not None else None
        return chosen or self._learned or agreement.rtp_remote

    def _report(self) -> None:
        """Every two seconds: what we sent and what came."""
        self._report_timer = asyncio.get_running_loop().call_later(INTERVAL_S, self._report)
        timestamp = self._stream.now(self._now_agreed().rate_hz)
        self._send_rtcp(self._rtcp.report(timestamp=timestamp, packets=self.sent, octets=self._octets))

    def _send_rtcp(self, data: bytes) -> None:
        agreement = self._now_agreed()
        if self.dead or (agreement.dtls is not None and self._outbound is None):
            return
        if self._outbound is not None:
            data = self._outbound.protect_rtcp(data)
        if agreement.rtcp_mux:
            self._sockets.send(data, self._way(agreement))
        else:
            self._sockets.send(data, self._rtcp_learned or agreement.rtcp_remote, rtcp=True)

    def _now_agreed(self) -> Agreement:
        if self.agreement is None:
            raise RuntimeError("no sound before an answer")
        return self.agreement

    async def play(self, samples: tuple[int, ...], *, repeat: bool = False) -> None:
        """Send samples (8000 Hz) at the pace of speech; `repeat` goes on until cancelled. PCMU and PCMA only."""
        await self._play(g711.encode(self._now_agreed().codec_name, samples), repeat=repeat)

    async def play_recorded(self, codec_name: str, payload: bytes) -> None:
        """Send G.711 that was recorded, in whichever law it came."""
        table = g711.TRANSCODED.get((codec_name, self._now_agreed().codec_name))
        await self._play(payload.translate(table) if table is not None else payload, repeat=False)

    async def _play(self, payload: bytes, *, repeat: bool) -> None:
        agreement = self._now_agreed()
        size = agreement.rate_hz * PTIME_MS // 1000
        timestamp = self._stream.now(agreement.rate_hz)
        pacer, marker, once = Pacer(), True, False
        while repeat or not once:
            once = True
            for start in range(0, len(payload) - size + 1, size):
                self._send_payload(payload[start : start + size], timestamp, marker)
                marker = False
                timestamp += size
                await pacer.tick()

    def _send_payload(self, payload: bytes, timestamp: int, marker: bool) -> None:
        agreement = self._now_agreed()
        sequence = self._stream.next_sequence()
        packet = RtpPacket(agreement.payload_type, sequence, timestamp & 0xFFFFFFFF, self._stream.ssrc, payload, marker)
        self._send(packet, agreement)

    async def send_digits(self, digits: str) -> bool:
        """Press keys by telephone-events, 100 ms each, 80 ms apart; False if the other side takes none."""
        agreement = self._now_agreed()
        if agreement.event_type is None:
            return False
        pacer = Pacer()
        for digit in digits:
            await self._send_digit(digit, agreement, agreement.event_type, pacer)
        return True

    async def _send_digit(self, digit: str, agreement: Agreement, event_type: int, pacer: Pacer) -> None:
        """All packets of one event carry the timestamp of its beginning, the first one the marker (2.5.1.2)."""
        timestamp = self._stream.now(agreement.event_rate_hz)
        marker = True
        events = dtmf.packets_of(digit, duration_ms=DIGIT_MS, clock_hz=agreement.event_rate_hz, ptime_ms=PTIME_MS)
        for event in events:
            sequence = self._stream.next_sequence()
            packet = RtpPacket(event_type, sequence, timestamp, self._stream.ssrc, bytes(event), marker)
            self._send(packet, agreement)
            marker = False
            await pacer.tick()
        for _ in range(DIGIT_GAP_MS // PTIME_MS):
            await pacer.tick()
