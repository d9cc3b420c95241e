"""Takes secrets out of a SIP message and leaves everything else, its length included, as it was.

Each character of a secret becomes `*`, and each of an SRTP key one of MASKED, which is base64 as the key was. So
Content-Length stays right and a capture can still be decoded. Masked are
- credentials and challenges: of a digest all but what says who, where and how (RFC 7616); of other schemes everything;
- values of headers, URI parameters and fields of bodies whose names say secret, password, token, key, PIN and so on;
- passwords in URIs, push tokens (RFC 8599), the signature of an Identity header (RFC 8224);
- keys in SDP: `a=crypto` (RFC 4568), `a=key-mgmt`, `k=`, `a=ice-pwd`;
- digits in INFO and KPML bodies, since people type PINs: unless they are to be shown.

Strangers write these messages, so each pattern takes time in proportion to the message's length.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from softphone.config.secrets import SECRET_NAME
from softphone.tracing.message import divide

_CREDENTIALS = frozenset({"authorization", "proxy-authorization", "www-authenticate", "proxy-authenticate"})
_INFO = frozenset({"authentication-info", "proxy-authentication-info"})
_HARMLESS = frozenset({"username", "realm", "uri", "algorithm", "qop", "nc", "stale", "domain", "userhash", "charset"})
_NAME = rf"(?:{SECRET_NAME}|(?:[\w.-]{{0,64}}[_.-])?(?:pin|pwd|pass|otp|jwt|key|auth)|pn-(?:prid|param))"

_NO_KEY = "MASKED"

_HIDE = re.compile(r"[^ \t\r\n]+")
_BETWEEN = re.compile(r"[^ \t\r\n,]+")
_HEADER = re.compile(r"([^\s:]+)([ \t]*:)(.*)", re.DOTALL)
_LINE = re.compile(r"[^\n]*\n?(?:[ \t][^\n]*\n?)*")
_SECRET = re.compile(_NAME, re.IGNORECASE)
_PARAMETER = re.compile(r"(?<![\w-])([\w-]+)([ \t\r\n]*=[ \t\r\n]*)(\"(?:[^\"\\]|\\.)*\"|[^\s,\"]*)")
_NAMED_IN_HEAD = re.compile(r"(?<=[;?&,\s])([\w.-]++)[ \t]*=[ \t]*")
_NAMED_IN_BODY = re.compile(r"(?<![\w.-])([\w.-]++)[\"']?[ \t]*[=:][ \t]*")
_VALUE = re.compile(r"\"(?:[^\"\\\r\n]|\\.)*\"?|'[^'\r\n]*'?|[^\s;,&<>\"']+")
_BEARER = re.compile(r"\b((?:Bearer|Basic)[ \t]+)([\w.~+/=-]{8,})", re.IGNORECASE)
_TOKEN = re.compile(r"[^\s<>\"]+")
_INLINE = re.compile(r"(inline:)([^\s|;]+)", re.IGNORECASE)
_BODY = (
    re.compile(r"^(a=crypto:[ \t]*[^\s]+[ \t]+[^\s]+[ \t]+)(?!inline:)([^\r\n]+)", re.IGNORECASE | re.MULTILINE),
    re.compile(r"^(a=(?:ice-pwd|key-mgmt):|k=)([^\r\n]+)", re.IGNORECASE | re.MULTILINE),
)
_DIGITS = (
    re.compile(r"^([ \t]*(?:signal|d)[ \t]*=)([^\r\n]+)", re.IGNORECASE | re.MULTILINE),
    re.compile(r"\b(digits[ \t]*=[ \t]*)(\"[^\"]*\"|'[^']*')", re.IGNORECASE),
)


def masked(data: bytes, *, show_digits: bool = False) -> bytes:
    """The message with `*` where secrets were; as long as before."""
    head, body = divide(data)
    clean = "".join(_header(line) for line in _logical_lines(head.decode("latin-1")))
    clean = _without_named(clean, _NAMED_IN_HEAD)
    clean = _BEARER.sub(_keep_name, clean)
    clean = _TOKEN.sub(_without_password, clean)
    return (clean + _body(clean, body.decode("latin-1"), show_digits)).encode("latin-1")


def _logical_lines(head: str) -> Iterator[str]:
    """The start line, then each header with the lines that are folded under it."""
    for match in _LINE.finditer(head):
        if match[0]:
            yield match[0]


def _hidden(text: str) -> str:
    return _HIDE.sub(_stars, text)


def _stars(match: re.Match[str]) -> str:
    return "*" * len(match[0])


def _keep_name(match: re.Match[str]) -> str:
    return match[1] + _value_hidden(match[2])


def _value_hidden(value: str) -> str:
    """Quotes stay, so that what follows is still read as what it is."""
    if len(value) > 1 and value[0] in "\"'" and value[-1] == value[0]:
        return value[0] + _hidden(value[1:-1]) + value[-1]
    return _hidden(value)


def _header(line: str) -> str:
    match = _HEADER.match(line)
    if match is None:
        return line
    name, colon, value = match.groups()
    kind = name.lower()
    if kind in _CREDENTIALS:
        value = _credentials(value)
    elif kind in _INFO:
        value = _parameters(value)
    elif kind in ("identity", "y"):
        value = _identity(value)
    elif _SECRET.fullmatch(kind):
        value = _hidden(value)
    return name + colon + value


def _credentials(value: str) -> str:
    match = re.match(r"([ \t\r\n]*)([^\s]+)([ \t\r\n]*)", value)
    if match is None:
        return value
    rest = value[match.end() :]
    return match[0] + (_parameters(rest) if match[2].lower() == "digest" else _hidden(rest))


def _parameters(text: str) -> str:
    """Digest parameters: those that are known to be harmless stay."""
    made, place = [], 0
    for match in _PARAMETER.finditer(text):
        made.append(_BETWEEN.sub(_stars, text[place : match.start()]))
        name, equals, value = match.groups()
        made.append(name + equals + (value if name.lower() in _HARMLESS else _value_hidden(value)))
        place = match.end()
    made.append(_BETWEEN.sub(_stars, text[place:]))
    return "".join(made)


def _identity(value: str) -> str:
    token, semicolon, rest = value.partition(";")
    readable, dot, signature = token.rpartition(".")
    return readable + dot + _hidden(signature) + semicolon + rest


def _without_named(text: str, names: re.Pattern[str]) -> str:
    """Without the values of whatever has a secret's name."""
    made, place = [], 0
    for match in names.finditer(text):
        if match.start() < place or not _SECRET.fullmatch(match[1]):
            continue
        if value := _VALUE.match(text, match.end()):
            made += [text[place : match.end()], _value_hidden(value[0])]
            place = value.end()
    return "".join([*made, text[place:]])


