"""A session description in one line, for people (RFC 8866)."""

from __future__ import annotations

import re

from softphone.tracing.message import shown

# RFC 3551 section 6: formats that need no rtpmap
_STATIC = {"0": "PCMU", "3": "GSM", "4": "G723", "8": "PCMA", "9": "G722", "13": "CN", "15": "G728", "18": "G729"}
_DIRECTIONS = ("sendrecv", "sendonly", "recvonly", "inactive")


def summary(body: bytes) -> str:
    """`audio 192.0.2.7:4000 opus PCMU, sendrecv, SDES`; '' where there is no media line."""
    session, *sections = re.split(r"^(?=m=)", shown(body), flags=re.MULTILINE)
    return "; ".join(_media(session, section) for section in sections)


def _media(session: str, section: str) -> str:
    words = (section[2:].splitlines() or [""])[0].split()
    kind, port, protocol, formats = (*words[:3], *[""] * (3 - len(words[:3])), words[3:])
    if port == "0":
        return f"{kind} refused"
    address = _connection(section) or _connection(session)
    facts = [f"{kind} {address}:{port} {' '.join(_codecs(section, formats))}".rstrip(), _direction(session, section)]
    facts += ["on hold by 0.0.0.0"] if address == "0.0.0.0" else []
    facts += [security] if (security := _security(session + section, str(protocol))) else []
    return ", ".join(facts)


def _connection(text: str) -> str:
    match = re.search(r"^c=IN IP[46] ([^\s/]+)", text, re.MULTILINE)
    return match[1] if match else ""


def _codecs(section: str, formats: list[str]) -> list[str]:
    names = dict(re.findall(r"^a=rtpmap:([0-9]{1,3}) ([^\s/]+)", section, re.MULTILINE))
    found = [names.get(f) or _STATIC.get(f, f) for f in formats]
    return list(dict.fromkeys("DTMF" if name == "telephone-event" else name for name in found))


def _direction(session: str, section: str) -> str:
    for text in (section, session):
        if match := re.search(rf"^a=({'|'.join(_DIRECTIONS)})\s*$", text, re.MULTILINE):
            return match[1]
    return "sendrecv"


def _security(text: str, protocol: str) -> str:
    if re.search(r"^a=crypto:", text, re.MULTILINE):
        return "SDES" if "SAVP" in protocol else "SDES offered"
    if re.search(r"^a=fingerprint:", text, re.MULTILINE):
        return "DTLS"
    return "SRTP" if "SAVP" in protocol else ""
