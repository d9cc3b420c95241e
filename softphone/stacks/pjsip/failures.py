"""What PJSIP's status codes mean for a person: causes and cures of network and TLS faults."""

from __future__ import annotations

import errno
import os
import re
from dataclasses import dataclass

import pjsua2 as pj

_OS_ERROR = 120000  # PJ_ERRNO_START_SYS: status = this + errno

# pjsip/sip_errno.h; pjsua2 does not export these
_EFAILEDCREDENTIAL = 171100
_ENOCREDENTIAL = 171101
_EAUTHSTALECOUNT = 171111


@dataclass(frozen=True, slots=True)
class Fault:
    """`cause` says what happened, `advice` what to do."""

    cause: str
    advice: str


_OS_FAULTS = {
    errno.ECONNREFUSED: (
        "the connection was refused: nothing listens there",
        "check registrar, port and transport of the account, and that the PBX is up",
    ),
    errno.ENETUNREACH: ("there is no route to the network", "check the network connection and the default route"),
    errno.EHOSTUNREACH: ("there is no route to the host", "check the network connection, and any VPN or firewall"),
    errno.ETIMEDOUT: ("no answer to the connection attempt", "check the address, the port, and any firewall between"),
    errno.ECONNRESET: ("the far end cut the connection", "check that this port speaks the account's transport"),
    errno.EPIPE: ("the connection was closed by the far end", "it is opened again by itself"),
    errno.EACCES: ("the system forbids this connection", "check firewall rules on this machine"),
    errno.EADDRINUSE: ("the local port is in use", "set sip ports to 0 (any free port), or free the port"),
    errno.EADDRNOTAVAIL: ("the local address does not exist", "check `sip.bind`"),
    errno.EMFILE: ("too many open files", "raise the limit of open files (LimitNOFILE)"),
}

_TLS_VERIFY = (
    (pj.PJ_SSL_CERT_EISSUER_NOT_FOUND, "its issuer is not a certificate authority that we trust", "ca"),
    (pj.PJ_SSL_CERT_EUNTRUSTED, "it is signed by itself, or by an authority that we do not trust", "ca"),
    (pj.PJ_SSL_CERT_EVALIDITY_PERIOD, "it has expired or is not valid yet", "date"),
    (pj.PJ_SSL_CERT_EIDENTITY_NOT_MATCH, "it is for another host name", "name"),
    (pj.PJ_SSL_CERT_EINVALID_FORMAT, "it cannot be read", "other"),
    (pj.PJ_SSL_CERT_EINVALID_PURPOSE, "it is not meant for servers", "other"),
    (pj.PJ_SSL_CERT_ECHAIN_TOO_LONG, "its chain is too long", "other"),
    (pj.PJ_SSL_CERT_EREVOKED, "it has been revoked", "other"),
    (pj.PJ_SSL_CERT_EWEAK_SIGNATURE, "its signature is too weak", "other"),
    (pj.PJ_SSL_CERT_EUNKNOWN, "it could not be verified", "other"),
)

_TLS_ADVICE = {
    "ca": "if the PBX has its own certificate authority, name it in tls.ca_file",
    "date": "renew the PBX's certificate, and check the clock of this machine",
    "name": "check the domain of the account, or set tls.server_name to the name in the certificate",
    "other": "have the PBX's certificate mended",
}


def certificate_fault(verify_status: int, names: str = "") -> Fault | None:
    """The fault behind a TLS verification status (a bit mask), None if it is clean.

    names: the names that the certificate is for, '' if unknown; shown where the name does not match.
    """
    for bit, cause, kind in _TLS_VERIFY:
        if verify_status & bit:
            shown = f" ({names})" if kind == "name" and names else ""
            return Fault(f"the PBX's TLS certificate was refused: {cause}{shown}", _TLS_ADVICE[kind])
    return None


def status_fault(status: int) -> Fault:
    """The fault behind a PJSIP status of a request that got no SIP answer."""
    if known := _OS_FAULTS.get(status - _OS_ERROR):
        return Fault(*known)
    text = _status_text(status)
    if status in (_EAUTHSTALECOUNT, _EFAILEDCREDENTIAL):
        return Fault(
            "the PBX does not accept the password of this account",
            "check the password of the extension in the PBX",
        )
    if status == _ENOCREDENTIAL:
        return Fault(
            "the PBX asks for a password for another realm than the account's domain",
            "set the domain of the account to the realm of the PBX (the extension's user_context)",
        )
    if "ssl" in text.lower() or "tls" in text.lower():
        return Fault(
            f"the TLS handshake failed: {text}",
            "check that the port speaks TLS (5061 by default) and which TLS versions the PBX allows",
        )
    return Fault(f"no connection to the PBX: {text}" if text else "no answer from the PBX", "check address and port")


def text_fault(text: str) -> Fault | None:
    """The fault behind a reason phrase that PJSIP made of a system error; None for any other text."""
    number = next((n for n in _OS_FAULTS if text.startswith(os.strerror(n))), None)
    return Fault(*_OS_FAULTS[number]) if number else None


def _status_text(status: int) -> str:
    text: str = pj.Endpoint.instance().utilStrError(status) if status else ""
    return re.sub(r"\s*\([A-Z_0-9]+\)$", "", text).strip()
