"""One SIP message of a trace, and its parts (RFC 3261 section 7), read as tolerantly as a trace has to."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NamedTuple

_COMPACT = {
    "c": "content-type",
    "e": "content-encoding",
    "f": "from",
    "i": "call-id",
    "l": "content-length",
    "m": "contact",
    "o": "event",
    "r": "refer-to",
    "t": "to",
    "v": "via",
    "x": "session-expires",
    "y": "identity",
}
_BLANK = re.compile(rb"\r?\n\r?\n")
_FOLD = re.compile(r"\r?\n[ \t]+")
_LINE_END = re.compile(r"\r?\n")


class Place(NamedTuple):
    """A numeric address and a port."""

    address: str
    port: int

    def __str__(self) -> str:
        host = f"[{self.address}]" if ":" in self.address else self.address
        return f"{host}:{self.port}"


@dataclass(frozen=True, slots=True)
class SipMessage:
    """A message as a stack saw it. `time_us` is Unix time in microseconds; `transport`: udp, tcp, tls, wss; `data`:
    before encryption, or after decryption."""

    time_us: int
    sent: bool
    transport: str
    local: Place
    remote: Place
    data: bytes


@dataclass(frozen=True, slots=True)
class Parts:
    """`headers`: full names in lower case with their values, folded lines joined, in order. Text is UTF-8, or what can
    be made of it; it is not `clean`."""

    start: str
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def first(self, name: str) -> str:
        """The first value of a header, '' if there is none."""
        return next((value for found, value in self.headers if found == name), "")

    @property
    def status(self) -> int:
        """The status code of a response, 0 for a request."""
        match = re.match(r"SIP/2\.0 ([1-6][0-9][0-9])(?: |$)", self.start)
        return int(match[1]) if match else 0

    @property
    def method(self) -> str:
        """Of a request the method, of a response the method that it answers."""
        if self.start.startswith("SIP/2.0 "):
            return self.first("cseq").partition(" ")[2].strip()
        return self.start.partition(" ")[0]


def divide(data: bytes) -> tuple[bytes, bytes]:
    """Head (with the blank line) and body."""
    match = _BLANK.search(data)
    end = match.end() if match else len(data)
    return data[:end], data[end:]


def parts(data: bytes) -> Parts:
    """Any bytes have parts; what is no header is passed over."""
    head, body = divide(data)
    text = _FOLD.sub(" ", head.rstrip(b"\r\n").decode("utf-8", "replace"))
    start, *lines = _LINE_END.split(text)
    headers = []
    for line in lines:
        name, colon, value = line.partition(":")
        name = name.strip().lower()
        if colon and name:
            headers.append((_COMPACT.get(name, name), value.strip()))
    return Parts(start, tuple(headers), body)


def shown(data: bytes) -> str:
    """As text for a terminal or a document, lines and tabs kept."""
    return clean(data.decode("utf-8", "replace"), keep="\r\n\t")


def clean(text: str, keep: str = "") -> str:
    """Without characters that could speak to a terminal or turn its writing round."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c in keep else " " if c == "\t" else "\ufffd" for c in text)


def user_and_host(value: str) -> tuple[str, str]:
    """User and host of the SIP URI in a From, To or Request-URI, ('', '') where there is none."""
    match = re.search(r"sips?:(?:([^@<>\s;:]*)(?::[^@<>\s]*)?@)?(\[[^\]]*\]|[^<>\s;:?]*)", value, re.IGNORECASE)
    return (match[1] or "", match[2].lower()) if match else ("", "")
