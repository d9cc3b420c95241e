"""The relay between two phones: each talks to the lab's port and never learns where the other is.

Packets are passed on as they are, so every codec, telephone-event, SRTP with keys in SDP, and RTCP work. Where a
phone's packets really come from counts for more than what its SDP said (symmetric RTP, RFC 4961).
"""

from __future__ import annotations

from softphone.lab.media.sockets import Address, RtpSockets
from softphone.lab.sip import sdp


class RelayPort:
    """The side of a relay that faces one phone. What arrives here leaves at `peer`."""

    def __init__(self, host: str) -> None:
        self.peer: RelayPort | None = None
        self.received = 0  # RTP packets
        self._sockets = RtpSockets(host, self._receive)
        self._rtp_remote: Address | None = None
        self._rtcp_remote: Address | None = None

    @property
    def port(self) -> int:
        """The RTP port that the phone is told."""
        return self._sockets.port

    @property
    def host(self) -> str:
        """The address that the phone is told."""
        return self._sockets.host

    def aim(self, rtp: Address, rtcp: Address) -> None:
        """Send to where the phone's SDP says, until its packets teach otherwise."""
        self._rtp_remote, self._rtcp_remote = rtp, rtcp

    def join(self, other: RelayPort) -> None:
        """Pass packets between these two sides."""
        self.peer, other.peer = other, self

    def _receive(self, data: bytes, source: Address, rtcp: bool) -> None:
        if rtcp:
            self._rtcp_remote = source
        else:
            self.received += 1
            self._rtp_remote = source
        if self.peer is not None:
            self.peer.send(data, rtcp)

    def send(self, data: bytes, rtcp: bool) -> None:
        """Send one packet to the phone."""
        remote = self._rtcp_remote if rtcp else self._rtp_remote
        if remote is not None and remote[1]:
            self._sockets.send(data, remote, rtcp=rtcp)

    def close(self) -> None:
        """Free the ports."""
        self.peer = None
        self._sockets.close()


def pass_through(body: bytes, source: RelayPort, target: RelayPort) -> bytes:
    """The description that `source`'s phone wrote, changed for `target`'s phone: it points to the relay.

    Only the first audio section is relayed; others are switched off. Raises sdp.SdpError for a body that is none.
    """
    session = sdp.Session.parse(body)
    chosen = next((media for media in session.media if media.kind == "audio" and media.port), None)
    for media in session.media:
        if media is not chosen:
            media.port = 0
    if chosen is not None:
        source.aim(session.address(chosen), session.rtcp_address(chosen))
        sdp.readdress(session, chosen, target.host, target.port)
    return bytes(session)
