"""Everything that we need of aiortc, and the only file that knows it from inside: ICE, DTLS and SRTP of one handset.

aiortc's public objects (RTCIceGatherer, RTCIceTransport, RTCDtlsTransport) negotiate and secure. Its RTP senders,
receivers, tracks and codecs are not used: packets go between SRTP and the voice port directly. For that this file
reaches inside; INSIDE names each place, and a test compares it with the aiortc that is installed.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pylibsrtp
from aioice import Candidate
from aiortc import (
    RTCCertificate,
    RTCDtlsFingerprint,
    RTCDtlsParameters,
    RTCDtlsTransport,
    RTCIceGatherer,
    RTCIceParameters,
    RTCIceServer,
    RTCIceTransport,
)
from aiortc.sdp import candidate_to_sdp

from softphone.stacks.base import MediaServers
from softphone.stacks.webrtc.offer import Offer
from softphone.stacks.webrtc.rtcp import is_rtcp

log = logging.getLogger(__name__)

INSIDE = {
    "RTCIceTransport": ("_connection",),
    "RTCDtlsTransport": ("_set_role", "_rx_srtp", "_tx_srtp", "_ssl"),
    "Connection": ("_nominated", "data_received", "get_component_candidates", "ice_controlling", "local_candidates"),
}
"""Attributes that are not aiortc's or aioice's public interface, and are used here."""

LOOPBACK = "127.0.0.1"


class Peer:
    """One connection to a handset. Packets are plain on our side.

    `on_rtp(packet)` and `on_rtcp(packet)` run with each packet that came in and was right; `on_lost(reason)` runs once
    when the connection that was up is gone: remote (it was closed there) or lost (no way to it any more).
    """

    def __init__(
        self,
        offer: Offer,
        servers: MediaServers,
        *,
        on_rtp: Callable[[bytes], None],
        on_rtcp: Callable[[bytes], None],
        on_lost: Callable[[str], None],
    ) -> None:
        self._offer = offer
        self._on_rtp, self._on_rtcp, self._on_lost = on_rtp, on_rtcp, on_lost
        self._gatherer = RTCIceGatherer(iceServers=list(_ice_servers(servers)))
        self._ice = RTCIceTransport(self._gatherer)
        self._connection: Any = self._ice._connection
        self._connection.ice_controlling = offer.ice_lite
        certificate = RTCCertificate.generateCertificate()
        self._dtls: Any = RTCDtlsTransport(self._ice, [certificate])
        self._dtls._set_role("server" if offer.setup == "passive" else "client")
        self._pass_on: Callable[[bytes, int], None] = self._connection.data_received
        setattr(self._connection, "data_received", self._data_received)  # noqa: B010  # a method, to mypy
        self._up = self._closing = False
        self._unprotect: Callable[[bytes], bytes] = _nothing
        self._protect: Callable[[bytes], bytes] = _nothing
        self._dtls.on("statechange", self._changed)
        self._ice.on("statechange", self._changed)

    # ---- what the answer tells

    async def gather(self, limit_s: float) -> None:
        """Finds our candidates; servers that do not answer within `limit_s` are left out. Raises ConnectionError."""
        find = self._connection.get_component_candidates
        self._connection.get_component_candidates = partial(_bounded, find, limit_s)
        await self._gatherer.gather()
        if not self._connection.local_candidates:
            raise ConnectionError("no network address to be reached at")

    @property
    def candidates(self) -> list[str]:
        """The values of a=candidate lines."""
        return [candidate_to_sdp(candidate) for candidate in self._gatherer.getLocalCandidates()]

    @property
    def ufrag(self) -> str:
        return str(self._gatherer.getLocalParameters().usernameFragment)

    @property
    def password(self) -> str:
        return str(self._gatherer.getLocalParameters().password)

    @property
    def fingerprint(self) -> str:
        """Of our certificate, by SHA-256."""
        prints = self._dtls.getLocalParameters().fingerprints
        return next(str(entry.value) for entry in prints if entry.algorithm == "sha-256")

    # ---- the connection

    async def connect(self, limit_s: float) -> None:
        """ICE and DTLS. Raises ConnectionError, which says what failed."""
        if self._closing:
            raise ConnectionError("closed before it began")
        for line in self._offer.candidates:
            await self.add_candidate(line)
        stage = "ICE found no way to the handset"
        try:
            async with asyncio.timeout(limit_s):
                await self._ice.start(
                    RTCIceParameters(self._offer.ufrag, self._offer.password, iceLite=self._offer.ice_lite)
                )
                if self._ice.state != "completed":
                    raise ConnectionError(stage)
                stage = "the handset did not complete the key exchange (DTLS)"
                prints = [RTCDtlsFingerprint(name, value) for name, value in self._offer.fingerprints]
                await self._dtls.start(RTCDtlsParameters(prints))
        except TimeoutError:
            raise ConnectionError(f"{stage} within {limit_s:g} s") from None
        if self._dtls.state != "connected":
            raise ConnectionError("the key exchange (DTLS) failed: wrong certificate, or nothing in common")
        self._unprotect, self._protect = self._dtls._rx_srtp.unprotect, self._dtls._tx_srtp.protect
        self._up = True

    async def add_candidate(self, line: str) -> None:
        """A candidate of the handset. Such as cannot be used are passed over: its own checks will find us."""
        try:
            candidate = Candidate.from_sdp(line)
        except (ValueError, IndexError):
            log.info("a candidate that is none: %r", line[:80])
            return
        if candidate.transport.lower() != "udp" or candidate.component != 1 or candidate.host.endswith(".local"):
            return
        try:
            await self._connection.add_remote_candidate(candidate)
        except ValueError as error:
            log.info("a candidate that cannot be used: %s", error)

    def _data_received(self, data: bytes, component: int) -> None:
        """Instead of aioice's queue and aiortc's task behind it: media goes straight on, DTLS its old way."""
        if not data:
            return
        if not 127 < data[0] < 192:
            self._pass_on(data, component)
            return
        if not self._up:
            return
        try:
            if is_rtcp(data):
                self._on_rtcp(self._dtls._rx_srtp.unprotect_rtcp(data))
            else:
                self._on_rtp(self._unprotect(data))
        except pylibsrtp.Error as error:  # forged, repeated or damaged: it counts as lost
            log.debug("a packet that cannot be decrypted: %s", error)

    def send_rtp(self, packet: bytes) -> None:
        """Encrypts and sends; before the connection is up, and after its end, nothing is sent."""
        if self._up:
            self._send(self._protect(packet))

    def send_rtcp(self, packet: bytes) -> None:
        if self._up:
            self._send(self._dtls._tx_srtp.protect_rtcp(packet))

    def _send(self, data: bytes) -> None:
        pair = self._connection._nominated.get(1)
        if pair is not None:
            pair.protocol.transport.sendto(data, pair.remote_addr)

    # ---- what it is

    @property
    def srtp(self) -> str:
        """The name of the SRTP profile, '' before the key exchange."""
        profile = self._dtls._ssl.get_selected_srtp_profile() if self._dtls._ssl is not None else b""
        return profile.decode("ascii", "replace") if profile else ""

    @property
    def path(self) -> tuple[str, str, str]:
        """Type of our candidate, type of theirs, their address; empty before ICE is through."""
        pair = self._connection._nominated.get(1)
        if pair is None:
            return "", "", ""
        host, port = pair.remote_addr
        address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        return pair.local_candidate.type, pair.remote_candidate.type, address

    # ---- the end

    def _changed(self) -> None:
        if not self._up or self._closing:
            return
        if self._ice.state in ("failed", "closed") or self._dtls.state in ("closed", "failed"):
            self._up = False
            # DTLS ends too when ICE has lost the way, and sooner; then there is no pair of candidates any more
            self._on_lost("remote" if self._connection._nominated else "lost")

    async def close(self) -> None:
        """Tells the handset, and gives everything back. Idempotent."""
        if self._closing:
            return
        self._closing, self._up = True, False
        await self._dtls.stop()
        await self._ice.stop()
        self._dtls.remove_all_listeners()
        # Their objects hold each other until the collector of cycles comes by, which may be hours; keys and contexts,
        # 70 KiB of them, are not to wait for that, nor is what was put into their objects
        self._dtls._ssl = self._dtls._rx_srtp = self._dtls._tx_srtp = None
        del self._connection.data_received
        self._connection.__dict__.pop("get_component_candidates", None)
        self._pass_on = self._unprotect = self._protect = _nothing  # type: ignore[assignment]
        self._on_rtp = self._on_rtcp = self._on_lost = _nothing  # type: ignore[assignment]


def _nothing(*_: object) -> bytes:
    return b""


async def _bounded(
    find: Callable[..., Any], limit_s: float, *, component: int, addresses: list[str]
) -> list[Candidate]:
    """Candidates of all addresses; loopback's where there is no other, for a browser on this machine."""
    found: list[Candidate] = await find(component=component, addresses=addresses or [LOOPBACK], timeout=limit_s)
    return found


def _ice_servers(servers: MediaServers) -> Iterator[RTCIceServer]:
    if servers.stun is not None:
        yield RTCIceServer(f"stun:{servers.stun.host}:{servers.stun.port}")
    if servers.relay is not None and servers.turn is not None:
        scheme = "turns" if servers.turn.transport == "tls" else "turn"
        carrier = "udp" if servers.turn.transport == "udp" else "tcp"
        url = f"{scheme}:{servers.relay.host}:{servers.relay.port}?transport={carrier}"
        yield RTCIceServer(url, username=servers.turn.username, credential=servers.turn.password.reveal())
