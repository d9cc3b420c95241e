"""SIP addresses: URIs (RFC 3261 section 19.1), the values of From, To and Contact (section 20), hosts with ports."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from urllib.parse import quote, unquote

from softphone.errors import UsageError

_USER_SAFE = "-_.!~*'()&=+$,;?/"  # unreserved and user-unreserved of RFC 3261 section 25.1
_NUMBER = re.compile(r"^\+?[0-9*#(][0-9*#() ./-]*$")
_SEPARATORS = re.compile(r"[() ./-]")
_HOST = re.compile(r"^(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_])?\.?)$")
_NAME_ADDR = re.compile(r'^\s*(?:"((?:[^"\\]|\\.)*)"|([^<"]*?))\s*<([^>]*)>')


@dataclass(frozen=True, slots=True)
class HostPort:
    """A host (name, IPv4, or IPv6 without brackets) and a port; port 0 means the default of the transport."""

    host: str
    port: int = 0

    @classmethod
    def parse(cls, text: str) -> HostPort:
        """Reads `host`, `host:port`, `[v6]` or `[v6]:port`. Raises UsageError."""
        match = re.fullmatch(r"(\[[^\]]*\]|[^:\[\]]+)(?::(\d{1,5}))?", text.strip())
        if not match or not _HOST.match(match[1]):
            raise UsageError(f"{text!r} is not a host or host:port")
        port = int(match[2] or 0)
        if port > 65535:
            raise UsageError(f"{text!r}: a port is at most 65535")
        return cls(match[1].strip("[]"), port)

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}" if self.port else host


@dataclass(frozen=True, slots=True)
class SipUri:
    """A sip: or sips: URI. `user` is unescaped; parameters keep their order; a flag parameter has the value ''."""

    host: str
    user: str = ""
    port: int = 0
    scheme: str = "sip"
    params: dict[str, str] = field(default_factory=dict)

    @classmethod
    def parse(cls, text: str) -> SipUri:
        """Reads one URI without angle brackets. A password and URI headers are dropped. Raises UsageError."""
        scheme, colon, rest = text.strip().partition(":")
        if not colon or scheme.lower() not in ("sip", "sips"):
            raise UsageError(f"{text!r} is not a SIP URI: it must start with sip: or sips:")
        before, at, after = rest.partition("@")  # a bare @ stands nowhere in a user
        user = before.partition(":")[0] if at else ""
        address, *params = (after if at else rest).partition("?")[0].split(";")
        place = HostPort.parse(address)
        pairs = (p.partition("=") for p in params if p)
        return cls(place.host, unquote(user), place.port, scheme.lower(), {k.lower(): v for k, _, v in pairs})

    def __str__(self) -> str:
        user = quote(self.user, safe=_USER_SAFE) + "@" if self.user else ""
        params = "".join(f";{k}={v}" if v else f";{k}" for k, v in self.params.items())
        return f"{self.scheme}:{user}{HostPort(self.host, self.port)}{params}"


@dataclass(frozen=True, slots=True)
class NameAddr:
    """The value of a From, To or Contact header: who is meant, and how they are called."""

    uri: str
    display_name: str = ""

    @classmethod
    def parse(cls, text: str) -> NameAddr:
        """Never fails: what cannot be read becomes the URI as it stands (remote input is shown, not judged)."""
        if match := _NAME_ADDR.match(text):
            quoted, plain, uri = match.groups()
            name = re.sub(r"\\(.)", r"\1", quoted) if quoted is not None else plain
            return cls(uri.strip(), name.strip())
        return cls(text.partition(";")[0].strip())

    @property
    def user(self) -> str:
        """The user part (extension or number), '' where there is none."""
        try:
            return SipUri.parse(self.uri).user
        except UsageError:
            return self.uri.removeprefix("tel:").partition(";")[0] if self.uri.startswith("tel:") else ""


def target_uri(target: str, domain: str) -> str:
    """The URI to call: a SIP URI as it stands, else a number or extension at `domain`.

    Separators that people write in numbers (spaces, dots, dashes, brackets) are dropped. Raises UsageError.
    """
    text = target.strip()
    if text.lower().startswith(("sip:", "sips:")):
        return str(SipUri.parse(text))
    if text.lower().startswith("tel:"):
        text = text[4:].partition(";")[0]
    if _NUMBER.match(text):
        return str(SipUri(domain, _SEPARATORS.sub("", text)))
    if "@" in text:
        return str(SipUri.parse(f"sip:{text}"))
    if re.fullmatch(r"[A-Za-z0-9_.!~*'()&=+$,?/-]+", text):
        return str(SipUri(domain, text))
    raise UsageError(f"cannot call {target!r}: give a number, an extension or a SIP URI such as sip:901@{domain}")
