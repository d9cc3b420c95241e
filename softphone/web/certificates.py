"""The listener's TLS: a given certificate, or one of our own making that is kept in the state folder.

Our own is self-signed and no authority: who trusts it trusts this phone under these names, and nothing else. It is made
anew when it is about to run out or when the names change; its fingerprint is what a person compares with what the
browser shows.
"""

from __future__ import annotations

import datetime
import ipaddress
import os
import socket
import ssl
from collections.abc import Iterable
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from softphone.config.web import Web
from softphone.errors import ConfigError

VALIDITY = datetime.timedelta(days=5 * 365)
RENEW_BEFORE = datetime.timedelta(days=30)
LOCAL_NAMES = ("localhost", "127.0.0.1", "::1")


class Certificate:
    """The files in use, and the SHA-256 fingerprint of what is in them."""

    def __init__(self, certificate: Path, key: Path) -> None:
        self.certificate, self.key = certificate, key
        self.fingerprint = ""

    def context(self) -> ssl.SSLContext:
        """TLS 1.2 or later with this certificate. Raises ConfigError where it cannot be used."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.set_alpn_protocols(["http/1.1"])
        self.load_into(context)
        return context

    def load_into(self, context: ssl.SSLContext) -> None:
        """Reads the files (again), for the connections to come. Raises ConfigError; then nothing has changed."""
        try:
            # a passphrase cannot be asked for: a key that has one is refused instead of waiting at the terminal
            context.load_cert_chain(self.certificate, self.key, password=b"")
            found = x509.load_pem_x509_certificate(self.certificate.read_bytes())
        except (ssl.SSLError, ValueError) as error:
            why = "it does not fit its key" if _mismatch(error) else f"{error}"
            raise _wrong(f"{self.certificate} with the key {self.key} cannot be used: {why}") from error
        except OSError as error:
            raise _wrong(f"{error.filename or self.certificate} cannot be read: {error.strerror}") from error
        self.fingerprint = fingerprint(found)


def _mismatch(error: Exception) -> bool:
    return isinstance(error, ssl.SSLError) and error.reason == "KEY_VALUES_MISMATCH"


def _wrong(text: str) -> ConfigError:
    return ConfigError(text, key="web.certificate")


def certificate_of(web: Web, folder: Path) -> Certificate:
    """The given certificate, or our own one, made if need be. Blocks for some milliseconds. Raises ConfigError."""
    if web.certificate is not None and web.key is not None:
        return Certificate(web.certificate, web.key)
    return own_certificate(folder, names_of(web))


def names_of(web: Web) -> list[str]:
    """Under which names our own certificate is good."""
    bound = [] if ipaddress.ip_address(web.bind).is_unspecified else [web.bind]
    return list(dict.fromkeys([*LOCAL_NAMES, socket.gethostname().lower(), *bound, *web.names]))


def own_certificate(folder: Path, names: list[str]) -> Certificate:
    """What is in `folder` if it is still good for `names`, else a new one. Raises ConfigError (folder)."""
    files = Certificate(folder / "certificate.pem", folder / "key.pem")
    try:
        if not _still_good(files, names):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            _make(files, names)
    except OSError as error:
        text = f"{error.filename or folder} cannot be written: {error.strerror}; give `certificate` and `key` instead"
        raise _wrong(text) from error
    return files


def _still_good(files: Certificate, names: list[str]) -> bool:
    try:
        found = x509.load_pem_x509_certificate(files.certificate.read_bytes())
        usable = files.key.is_file()
    except (FileNotFoundError, ValueError):
        return False
    left = found.not_valid_after_utc - datetime.datetime.now(datetime.UTC)
    alternative = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return usable and left > RENEW_BEFORE and set(alternative) == set(_alternatives(names))


def _make(files: Certificate, names: list[str]) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    now = datetime.datetime.now(datetime.UTC)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "softphone")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + VALIDITY)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName(_alternatives(names)), critical=False)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    _write(files.key, pem, 0o600)
    _write(files.certificate, certificate.public_bytes(serialization.Encoding.PEM), 0o644)


def _write(path: Path, content: bytes, mode: int) -> None:
    """Whole or not at all: a phone that is killed meanwhile finds the old file or the new one."""
    part = path.with_name(path.name + ".new")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
    part.replace(path)


def _alternatives(names: Iterable[str]) -> list[x509.GeneralName]:
    return [_alternative(name) for name in names]


def _alternative(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def fingerprint(certificate: x509.Certificate) -> str:
    """SHA-256, as browsers show it: pairs of hexadecimal digits with colons between."""
    return certificate.fingerprint(hashes.SHA256()).hex(":").upper()
