"""Certificates of a test's own authority: one good server certificate and the three that a phone must refuse."""

import datetime
import ipaddress
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

GOOD = "good"
WRONG_HOST = "wrong-host"
EXPIRED = "expired"
SELF_SIGNED = "self-signed"
KINDS = (GOOD, WRONG_HOST, EXPIRED, SELF_SIGNED)

_DAY = datetime.timedelta(days=1)


@dataclass(frozen=True)
class Identity:
    """A name with its key and its certificate."""

    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate


def write_certificates(folder: Path, host: str) -> Path:
    """Writes `<kind>.crt` and `<kind>.key` of each of KINDS into `folder`, and returns the CA's file.

    `good`, `expired` (ended a year ago) and `self-signed` are for `host`, localhost and 127.0.0.1;
    `wrong-host` is for another name. Anyone may read the keys: they live as long as a test run.
    """
    now = datetime.datetime.now(datetime.UTC)
    current = (now - _DAY, now + 30 * _DAY)
    past = (now - 730 * _DAY, now - 365 * _DAY)
    names = [x509.DNSName(host), x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    authority = _issue("Interop test CA", [], current, None)
    servers = {
        GOOD: _issue(host, names, current, authority),
        WRONG_HOST: _issue("other.test", [x509.DNSName("other.test")], current, authority),
        EXPIRED: _issue(host, names, past, authority),
        SELF_SIGNED: _issue(host, names, current, None),
    }
    for kind, identity in servers.items():
        _write(folder, kind, identity)
    return _write(folder, "ca", authority)


def _issue(
    name: str,
    alternatives: list[x509.GeneralName],
    validity: tuple[datetime.datetime, datetime.datetime],
    issuer: Identity | None,
) -> Identity:
    """A certificate signed by `issuer`, or by itself; without alternative names it is an authority's."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.certificate.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(validity[0])
        .not_valid_after(validity[1])
        .add_extension(x509.BasicConstraints(ca=not alternatives, path_length=None), critical=True)
    )
    if alternatives:
        usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
        builder = builder.add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        builder = builder.add_extension(usage, critical=False)
    certificate = builder.sign(issuer.key if issuer else key, hashes.SHA256())
    return Identity(key, certificate)


def _write(folder: Path, name: str, identity: Identity) -> Path:
    path = folder / f"{name}.crt"
    path.write_bytes(identity.certificate.public_bytes(serialization.Encoding.PEM))
    key = identity.key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / f"{name}.key").write_bytes(key)
    return path
