"""One handset: the peer that secures, the voice port that sounds, and the reports between them."""

from __future__ import annotations

import asyncio
import logging
import random

from softphone.aio import Tasks
from softphone.media.voice import VoicePort
from softphone.stacks.handsets import HandsetFigures, HandsetSink
from softphone.stacks.webrtc.peer import Peer
from softphone.stacks.webrtc.rtcp import Reports, ntp_now

log = logging.getLogger(__name__)

CONNECT_S = 15.0
"""How long ICE and DTLS may take: people wait for it, and a browser that has its answer needs a second."""

FIRST_REPORT_S, REPORT_S = 1.0, 5.0
"""RFC 3550 section 6.2: five seconds, spread; the first one sooner, so that figures are there for short calls too."""

LEAST_EXPECTED_LOSS = 10
"""Per cent: some redundancy is always sent. The first loss cannot be made good by what is decided after it."""


class WebRtcHandset:
    """See stacks.handsets.Handset. `forget(handset)` is called when it has ended."""

    def __init__(self, answer_sdp: str, codec: str, peer: Peer, voice: VoicePort, reports: Reports, sink: HandsetSink):
        self.answer_sdp = answer_sdp
        self.codec = codec
        self._peer, self._voice, self._reports, self._sink = peer, voice, reports, sink
        self._tasks = Tasks(f"handset {voice.name}")
        self._ended = asyncio.Event()
        self._ending = False
        self._path = ("", "", "")
        self._srtp = ""
        voice.on_packet(peer.send_rtp)
        voice.on_digit(sink.handset_digit)

    def start(self) -> None:
        """Connects, in the background."""
        self._tasks.spawn(self._run(), "connection and reports")

    @property
    def port(self) -> VoicePort:
        return self._voice

    # ---- what the peer tells

    def rtcp_came(self, packet: bytes) -> None:
        self._reports.take(packet)
        if (loss := self._reports.loss_percent) is not None:
            self._voice.expect_loss(max(LEAST_EXPECTED_LOSS, min(50, round(loss))))

    def lost(self, reason: str) -> None:
        """The connection that was up is gone."""
        cause = "no way to it any more: it does not answer" if reason == "lost" else ""
        if not self._ending and not self._tasks.closed:
            self._tasks.spawn(self._end(reason, cause), "the end")

    # ---- life

    async def _run(self) -> None:
        try:
            await self._peer.connect(CONNECT_S)
        except ConnectionError as error:
            await self._end("failed", str(error))
            return
        self._path, self._srtp = self._peer.path, self._peer.srtp
        self._sink.handset_connected()
        await asyncio.sleep(FIRST_REPORT_S)
        while True:
            self._peer.send_rtcp(self._reports.compound(self._voice.clock(), self._voice.figures(), ntp_now()))
            await asyncio.sleep(REPORT_S * random.uniform(0.5, 1.5))

    async def _end(self, reason: str, cause: str) -> None:
        if self._ending:
            await self._ended.wait()
            return
        self._ending = True
        try:
            self._peer.send_rtcp(self._reports.goodbye())
            self._voice.on_packet(None)
            await self._peer.close()
        finally:
            self._sink.handset_closed(reason, cause)  # what is connected to the port goes before the port
            self._voice.close()
            self._ended.set()

    async def close(self) -> None:
        await self._end("closed", "")
        await self._tasks.close()

    # ---- what it looks like

    def send_digit(self, digit: str, duration_ms: int) -> bool:
        return not self._ending and self._voice.send_digit(digit, duration_ms)

    def figures(self) -> HandsetFigures:
        reports = self._reports
        return HandsetFigures(
            codec=self.codec,
            srtp=self._srtp,
            local_candidate=self._path[0],
            remote_candidate=self._path[1],
            remote_address=self._path[2],
            rtcp_reports=reports.received,
            rtt_ms=reports.rtt_ms,
            tx_loss_percent=reports.loss_percent,
            tx_jitter_ms=reports.jitter_ms,
            voice=self._voice.figures(),
        )
