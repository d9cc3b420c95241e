"""Takes tokens out of texts that strangers had a hand in: a server may echo what it got."""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import quote, quote_plus

from softphone.config.secrets import HIDDEN, Secret


class Hider:
    """`hide(text)`: the text without these secrets, as they are or as a URL or JSON writes them."""

    def __init__(self, secrets: Iterable[Secret]) -> None:
        forms: set[str] = set()
        for secret in secrets:
            plain = secret.reveal()
            forms |= {plain, quote(plain, safe=""), quote(plain), quote_plus(plain)}
        # The longest first: one may be a part of another
        self._forms = sorted((form for form in forms if form), key=len, reverse=True)

    def __call__(self, text: str) -> str:
        for form in self._forms:
            text = text.replace(form, HIDDEN)
        return text
