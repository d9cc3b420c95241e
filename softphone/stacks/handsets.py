"""What a stack of handsets offers to the engine: a remote microphone and ear that is a port on the mixer.

Commands never block and belong to the event loop's thread; what happens comes through the sink.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from softphone.media.ports import Port
from softphone.media.voice import VoiceFigures
from softphone.stacks.base import MediaServers


@dataclass(frozen=True, slots=True)
class HandsetFigures:
    """One handset's media. `codec` as `opus/48000`; `voice`: what our end saw.

    What begins with `tx_` is what the handset reports of our sound by RTCP, None before it did. Candidate types are
    those of ICE: host, srflx, prflx or relay, '' before the connection.
    """

    codec: str
    srtp: str
    local_candidate: str
    remote_candidate: str
    remote_address: str
    rtcp_reports: int
    rtt_ms: float | None
    tx_loss_percent: float | None
    tx_jitter_ms: float | None
    voice: VoiceFigures


class HandsetSink(Protocol):
    """Who hears of a handset."""

    def handset_connected(self) -> None:
        """ICE and DTLS are through: sound flows."""

    def handset_digit(self, digit: str, duration_ms: int) -> None: ...

    def handset_closed(self, reason: str, cause: str) -> None:
        """The last report. `reason`: closed (by us), remote (by the other side), lost, failed (it never came up)."""


class Handset(Protocol):
    """One handset. After `handset_closed` all commands are ignored."""

    @property
    def answer_sdp(self) -> str:
        """The answer, complete: all candidates are in it. It holds the ICE password."""

    @property
    def port(self) -> Port: ...

    @property
    def codec(self) -> str: ...

    def figures(self) -> HandsetFigures: ...

    def send_digit(self, digit: str, duration_ms: int) -> bool:
        """Sends a key to the handset (RFC 4733); False where the handset knows no keys."""

    async def close(self) -> None:
        """Ends it; returns when nothing of it is left. Idempotent."""


class HandsetStack(Protocol):
    """A way to reach handsets."""

    async def answer(self, offer_sdp: str, sink: HandsetSink, name: str) -> Handset:
        """Takes an offer of one audio stream. Raises UsageError, which names what is wrong with it, or MediaError."""

    def use_servers(self, servers: MediaServers) -> None:
        """From now on offers are answered with the help of these STUN and TURN servers."""

    async def close(self) -> None:
        """Ends all handsets."""
