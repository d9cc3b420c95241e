"""SIP headers: which ones of an INVITE tell a program something, and which ones a program may set."""

from __future__ import annotations

import re
from collections.abc import Mapping

from softphone.errors import UsageError
from softphone.stacks.base import Headers

_TELLING = frozenset(
    {
        "from",
        "to",
        "subject",
        "date",
        "priority",
        "organization",
        "user-agent",
        "call-info",  # RFC 3261 section 20.9
        "alert-info",
        "answer-mode",  # RFC 5373
        "priv-answer-mode",
        "p-asserted-identity",  # RFC 3325
        "p-preferred-identity",
        "remote-party-id",
        "diversion",  # RFC 5806
        "history-info",  # RFC 7044
        "privacy",  # RFC 3323
        "referred-by",  # RFC 3892
        "replaces",  # RFC 3891
        "reason",  # RFC 3326
    }
)

# What the stack writes itself; setting it here would break the message
_RESERVED = frozenset(
    "via from to contact call-id cseq max-forwards route record-route content-length content-type"
    " authorization proxy-authorization require supported allow expires min-se session-expires rack rseq"
    " event refer-to refer-sub replaces target-dialog subscription-state".split()
)

_NAME = re.compile(r"[A-Za-z0-9!%*_+`'~.-]{1,64}")
_LONGEST_VALUE = 1024


def telling(headers: Headers) -> Headers:
    """What an event shows of an INVITE: the caller's own headers and all X-*; long values are cut."""
    wanted = {n: v for n, v in headers.items() if n.lower() in _TELLING or n.lower().startswith(("x-", "p-"))}
    return {name: [value[:_LONGEST_VALUE] for value in values[:16]] for name, values in wanted.items()}


def checked(headers: Mapping[str, str]) -> dict[str, str]:
    """Headers that a caller of ours wants on an INVITE. Raises UsageError that names the header."""
    for name, value in headers.items():
        if not _NAME.fullmatch(name):
            raise UsageError(f"{name[:64]!r} is not a header name")
        if name.lower() in _RESERVED or len(name) == 1:
            raise UsageError(f"the header {name} is written by the phone itself and cannot be set")
        if not value.isprintable() or len(value) > _LONGEST_VALUE:
            raise UsageError(f"header {name}: a value is one line of at most {_LONGEST_VALUE} characters")
    return dict(headers)