def _without_password(match: re.Match[str]) -> str:
    """sip:user:password@host"""
    token = match[0]
    start = token.lower().find("sip")
    scheme_end = token.find(":", start) + 1
    if start < 0 or not scheme_end or (at := token.rfind("@")) < scheme_end:
        return token
    colon = token.find(":", scheme_end, token.find("@", scheme_end))
    return token if colon < 0 else token[: colon + 1] + "*" * (at - colon - 1) + token[at:]


def _body(head: str, body: str, show_digits: bool) -> str:
    if not body:
        return body
    if re.search(r"^(?:content-encoding|e)[ \t]*:[ \t]*(?!identity)[^\s]", head, re.IGNORECASE | re.MULTILINE):
        return _hidden(body)  # whatever is in there
    body = _INLINE.sub(_without_key, body)
    for pattern in _BODY:
        body = pattern.sub(_keep_name, body)
    body = _without_named(body, _NAMED_IN_BODY)
    return body if show_digits else _without_digits(head, body)


def _without_key(match: re.Match[str]) -> str:
    """A key in base64 becomes other base64, since readers of captures decode it."""
    key = match[2].rstrip("=")
    return match[1] + (_NO_KEY * (len(key) // len(_NO_KEY) + 1))[: len(key)] + match[2][len(key) :]


def _without_digits(head: str, body: str) -> str:
    content_type = re.search(r"^(?:content-type|c)[ \t]*:[ \t]*([^\s;]+)", head, re.IGNORECASE | re.MULTILINE)
    kind = content_type[1].lower() if content_type else ""
    if kind == "application/dtmf":
        return _hidden(body)
    if head.startswith("INFO ") or "kpml" in kind:
        for pattern in _DIGITS:
            body = pattern.sub(_keep_name, body)
    return body
