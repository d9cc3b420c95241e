"""Ways in which the REST API can misbehave on demand."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from softphone.errors import UsageError

FaultKind = Literal[
    "status", "html", "truncated", "slow", "wrong_types", "endless_pages", "repeated_page", "empty", "drop"
]
KINDS = {
    "status": "answers with HTTP `status` and the error envelope",
    "html": "answers `status` with a web page, as a proxy in between does",
    "truncated": "cuts the JSON in the middle and closes the connection",
    "slow": "waits `delay_s` before it answers",
    "wrong_types": "answers 200 with numbers, nulls and lists where strings belong",
    "endless_pages": "has another full page of new extensions, whatever page is asked for",
    "repeated_page": "answers every page with the same full page",
    "empty": "answers 200 with an empty body",
    "drop": "closes the connection without an answer",
}


@dataclass
class ApiFault:
    """One fault; `times` None means until it is cleared."""

    kind: FaultKind
    status: int = 500
    delay_s: float = 30.0
    times: int | None = None

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise UsageError(f"the lab knows no API fault {self.kind!r}; it knows {', '.join(KINDS)}")

    def use(self) -> bool:
        """Whether the fault strikes this time; counts it."""
        if self.times is None:
            return True
        self.times -= 1
        return self.times >= 0
