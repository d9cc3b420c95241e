"""Keeps secrets out of the log, by what they are, by what they are called, and by where they stand.

- by what they are: a Secret shows as `***`; a secret text that was `add`ed is masked wherever it turns up, also inside
  a traceback, a URL or JSON;
- by name: the value of a field called password, secret, token, x-api-token and so on;
- by place: what follows `Authorization:` and its like in a traced message, `Bearer …`, `password=…`, `"token": "…"`.

Masking too much is right here, and masking too little is not.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote

from softphone.config.secrets import HIDDEN, SECRET_NAME, Secret

GRAM = 4
"""Registered texts are found by their first four characters; a shorter one is masked by name and place only."""

_SECRET_KEY = re.compile(SECRET_NAME, re.IGNORECASE)

# Where a name may begin: not within a word, but right after an escape of a repr or JSON.
_BEGIN = r"(?:(?<=\\[nrt])|(?<![\w.-]))"
# SIP and HTTP headers that carry credentials, to the end of the line, with the lines that are folded under it (RFC 3261
# section 7.3.1). A line ends where it does, or where a repr or JSON of the message writes \r or \n.
_HEADERS = r"(?:proxy-)?authorization|x-[\w-]*(?:token|key)|(?:set-)?cookie"
_LINE = r"(?:(?!\\[rn])[^\r\n])*"
_HEADER = re.compile(
    rf"{_BEGIN}((?:{_HEADERS})[\"']?\s*:\s*){_LINE}(?:(?:\r?\n|(?:\\r)?\\n)[ \t]+{_LINE})*", re.IGNORECASE
)
_BEARER = re.compile(r"\b(Bearer|Basic)\s+[\w.~+/=-]{8,}")
_QUOTED = r"\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*'"
_ASSIGNED = re.compile(
    rf"{_BEGIN}({SECRET_NAME}(?:\s*=\s*|[\"']\s*[:=]\s*|:\s*(?=[\"'])))({_QUOTED}|[^\s,;&)}}\]\"']+)", re.IGNORECASE
)
# None of the patterns can match a text without one of these; most texts cost a microsecond, not twenty-five.
_SIGNS = ("passw", "passphrase", "secret", "token", "authori", "cookie", "credential", "key", "bearer", "basic")


def names_a_secret(key: object) -> bool:
    """Whether a field of this name holds a secret."""
    return isinstance(key, str) and _SECRET_KEY.fullmatch(key) is not None


def mask_places(text: str) -> str:
    """`text` without what stands where secrets stand."""
    lowered = text.lower()
    if not any(sign in lowered for sign in _SIGNS):
        return text
    text = _HEADER.sub(rf"\g<1>{HIDDEN}", text)
    text = _BEARER.sub(rf"\g<1> {HIDDEN}", text)
    return _ASSIGNED.sub(rf"\g<1>{HIDDEN}", text)


def mask_value(value: Any) -> Any:
    """A field's value, with secrets replaced at any depth. Plain containers are copied, nothing is changed."""
    match value:
        case str():
            return mask_places(value)
        case Secret():
            return HIDDEN
        case bytes() | bytearray():
            return mask_places(bytes(value).decode("utf-8", "backslashreplace"))
        case Mapping():
            return mask_fields(value)
        case list() | tuple() | set() | frozenset():
            return [mask_value(item) for item in value]
        case None | bool() | int() | float():
            return value
    return mask_places(repr(value))


def mask_fields(fields: Mapping[Any, Any]) -> dict[Any, Any]:
    """`fields` with secrets replaced, by the name of a field and inside its value."""
    return {
        key: HIDDEN if value not in (None, "") and names_a_secret(key) else mask_value(value)
        for key, value in fields.items()
    }


class Redactor:
    """The secrets that are in use now. A line that holds one of them is masked, whatever put it there.

    Looking costs a few microseconds a line, for one secret as for a thousand.
    """

    def __init__(self, secrets: Iterable[Secret | str] = ()) -> None:
        # first characters -> texts, longest first; replaced as a whole, so that the log's thread may read it
        self._texts: dict[str, tuple[str, ...]] = {}
        for secret in secrets:
            self.add(secret)

    def add(self, secret: Secret | str) -> None:
        """From here on `secret` is masked in every line. Texts shorter than four characters are left alone:
        masking `12` would make a log unreadable and tell where the secret occurs."""
        texts = dict(self._texts)
        for form in _forms(secret.reveal() if isinstance(secret, Secret) else secret):
            known = texts.get(form[:GRAM], ())
            if len(form) >= GRAM and form not in known:
                texts[form[:GRAM]] = tuple(sorted((*known, form), key=len, reverse=True))
        self._texts = texts

    def mask(self, line: str) -> str:
        """`line` without any registered secret."""
        texts = self._texts
        if not texts or texts.keys().isdisjoint(line[i : i + GRAM] for i in range(len(line) - GRAM + 1)):
            return line
        found: list[str] = []
        for i in range(len(line) - GRAM + 1):
            found += (text for text in texts.get(line[i : i + GRAM], ()) if line.startswith(text, i))
        for text in sorted(set(found), key=len, reverse=True):
            line = line.replace(text, HIDDEN)
        return line


def _forms(secret: str) -> set[str]:
    """How a text looks when something has written it: as it is, in JSON, in a repr, in a URL."""
    return {
        secret,
        json.dumps(secret)[1:-1],
        json.dumps(secret, ensure_ascii=False)[1:-1],
        repr(secret)[1:-1],
        quote(secret, safe=""),
        quote(secret),
    }
