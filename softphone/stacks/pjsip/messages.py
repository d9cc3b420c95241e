"""SIP messages as PJSIP hands them over, as text: the parts that the engine wants (RFC 3261 section 7)."""

from __future__ import annotations

import re

from softphone.stacks.base import Headers

# RFC 3261 section 7.3.3 and later registrations
_COMPACT = {
    "a": "Accept-Contact",
    "b": "Referred-By",
    "c": "Content-Type",
    "d": "Request-Disposition",
    "e": "Content-Encoding",
    "f": "From",
    "i": "Call-ID",
    "j": "Reject-Contact",
    "k": "Supported",
    "l": "Content-Length",
    "m": "Contact",
    "o": "Event",
    "r": "Refer-To",
    "s": "Subject",
    "t": "To",
    "u": "Allow-Events",
    "v": "Via",
    "x": "Session-Expires",
    "y": "Identity",
}

_CONTROLS = {9: " "} | {code: "\ufffd" for code in (*range(9), *range(10, 32), *range(127, 160))}

_SECRET = frozenset({"authorization", "proxy-authorization", "authentication-info", "proxy-authentication-info"})


def readable(text: str) -> str:
    """Text of the far end as text for everybody.

    Bytes that are no UTF-8 reach us as lone surrogates (PEP 383), which no encoder would take any further. Old PBXs
    write names in Latin-1, or what Windows made of it, so that is how they are read. Control characters, which could
    speak to somebody's terminal, are replaced.
    """
    return _decoded(text).translate(_CONTROLS)


def _decoded(text: str) -> str:
    try:
        text.encode()
        return text
    except UnicodeEncodeError:
        pass
    try:
        return text.encode(errors="surrogateescape").decode("cp1252", errors="replace")
    except UnicodeEncodeError:
        return text.encode(errors="replace").decode()


def headers(message: str) -> Headers:
    """All headers by full name; folded lines joined; names keep the sender's spelling except for compact forms.

    Credentials are left out: headers go into events. Lines that are not headers are passed over.
    """
    head = re.split(r"\r?\n\r?\n", message, maxsplit=1)[0]
    unfolded = re.sub(r"\r?\n[ \t]+", " ", head)
    found: Headers = {}
    for line in re.split(r"\r?\n", unfolded)[1:]:
        name, colon, value = line.partition(":")
        name = name.strip()
        if not colon or not name or name.lower() in _SECRET:
            continue
        found.setdefault(_COMPACT.get(name.lower(), readable(name)), []).append(readable(value.strip()))
    return found


def first(found: Headers, name: str) -> str:
    """The first value of a header, whatever its spelling; '' if there is none."""
    wanted = name.lower()
    return next((values[0] for key, values in found.items() if key.lower() == wanted and values), "")


def request_uri(message: str) -> str:
    """The Request-URI of a request, '' for anything else."""
    match = re.match(r"[A-Z]+ (\S+) SIP/2\.0", message)
    return readable(match[1]) if match else ""


def identity(found: Headers) -> str:
    """Who the sender says to be, as in From: by P-Asserted-Identity (RFC 3325) or Remote-Party-ID; '' if unsaid."""
    return first(found, "P-Asserted-Identity") or first(found, "Remote-Party-ID")


def tells_sdp(found: Headers) -> bool:
    """Whether these are the headers of a message that carries a session description."""
    kind = first(found, "Content-Type").lower()
    return kind.startswith(("application/sdp", "multipart/")) and first(found, "Content-Length") != "0"


def requires(message: str, extension: str) -> bool:
    """Whether the message's Require names this option tag."""
    lines = [line for name, found in headers(message).items() if name.lower() == "require" for line in found]
    return extension in (tag.strip().lower() for tag in ",".join(lines).split(","))
