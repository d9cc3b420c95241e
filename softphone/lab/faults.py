"""Ways in which every part of the service can misbehave on demand, reproducibly.

A fault belongs to a part (`pbx`, `billing`, `auth`, `live`, `webhook`, `sip`, `tls`), and may be bound to a path, to a
number of times and to a probability. Chance comes from the lab's seed: the same faults strike the same requests in
every run that makes the same requests.
"""

from __future__ import annotations

import random
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Literal, get_args

from softphone.errors import NotFound, UsageError

Part = Literal["pbx", "billing", "auth", "live", "webhook", "sip", "tls"]
FaultKind = Literal[
    "status", "html", "truncated", "slow", "wrong_types", "endless_pages", "repeated_page", "empty", "drop"
]
PARTS: tuple[Part, ...] = get_args(Part)
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
ACTED_KINDS = {
    "expired_token": "refuses the token as expired",
    "slow_body": "answers at once, and lets the body trickle for `delay_s`",
    "lost_answer": "does what was asked for, and closes the connection without saying so",
    "late_answer": "does what was asked for, and answers after `delay_s`",
}
HTTP_KINDS = {**KINDS, **ACTED_KINDS}
_PAGES = ("endless_pages", "repeated_page")
LIVE_KINDS = {
    "refuse": "answers the handshake with HTTP `status`",
    "expired_token": "refuses the handshake, or ends the stream, as with an expired token",
    "lose": "sends one event less",
    "delay": "sends an event `delay_s` late",
    "duplicate": "sends an event twice",
    "reorder": "sends an event after the one that follows it",
    "garbage": "sends a frame that is no JSON before the event",
    "error": "sends an error frame before the event",
    "drop": "closes the connection instead of sending the event",
    "no_ping": "sends no ping",
}
WEBHOOK_KINDS = {
    "lose": "never sends a delivery",
    "delay": "sends a delivery `delay_s` late",
    "duplicate": "sends a delivery twice",
    "reorder": "sends a delivery after the one that follows it",
    "garbage": "sends a body that is no JSON",
}
SIP_REQUEST_KINDS = {
    "status": "answers a request with `status`; 503 with Retry-After, `delay_s` rounded up",
    "drop": "loses a request, with all its repetitions",
    "delay": "looks at a request `delay_s` late",
}
SIP_KINDS = {"wrong_nonce": "finds the nonce of a right answer stale, and asks again", **SIP_REQUEST_KINDS}
TLS_KINDS = {
    "expired": "shows a certificate whose time is over",
    "wrong_name": "shows a certificate for another host",
    "self_signed": "shows a certificate that no authority signed",
}
KINDS_OF: dict[Part, dict[str, str]] = {
    "pbx": HTTP_KINDS,
    "billing": {name: text for name, text in HTTP_KINDS.items() if name not in _PAGES},
    "auth": {name: text for name, text in HTTP_KINDS.items() if name not in _PAGES},
    "live": LIVE_KINDS,
    "webhook": WEBHOOK_KINDS,
    "sip": SIP_KINDS,
    "tls": TLS_KINDS,
}


@dataclass
class Fault:
    """One fault; `times` None means until it is cleared, `probability` how likely it strikes each time it could."""

    part: Part
    kind: str
    status: int = 500
    delay_s: float = 30.0
    times: int | None = None
    probability: float = 1.0
    path: str = ""  # strikes where this is part of the path, of the extension (live), of `METHOD extension` (sip)
    id: int = 0
    struck: int = 0
    chance: random.Random = field(default_factory=random.Random, repr=False)

    def __post_init__(self) -> None:
        if self.part not in KINDS_OF:
            raise UsageError(f"the lab has no part {self.part!r}; it has {', '.join(PARTS)}")
        kinds = KINDS_OF[self.part]
        if self.kind not in kinds:
            raise UsageError(f"the lab knows no {self.part} fault {self.kind!r}; it knows {', '.join(kinds)}")
        if not 0 <= self.probability <= 1:
            raise UsageError(f"a probability is between 0 and 1, not {self.probability}")

    @property
    def over(self) -> bool:
        """Whether it has struck as often as it may."""
        return self.times is not None and self.struck >= self.times

    def use(self) -> bool:
        """Whether the fault strikes this time; counts it."""
        if self.over or (self.probability < 1 and self.chance.random() >= self.probability):
            return False
        self.struck += 1
        return True


class FaultPlan:
    """All faults that are set. The first that fits and strikes wins."""

    def __init__(self, seed: int = 0) -> None:
        self.seed = seed
        self._faults: list[Fault] = []
        self._made = 0

    def all(self) -> list[Fault]:
        """What is set, used up faults included."""
        return list(self._faults)

    def add(
        self,
        part: Part,
        kind: str,
        *,
        status: int = 500,
        delay_s: float = 30.0,
        times: int | None = None,
        probability: float = 1.0,
        path: str = "",
    ) -> Fault:
        """Set a fault. Raises UsageError for a part or a kind that does not exist."""
        self._made += 1
        fault = Fault(part, kind, status, delay_s, times, probability, path, self._made)
        # not shared between faults: what strikes here must not depend on how much happens elsewhere
        fault.chance = random.Random(f"{self.seed}/{part}/{kind}/{path}/{self._made}")
        self._faults.append(fault)
        return fault

    def remove(self, fault_id: int) -> None:
        """Take one fault away. Raises NotFound."""
        found = next((each for each in self._faults if each.id == fault_id), None)
        if found is None:
            raise NotFound(f"the lab has no fault {fault_id}")
        self._faults.remove(found)

    def clear(self, part: Part | None = None) -> None:
        """Take all faults away, or those of one part."""
        self._faults = [each for each in self._faults if part not in (None, each.part)]

    def strikes(self, part: Part, kinds: Collection[str] | None = None, *, path: str = "") -> Fault | None:
        """The fault that strikes now; counts it."""
        for fault in self._faults:
            if fault.part == part and (kinds is None or fault.kind in kinds) and fault.path in path and fault.use():
                return fault
        return None
