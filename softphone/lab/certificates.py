"""The lab's own certificate authority: made at start, thrown away at the end."""

from __future__ import annotations

import datetime
import ipaddress
import os
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

VALIDITY = datetime.timedelta(days=30)
NOW = datetime.timedelta(0)


@dataclass(frozen=True)
class CertificateFiles:
    """Where the PEM files lie. `ca` is what a client must trust."""

    ca: Path
    certificate: Path
    key: Path

    def server_context(self) -> ssl.SSLContext:
        """TLS 1.2 or later, with the lab's certificate, asking none of the client."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.load_cert_chain(self.certificate, self.key)
        return context


class Authority:
    """A certificate authority with a key that never leaves the process."""

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._certificate = _make_ca(self._key)

    @property
    def pem(self) -> bytes:
        """What a client must trust."""
        return _pem(self._certificate)

    def write(
        self, folder: Path, names: Sequence[str], *, stem: str = "server", ago: datetime.timedelta = NOW
    ) -> CertificateFiles:
        """Issue a certificate for those names into `folder`: ca.pem, `stem`.pem and `stem`.key (0600).

        `ago` moves its whole time into the past.
        """
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = _make_server(self._certificate, self._key, key, names, ago)
        files = CertificateFiles(folder / "ca.pem", folder / f"{stem}.pem", folder / f"{stem}.key")
        files.ca.write_bytes(self.pem)
        files.certificate.write_bytes(_pem(certificate) + self.pem)
        write_private(files.key, _key_pem(key))
        return files


def make_certificates(folder: Path, names: Sequence[str]) -> CertificateFiles:
    """Write ca.pem, server.pem and server.key (0600) into `folder`; `names` are host names and IP addresses."""
    return Authority().write(folder, names)


def write_private(path: Path, content: bytes) -> None:
    """Write a file that only its owner may read."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)


def _make_ca(key: ec.EllipticCurvePrivateKey) -> x509.Certificate:
    name = _name("softphone lab CA")
    usage = x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=True,
        crl_sign=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
    return (
        _builder(name, name, key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )


def _make_server(
    ca: x509.Certificate,
    ca_key: ec.EllipticCurvePrivateKey,
    key: ec.EllipticCurvePrivateKey,
    names: Sequence[str],
    ago: datetime.timedelta,
) -> x509.Certificate:
    issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key())
    return (
        _builder(_name(names[0]), ca.subject, key.public_key(), ago)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([_alt_name(name) for name in names]), critical=False)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(issuer, critical=False)
        .sign(ca_key, hashes.SHA256())
    )


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, ago: datetime.timedelta = NOW
) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC) - ago
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + VALIDITY)
    )


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _alt_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
