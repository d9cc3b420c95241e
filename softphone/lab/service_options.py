"""What the emulated service can be told: its customers, its prices of admission, and where its documents are silent."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from softphone.errors import UsageError

# Countries, their localities, and the prefix of numbers that no telephone has: regulators keep these free for fiction
CATALOGUE: Mapping[str, Mapping[str, str]] = {
    "FR": {"Paris": "3319900", "Rennes": "3326191", "Strasbourg": "3335301", "Lyon": "3346571", "Toulouse": "3353649"},
    "GB": {"London": "44207946", "Leeds": "44113496", "Cardiff": "44292018"},
    "US": {"New York": "121255501", "Chicago": "131255501"},
}
_LABEL = r"[A-Za-z]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_HOST_NAME = re.compile(rf"{_LABEL}(\.{_LABEL})*")
_URL = re.compile(r"https?://[!-~]+")
WEBHOOK_CALLS = ("inbound", "outbound", "cdr")
# The fields of the payload that the service documents; left: what the receiver calls it
DOCUMENTED_MAPPING: Mapping[str, str] = {
    name: name for name in ("event", "callUuid", "direction", "number", "state", "duration")
}


@dataclass(frozen=True)
class WebhookOptions:
    """Where a tenant's calls are pushed to.

    `calls`: which of inbound, outbound (live states) and cdr. `mapping`: name in the payload -> field of ours, see
    webhooks.FIELDS. A delivery that fails or is not answered 2xx is tried `attempts` times, `retry_s` apart at first,
    twice as long each time.
    """

    url: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    variables: Mapping[str, str] = field(default_factory=dict)
    calls: tuple[str, ...] = WEBHOOK_CALLS
    mapping: Mapping[str, str] = field(default_factory=lambda: dict(DOCUMENTED_MAPPING))
    ca_file: Path | None = None
    timeout_s: float = 5.0
    attempts: int = 5
    retry_s: float = 0.5

    def __post_init__(self) -> None:
        if not _URL.fullmatch(self.url):
            raise UsageError(f"a webhook's endpoint is an https:// or http:// URL, not {self.url!r}")
        for each in self.calls:
            if each not in WEBHOOK_CALLS:
                raise UsageError(f"a webhook pushes {', '.join(WEBHOOK_CALLS)}, not {each!r}")


@dataclass(frozen=True)
class TenantOptions:
    """One customer. What is left empty is made up: uuids, passwords, tokens."""

    domain: str
    uuid: str = ""
    extensions: tuple[str, ...] = ()
    disabled: tuple[str, ...] = ()
    passwords: Mapping[str, str] = field(default_factory=dict, repr=False)
    api_token: str = field(default="", repr=False)
    refresh_token: str = field(default="", repr=False)
    user_uuid: str = ""  # the administrator's: the user of the refresh token
    webhook: WebhookOptions | None = None

    def __post_init__(self) -> None:
        if len(self.domain) > 253 or not _HOST_NAME.fullmatch(self.domain):
            raise UsageError(f"a tenant's domain is a host name, not {self.domain!r}")


@dataclass(frozen=True)
class ServiceOptions:
    """The REST side. Each knob is a question that the service's documents leave open; the default is our reading."""

    seed: int = 0  # of the faults that strike by chance

    # answers
    error_status: Literal["http", "ok"] = "http"  # errors under their own status, or all of them under 200
    billing_envelope: Literal["documented", "bare", "enveloped"] = "documented"  # documented: line bare, DID enveloped

    # orders
    line_options: tuple[str, ...] = ("starter", "business", "premium")
    line_delay_s: float = 0.0  # until the extensions exist
    first_line: int = 901
    catalogue: Mapping[str, Mapping[str, str]] = field(default_factory=lambda: CATALOGUE)
    identity: Literal["validated", "required", "refused"] = "validated"
    identities: tuple[str, ...] = ("ID-1001",)  # what `identiy` may name, where one is required
    did_acceptance_s: float | None = 0.0  # None: by hand

    # tokens
    access_ttl_s: float = 300.0
    verify_extends: bool = True

    # live events
    live_errors: Literal["status", "frame"] = "status"  # 406 and 401 as the handshake's answer, or in an error frame
    live_ping_s: float = 30.0
    live_pong_s: float = 10.0  # a connection that answers no ping for so long is closed
    live_unanswered: Literal["zero", "null", "missing"] = "zero"  # answeredEpoch before the answer
    presence_prefix: str = "contact."  # presenceId is <extension>@<prefix><domain>
