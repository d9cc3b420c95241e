"""DTLS-SRTP (RFC 5763, RFC 5764): the keys of the sound are agreed in the sound's own path.

OpenSSL does the handshake in memory; datagrams come and go by calls. Whom we talk to is told by the fingerprint in the
session description: no certificate authority has a say in it.
"""

from __future__ import annotations

import asyncio
import datetime
import functools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from OpenSSL import SSL

from softphone.lab.media.srtp import SUITES, SdesKey

# In our order of preference: OpenSSL's name of the profile, and RFC 4568's name of the suite
PROFILES = {
    b"SRTP_AES128_CM_SHA1_80": "AES_CM_128_HMAC_SHA1_80",
    b"SRTP_AEAD_AES_128_GCM": "AEAD_AES_128_GCM",
    b"SRTP_AEAD_AES_256_GCM": "AEAD_AES_256_GCM",
}
EXPORTER = b"EXTRACTOR-dtls_srtp"
HASHES: dict[str, Callable[[], hashes.HashAlgorithm]] = {
    "sha-1": hashes.SHA1,
    "sha-256": hashes.SHA256,
    "sha-384": hashes.SHA384,
    "sha-512": hashes.SHA512,
}
RECORD_HEADER_BYTES = 13
MAX_DATAGRAM_BYTES = 1200
READ_BYTES = 65536
VALIDITY = datetime.timedelta(days=30)


class DtlsError(ValueError):
    """The handshake failed, or the certificate is not the announced one."""


@dataclass(frozen=True)
class Identity:
    """A self-signed certificate and its key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @functools.cached_property
    def fingerprint(self) -> str:
        """For a=fingerprint: `sha-256 AA:BB:...`."""
        return f"sha-256 {_digest(self.certificate, 'sha-256')}"


def new_identity() -> Identity:
    """A fresh one; a lab makes one for all its calls."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "softphone-lab")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + VALIDITY)
        .sign(key, hashes.SHA256())
    )
    return Identity(certificate, key)


def _digest(certificate: x509.Certificate, algorithm: str) -> str:
    return certificate.fingerprint(HASHES[algorithm]()).hex(":").upper()


def matches(certificate: x509.Certificate, fingerprints: Sequence[str]) -> bool:
    """Whether the certificate is one of those announced (values of a=fingerprint)."""
    for value in fingerprints:
        algorithm, _, digest = value.strip().partition(" ")
        if algorithm.lower() in HASHES and _digest(certificate, algorithm.lower()) == digest.strip().upper():
            return True
    return False


class Handshake:
    """One association. `on_keys(local, remote)` gets the SRTP keys, `on_failure(why)` the bad news."""

    def __init__(
        self,
        identity: Identity,
        *,
        client: bool,
        fingerprints: Sequence[str],
        send: Callable[[bytes], None],
        on_keys: Callable[[SdesKey, SdesKey], None],
        on_failure: Callable[[str], None],
    ) -> None:
        self.client = client
        self.done = False
        self._fingerprints = tuple(fingerprints)
        self._send = send
        self._on_keys = on_keys
        self._on_failure = on_failure
        self._timer: asyncio.TimerHandle | None = None
        self._closed = False
        self._started = False
        self._ssl = SSL.Connection(_context(identity), None)
        if client:
            self._ssl.set_connect_state()
        else:
            self._ssl.set_accept_state()

    def start(self) -> None:
        """Send the first flight, if that is our part; once."""
        if self.client and not self._started and not self._closed:
            self._started = True
            self._step()

    def receive(self, datagram: bytes) -> None:
        """One datagram of the other side."""
        if self._closed:
            return
        self._started = True
        self._ssl.bio_write(datagram)
        if self.done:
            self._read_on()
        else:
            self._step()

    def close(self) -> None:
        """Stop repeating, and say no more."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()

    def _step(self) -> None:
        try:
            self._ssl.do_handshake()
        except SSL.WantReadError:
            self._flush()
            self._wait()
            return
        except SSL.Error as error:
            self._flush()
            self._fail(f"handshake: {_reason(error)}")
            return
        self._flush()
        self._finish()

    def _finish(self) -> None:
        try:
            keys = self._keys()
        except DtlsError as error:
            self._fail(str(error))
            return
        self.done = True
        if self._timer is not None:
            self._timer.cancel()
        self._on_keys(*keys)

    def _keys(self) -> tuple[SdesKey, SdesKey]:
        """Ours and theirs (RFC 5764 section 4.2). Raises DtlsError."""
        certificate = self._ssl.get_peer_certificate(as_cryptography=True)
        if certificate is None or not matches(certificate, self._fingerprints):
            raise DtlsError("the certificate is not the one whose fingerprint was announced")
        suite = PROFILES.get(self._ssl.get_selected_srtp_profile())
        if suite is None:
            raise DtlsError("no SRTP profile in common")
        key, salt = SUITES[suite].key_bytes, SUITES[suite].salt_bytes
        material = self._ssl.export_keying_material(EXPORTER, 2 * (key + salt))
        client = material[:key] + material[2 * key : 2 * key + salt]
        server = material[key : 2 * key] + material[2 * key + salt :]
        ours, theirs = (client, server) if self.client else (server, client)
        return SdesKey(1, suite, ours), SdesKey(1, suite, theirs)

    def _read_on(self) -> None:
        """After the handshake: a repeated flight wants its answer again, an alert ends the association."""
        try:
            self._ssl.recv(READ_BYTES)
        except SSL.WantReadError:
            self._flush()
        except SSL.Error:
            self.close()

    def _fail(self, why: str) -> None:
        self.close()
        self._on_failure(why)

    def _wait(self) -> None:
        """Repeat the flight when its answer does not come (RFC 6347 section 4.2.4)."""
        if self._timer is not None:
            self._timer.cancel()
        timeout_s = self._ssl.DTLSv1_get_timeout()
        if timeout_s is not None:
            self._timer = asyncio.get_running_loop().call_later(max(timeout_s, 0.001), self._repeat)

    def _repeat(self) -> None:
        if self._closed:
            return
        try:
            self._ssl.DTLSv1_handle_timeout()
        except SSL.Error as error:
            self._fail(f"no answer: {_reason(error)}")
            return
        self._flush()
        self._wait()

    def _flush(self) -> None:
        try:
            data = self._ssl.bio_read(READ_BYTES)
        except SSL.WantReadError:
            return
        for datagram in _datagrams(data):
            self._send(datagram)


def _context(identity: Identity) -> SSL.Context:
    context = SSL.Context(SSL.DTLS_METHOD)
    context.set_options(SSL.OP_NO_TICKET)
    # every certificate passes here: the fingerprint is what is checked, and it needs no chain
    context.set_verify(SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT, lambda *_: True)
    context.use_certificate(identity.certificate)
    context.use_privatekey(identity.key)
    context.set_tlsext_use_srtp(b":".join(PROFILES))
    return context


def _datagrams(data: bytes) -> Iterator[bytes]:
    """OpenSSL leaves a flight in one piece: cut it between records, never inside one."""
    start = end = 0
    while end + RECORD_HEADER_BYTES <= len(data):
        record = RECORD_HEADER_BYTES + int.from_bytes(data[end + 11 : end + 13], "big")
        if end > start and end + record - start > MAX_DATAGRAM_BYTES:
            yield data[start:end]
            start = end
        end += record
    if start < len(data):
        yield data[start:]


def _reason(error: SSL.Error) -> str:
    details = error.args[0] if error.args else ()
    return str(details[0][-1]) if isinstance(details, list) and details else type(error).__name__
