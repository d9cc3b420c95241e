"""Keys agreed in the sound's own path: ICE checks answered, the DTLS handshake made, on one stream's socket.

OpenSSL is loaded when the first such call comes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from softphone.lab.media.ice import Address, Credentials, answer_check
from softphone.lab.media.negotiation import DtlsLocal, DtlsTerms
from softphone.lab.media.srtp import SdesKey

if TYPE_CHECKING:
    from softphone.lab.media.dtls import Handshake, Identity

# RFC 7983: what the first byte of a datagram tells
STUN_BYTES = range(0, 4)
DTLS_BYTES = range(20, 64)


def new_identity() -> Identity:
    """A fresh certificate."""
    from softphone.lab.media.dtls import new_identity as make

    return make()


class KeyExchange:
    """`remote` is where the phone is, once it told; `on_keys(local, remote)` gets the keys, `on_failure` a text."""

    def __init__(
        self,
        identity: Identity,
        send: Callable[[bytes, Address], None],
        on_keys: Callable[[SdesKey, SdesKey], None],
        on_failure: Callable[[str], None],
    ) -> None:
        self.remote: Address | None = None
        self._on_failure = on_failure
        self._identity = identity
        self._send = send
        self._on_keys = on_keys
        self._ice = Credentials.new()
        self._terms: DtlsTerms | None = None
        self._handshake: Handshake | None = None

    def local(self, terms: DtlsTerms | None) -> DtlsLocal:
        """What to say of ourselves in an answer to `terms`, or in an offer: then with ICE, and either role will do."""
        if terms is None:
            terms = self._terms
            return DtlsLocal(self._identity.fingerprint, "actpass", self._ice if terms is None or terms.ice else None)
        return DtlsLocal(
            self._identity.fingerprint, "active" if terms.client else "passive", self._ice if terms.ice else None
        )

    def apply(self, terms: DtlsTerms, address: Address) -> bool:
        """Go on with what the phone says; True if that starts a new association, and old keys are void."""
        old, self._terms = self._terms, terms
        if old is not None and old.ice != terms.ice:
            self._restart_ice(old, terms)
        if self._handshake is not None and old is not None and old.fingerprints == terms.fingerprints:
            return False
        self._begin(terms, None if terms.ice else address)
        return True

    def _restart_ice(self, old: DtlsTerms, terms: DtlsTerms) -> None:
        """Another ufrag of the phone asks for another of ours (RFC 8445 section 9)."""
        if old.ice is not None and terms.ice is not None:
            self._ice = Credentials.new()

    def _begin(self, terms: DtlsTerms, address: Address | None) -> None:
        from softphone.lab.media.dtls import Handshake

        if self._handshake is not None:
            self._handshake.close()
        self.remote = address
        self._handshake = Handshake(
            self._identity,
            client=terms.client,
            fingerprints=terms.fingerprints,
            send=self._send_out,
            on_keys=self._on_keys,
            on_failure=self._on_failure,
        )
        if address is not None:
            self._handshake.start()

    def takes(self, data: bytes, source: Address, *, rtcp: bool = False) -> bool:
        """Whether a datagram was part of all this, and no sound. RTCP on a port of its own gets no keys here."""
        if not data or rtcp:
            return rtcp
        if data[0] in STUN_BYTES:
            self._check(data, source)
        elif data[0] in DTLS_BYTES:
            if self._handshake is not None:
                if self.remote is None or self._terms is None or self._terms.ice is None:
                    self.remote = source  # without ICE, where it comes from counts for more than what SDP said
                self._handshake.receive(data)
        else:
            return False
        return True

    def _check(self, data: bytes, source: Address) -> None:
        checked = answer_check(data, source[:2], self._ice)
        if checked is None:
            return
        self._send(checked.answer, source)
        if checked.nominated or self.remote is None:
            self.remote = source
        if self._handshake is not None:
            self._handshake.start()

    def _send_out(self, datagram: bytes) -> None:
        if self.remote is not None:
            self._send(datagram, self.remote)

    def close(self) -> None:
        """Stop the handshake's timer."""
        if self._handshake is not None:
            self._handshake.close()
