"""Where a 3xx answer leads (RFC 3261 section 21.3)."""

from __future__ import annotations

import re
from collections.abc import Collection

from softphone.addresses import NameAddr, SipUri
from softphone.errors import UsageError
from softphone.stacks.base import Headers


def next_target(headers: Headers, tried: Collection[str]) -> str:
    """The SIP URI of the best Contact that was not tried yet, '' if there is none.

    The order is that of the q values (section 8.1.3.4), then as they stand. What is no SIP URI is passed over.
    """
    values = [value for name, found in headers.items() if name.lower() == "contact" for value in found]
    contacts = [part for value in values for part in _split(value)]
    ranked = sorted(contacts, key=_q, reverse=True)
    return next((uri for contact in ranked if (uri := _uri(contact)) and uri not in tried), "")


def _split(value: str) -> list[str]:
    """A list of contacts; commas in quotes or angle brackets do not part."""
    return [part.strip() for part in re.findall(r'(?:"(?:[^"\\]|\\.)*"|<[^>]*>|[^,"<])+', value)]


def _q(contact: str) -> float:
    match = re.search(r";\s*q\s*=\s*([01](?:\.\d{0,3})?)\s*(?:;|$)", contact, re.IGNORECASE)
    return float(match[1]) if match else 1.0


def _uri(contact: str) -> str:
    try:
        return str(SipUri.parse(NameAddr.parse(contact).uri))
    except UsageError:
        return ""
