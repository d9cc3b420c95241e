"""Whether a caller asks to be answered without anybody's doing, as intercoms, paging and click-to-call do.

| where | what is understood |
|---|---|
| `Call-Info`, `Alert-Info` | `answer-after=N`; `info=` alert-autoanswer, RingAnswer, AutoAnswer, intercom; `delay=N` |
| the same two | the same words as plain text (`Auto Answer`, `Ring Answer`, `Intercom`); `intercom=true` |
| `Answer-Mode`, `Priv-Answer-Mode` | `Auto` (RFC 5373); `Manual` there overrules all the others |
| `P-Auto-Answer` | `normal` |
| `X-Auto-Answer`, `X-AutoAnswer` | `true`, `yes`, `on`, `1` |
| Request-URI | the parameter `intercom=true` |

Asking is all that a header does: it opens a microphone, so a rule of the account (`answer_if_asked`) has to allow it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from softphone.addresses import NameAddr
from softphone.stacks.base import Headers

LONGEST_S = 3600.0
"""A longer delay than this is not taken seriously: the call just rings."""

_WORDS = frozenset({"alertautoanswer", "autoanswer", "ringanswer", "ringautoanswer", "intercom"})
_YES = frozenset({"true", "yes", "on", "1"})


def asked_s(headers: Headers, request_uri: str = "") -> float | None:
    """How long to ring before answering, in seconds; None where the caller asks for nothing."""
    found = {name.lower(): values for name, values in headers.items()}
    modes = [_word(v) for name in ("answer-mode", "priv-answer-mode") for v in found.get(name, ())]
    if "manual" in modes:
        return None
    delays = [d for name in ("call-info", "alert-info") for v in found.get(name, ()) for d in _of_info(v)]
    if not delays:
        plain = "auto" in modes or _by_own_header(found) or _by_uri(request_uri)
        return 0.0 if plain else None
    delay_s = min(delays)
    return delay_s if delay_s <= LONGEST_S else None


def _of_info(value: str) -> Iterator[float]:
    """The delays asked for by one Call-Info or Alert-Info line, which may carry several entries."""
    for entry in re.split(r",(?![^<]*>)(?=(?:[^\"]*\"[^\"]*\")*[^\"]*$)", value):
        params: dict[str, str] = {}
        for part in re.sub(r"<[^>]*>", "", entry).split(";"):
            name, _, text = part.partition("=")
            params[name.strip().lower()] = text.strip().strip('"')
        delay = params.get("answer-after")
        named = params.get("intercom") == "true" or _word(params.get("info", "")) in _WORDS
        if delay is None and (named or any(_word(name) in _WORDS for name, text in params.items() if not text)):
            delay = params.get("delay", "0")
        if delay is not None and re.fullmatch(r"\d{1,9}", delay):
            yield float(delay)


def _by_own_header(found: Headers) -> bool:
    yes = [_word(v) in _YES for name in ("x-auto-answer", "x-autoanswer") for v in found.get(name, ())]
    return any(yes) or any(_word(v) == "normal" for v in found.get("p-auto-answer", ()))


def _by_uri(request_uri: str) -> bool:
    uri = NameAddr.parse(request_uri).uri if request_uri.startswith("<") else request_uri
    return any(re.fullmatch(r"intercom=true", part, re.IGNORECASE) for part in uri.partition("?")[0].split(";")[1:])


def _word(text: str) -> str:
    """The first word of a value as a key: `Auto Answer`, `auto-answer` and `AutoAnswer` are the same."""
    return re.sub(r"[\s_-]", "", text.partition(";")[0]).lower()
