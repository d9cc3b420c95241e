"""Certificates in words: whose, by whom, until when; and why one is refused."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from cryptography.x509.oid import NameOID

from softphone.cli.doctor.findings import Area, Finding

SOON_DAYS = 21

# OpenSSL's X509_V_ERR_* (x509_vfy.h)
_OTHER_KEY, _NOT_YET_VALID, _EXPIRED = 7, 9, 10
_SELF_SIGNED_LEAF, _SELF_SIGNED_CHAIN, _NO_ISSUER, _NO_ISSUER_LOCALLY, _UNVERIFIABLE_LEAF = 18, 19, 2, 20, 21
_WRONG_NAME, _WRONG_ADDRESS = 62, 64


def judge(area: Area, der: bytes, *, verified: bool, now: datetime | None = None) -> Iterator[Finding]:
    """A certificate that was accepted: for how long it will be."""
    if not verified:
        yield area.warn(
            "certificate",
            "not verified (tls.verify: false): anyone on the way can pose as the PBX",
            "take `verify: false` out, and name the PBX's authority with tls.ca_file",
        )
    found = _parsed(der)
    if found is None:
        return
    now = now or datetime.now(UTC)
    left = (found.not_valid_after_utc - now).days
    text = f"for {names(found)}, by {issuer(found)}, {left} days left (until {found.not_valid_after_utc:%Y-%m-%d})"
    if left < SOON_DAYS:
        yield area.warn("certificate", text, "renew it at the PBX before calls stop working")
    else:
        yield area.ok("certificate", text)


def explain(area: Area, der: bytes, error: ssl.SSLCertVerificationError, *, name: str, ca_file: Path | None) -> Finding:
    """A certificate that was refused: why, and what to do."""
    found = _parsed(der)
    code = error.verify_code
    if found is None:
        return area.fail("certificate", f"refused: {error.verify_message}", "have the PBX's certificate mended")
    if code == _EXPIRED:
        text = f"it expired on {found.not_valid_after_utc:%Y-%m-%d} (it is for {names(found)})"
        return area.fail(
            "certificate", text, "renew it at the PBX; if it should be valid, look at this machine's clock"
        )
    if code == _NOT_YET_VALID:
        here = f"{datetime.now(UTC):%Y-%m-%d %H:%M}"
        text = f"it is not valid before {found.not_valid_before_utc:%Y-%m-%d %H:%M} UTC, and here it is {here}"
        return area.fail("certificate", text, "this machine's clock is probably behind: `timedatectl set-ntp true`")
    if code in (_WRONG_NAME, _WRONG_ADDRESS):
        text = f"it is for {names(found)}, not for {name}"
        return area.fail(
            "certificate", text, "check the account's domain, or set tls.server_name to a name that it has"
        )
    return area.fail("certificate", _untrusted(found, code, ca_file), _trust_cure(ca_file))


def _untrusted(found: x509.Certificate, code: int, ca_file: Path | None) -> str:
    where = f"the authorities in {ca_file}" if ca_file else "the authorities of this system"
    if code == _SELF_SIGNED_LEAF:
        return f"it is signed by itself ({names(found)}), and not among {where}"
    if code in (_SELF_SIGNED_CHAIN, _NO_ISSUER, _NO_ISSUER_LOCALLY, _UNVERIFIABLE_LEAF):
        return f"its issuer, {issuer(found)}, is not among {where}"
    if code == _OTHER_KEY:
        return f"its issuer, {issuer(found)}, is among {where}, but with another key: it was made anew"
    return f"it is refused for another reason (OpenSSL's code {code}; it is for {names(found)}, by {issuer(found)})"


def _trust_cure(ca_file: Path | None) -> str:
    if ca_file is None:
        return "if the PBX has an authority of its own, put its certificate into a file and name it with tls.ca_file"
    return "tls.ca_file must hold the certificate of the authority that signed the PBX's; ask whoever runs the PBX"


def names(certificate: x509.Certificate) -> str:
    """What it is for: host names and addresses, or its subject."""
    try:
        alternatives = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, ValueError):
        return _common_name(certificate.subject)
    found = [str(name) for name in alternatives.get_values_for_type(x509.DNSName)]
    found += [str(address) for address in alternatives.get_values_for_type(x509.IPAddress)]
    return ", ".join(found[:6]) or _common_name(certificate.subject)


def issuer(certificate: x509.Certificate) -> str:
    """Who signed it."""
    return _common_name(certificate.issuer)


def _common_name(name: x509.Name) -> str:
    for kind in (NameOID.COMMON_NAME, NameOID.ORGANIZATION_NAME):
        if found := name.get_attributes_for_oid(kind):
            return str(found[0].value)
    return name.rfc4514_string() or "nobody"


def _parsed(der: bytes) -> x509.Certificate | None:
    try:
        return x509.load_der_x509_certificate(der)
    except ValueError:
        return None
