"""Handsets by WebRTC: takes offers, and keeps what came of them. aiortc is loaded with the first one."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from softphone.errors import Conflict, MediaError
from softphone.media.voice import VoiceMixer, VoiceSettings
from softphone.stacks.base import MediaServers
from softphone.stacks.handsets import Handset, HandsetSink
from softphone.stacks.webrtc.answer import Chosen, Ours, choose, write_answer
from softphone.stacks.webrtc.offer import Offer, parse_offer
from softphone.stacks.webrtc.rtcp import Reports

if TYPE_CHECKING:
    from softphone.stacks.webrtc.handset import WebRtcHandset
    from softphone.stacks.webrtc.peer import Peer

GATHER_S = 1.0
"""How long STUN and TURN servers may take, where nothing else is configured: a person waits for the answer."""


class WebRtcStack:
    """See stacks.handsets.HandsetStack. `mixer()`: where the sound goes; asked for at each offer."""

    def __init__(self, mixer: Callable[[], VoiceMixer], *, opus_rate_hz: int = 16000) -> None:
        self._mixer = mixer
        self._opus_rate_hz = opus_rate_hz
        self._servers = MediaServers(gather_s=GATHER_S)
        self._handsets: set[WebRtcHandset] = set()
        self._closed = False

    def use_servers(self, servers: MediaServers) -> None:
        """From now on offers are answered with the help of these STUN and TURN servers."""
        self._servers = servers

    async def answer(self, offer_sdp: str, sink: HandsetSink, name: str) -> Handset:
        if self._closed:
            raise Conflict("the agent stops: it takes no handsets")
        offer = parse_offer(offer_sdp)
        chosen = choose(offer)
        from softphone.stacks.webrtc.handset import WebRtcHandset  # noqa: PLC0415  # 170 ms

        handset: WebRtcHandset | None = None

        def rtp_came(packet: bytes) -> None:
            voice.receive(packet)

        def rtcp_came(packet: bytes) -> None:
            if handset is not None:
                handset.rtcp_came(packet)

        def lost(reason: str) -> None:
            if handset is not None:
                handset.lost(reason)

        peer = await self._gathered(offer, rtp_came, rtcp_came, lost)
        ours = self._ours(peer)
        try:
            voice = self._mixer().open_voice(f"handset {name}", _voice_settings(chosen, ours.ssrc))
        except MediaError:
            await peer.close()
            raise
        sdp = write_answer(offer, chosen, ours, opus_rate_hz=self._opus_rate_hz)
        reports = Reports(ours.ssrc, ours.cname, chosen.codec.clock_rate_hz)
        codec = f"{chosen.codec.name}/{chosen.codec.clock_rate_hz}"
        handset = WebRtcHandset(sdp, codec, peer, voice, reports, _Once(sink, lambda: self._forget(handset)))
        self._handsets.add(handset)
        handset.start()
        return handset

    async def _gathered(self, offer: Offer, *callbacks: Callable[[Any], None]) -> Peer:
        """A peer that knows its candidates. Raises MediaError."""
        from softphone.stacks.webrtc.peer import Peer  # noqa: PLC0415

        rtp, rtcp, lost = callbacks
        peer = Peer(offer, self._servers, on_rtp=rtp, on_rtcp=rtcp, on_lost=lost)
        try:
            await peer.gather(self._servers.gather_s)
        except ConnectionError as error:
            await peer.close()
            raise MediaError(f"a handset cannot reach us: {error}") from None
        except BaseException:  # given up by the caller: no socket may stay open
            await peer.close()
            raise
        return peer

    @staticmethod
    def _ours(peer: Peer) -> Ours:
        return Ours(
            ufrag=peer.ufrag,
            password=peer.password,
            fingerprint=peer.fingerprint,
            candidates=peer.candidates,
            ssrc=secrets.randbits(32) or 1,
            cname=secrets.token_hex(8),
            session=secrets.randbits(62),
        )

    def _forget(self, handset: WebRtcHandset | None) -> None:
        if handset is not None:
            self._handsets.discard(handset)

    async def close(self) -> None:
        self._closed = True
        await asyncio.gather(*(handset.close() for handset in list(self._handsets)))


class _Once:
    """A sink that also tells the stack of the end."""

    def __init__(self, sink: HandsetSink, over: Callable[[], None]) -> None:
        self._sink, self._over = sink, over

    def handset_connected(self) -> None:
        self._sink.handset_connected()

    def handset_digit(self, digit: str, duration_ms: int) -> None:
        self._sink.handset_digit(digit, duration_ms)

    def handset_closed(self, reason: str, cause: str) -> None:
        self._over()
        self._sink.handset_closed(reason, cause)


def _voice_settings(chosen: Chosen, ssrc: int) -> VoiceSettings:
    return VoiceSettings(
        codec=chosen.codec.name,
        payload_type=chosen.codec.payload_type,
        ssrc=ssrc,
        events_type=chosen.events.payload_type if chosen.events else None,
        events_rate_hz=chosen.events.clock_rate_hz if chosen.events else 8000,
    )
