"""`webhook:` and `sip_credentials:`, doors for programs on other machines; `timeline:`. All off by default."""

from __future__ import annotations

import re
from ipaddress import ip_network
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from softphone.config.problems import merged_error
from softphone.config.provider import is_loopback
from softphone.config.secrets import Secret
from softphone.config.types import ConfigPath, ExistingFile, HostPortField, Line, Seconds, Strict

LEAST_SECRET = 16
"""A shorter secret could be guessed."""

_HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}")
_PATH = re.compile(r"/[A-Za-z0-9/_.~-]{0,200}")


def _header(value: str) -> str:
    if not _HEADER.fullmatch(value):
        raise ValueError(f"expected the name of an HTTP header such as Authorization, got {value[:60]!r}")
    return value


def _path(value: str) -> str:
    if not _PATH.fullmatch(value):
        raise ValueError(f"expected a path such as /webhooks/calls, got {value[:60]!r}")
    return value


def _network(value: str) -> str:
    try:
        return str(ip_network(value))
    except ValueError:
        raise ValueError(f"expected an address or a network such as 10.0.0.0/8, got {value[:60]!r}") from None


def _origin(value: str) -> str:
    if not re.fullmatch(r"https?://[A-Za-z0-9.\[\]:-]{1,255}", value):
        raise ValueError(f"expected an origin such as https://phone.example.com, got {value[:60]!r}")
    return value.lower()


class Door(Strict):
    """Where it listens, and how it is kept private."""

    listen: HostPortField = Field(description="Address and port to listen at; port 0: any free one (host:port)")
    certificate: ExistingFile | None = Field(
        default=None, description="PEM file of the certificate and its chain; default: plain HTTP (path)"
    )
    key: ExistingFile | None = Field(
        default=None, description="PEM file of the certificate's private key, where it is not in the same file (path)"
    )
    trusted_proxies: tuple[Annotated[str, AfterValidator(_network)], ...] = Field(
        default=(),
        description="Proxies whose X-Forwarded-For is believed; nobody else's is (IP addresses, networks)",
    )

    @model_validator(mode="after")
    def _stays_private(self) -> Door:
        if self.certificate is None and not is_loopback(self.listen.host):
            text = "plain HTTP is for a proxy on this machine: listen at 127.0.0.1, or give a `certificate`"
            raise merged_error(None, [(("listen",), text)])
        if self.key is not None and self.certificate is None:
            raise merged_error(None, [(("key",), "a key without a `certificate` is of no use")])
        return self


def long_enough(secret: Secret, key: str) -> None:
    """Raises the model's error for a secret that could be guessed. One that was located only is not judged."""
    if secret.readable and len(secret.reveal()) < LEAST_SECRET:
        raise merged_error(None, [((key,), f"the secret is too short: {LEAST_SECRET} characters at least")])


WebhookField = Literal[
    "event",
    "call_uuid",
    "state",
    "direction",
    "number",
    "extension",
    "presence_id",
    "created_epoch_s",
    "answered_epoch_s",
    "ended_epoch_s",
    "duration_s",
    "cause",
    "recording",
]
"""Our fields of a webhook's body: what kavkom/webhook.py reads, and what `mapping` may name."""


class Webhook(Door):
    """What the PBX posts to us: calls as they go, and CDRs."""

    path: Annotated[str, AfterValidator(_path)] = Field(
        default="/webhooks/calls", description="The path of the URL that the PBX posts to"
    )
    header: Annotated[str, AfterValidator(_header)] = Field(
        default="Authorization", description="The header by which the PBX shows that it is the PBX (name)"
    )
    secret: Secret = Field(
        description="That header's whole value, such as `Bearer ...` ({env}, {file} or {credential})"
    )
    mapping: dict[Line, WebhookField] = Field(
        default={}, description="Where the PBX was told to use other names: path into its body -> our field"
    )
    events: dict[Line, Literal["call", "cdr", "other"]] = Field(
        default={}, description="Their value of `event` -> call, cdr or other"
    )
    cdrs: bool = Field(
        default=True, description="The PBX sends CDRs, so that a call without one is a difference (true or false)"
    )
    max_body_kb: Annotated[int, Field(strict=True, ge=1, le=256)] = Field(
        default=64, description="Largest body that is read (kilobytes)"
    )
    requests_per_s: Annotated[int, Field(strict=True, ge=1, le=10_000)] = Field(
        default=200, description="Requests of one address; beyond that, and bursts of five times as many, they wait"
    )
    journal: ConfigPath | None = Field(
        default=None,
        description="Folder of what was received and not dealt with yet; default: in the state folder (path)",
    )
    journal_mb: Annotated[int, Field(strict=True, ge=1, le=10_000)] = Field(
        default=64, description="Room for it on disk; beyond that the oldest goes, and is counted (megabytes)"
    )

    @model_validator(mode="after")
    def _secret_is_one(self) -> Webhook:
        long_enough(self.secret, "secret")
        return self


class SipCredentials(Door):
    """A page's backend asks here for what SIP.js needs: extension, password, domain. It gives passwords away."""

    token: Secret = Field(
        description="What the asker shows as `Authorization: Bearer ...` ({env}, {file} or {credential})"
    )
    extensions: tuple[Line, ...] = Field(
        min_length=1, description="Whose credentials it gives away, the first one by default (usernames or account ids)"
    )
    origins: tuple[Annotated[str, AfterValidator(_origin)], ...] = Field(
        default=(), description="Web pages that may ask by themselves (CORS); none: servers only (origins)"
    )
    requests_per_min: Annotated[int, Field(strict=True, ge=1, le=10_000)] = Field(
        default=30, description="Requests of one address, right or wrong; beyond that it is refused"
    )

    @model_validator(mode="after")
    def _token_is_one(self) -> SipCredentials:
        long_enough(self.token, "token")
        return self


class Timeline(Strict):
    """One timeline per call: what this phone saw, what the PBX said, and the CDR."""

    enabled: bool = Field(default=False, description="Keep timelines (true or false)")
    file: ConfigPath | None = Field(
        default=None, description="The SQLite file; default: in the state folder, named after control.socket (path)"
    )
    keep_days: Annotated[float, Field(gt=0, le=3650)] = Field(
        default=30, description="Older timelines are forgotten (days)"
    )
    keep_count: Annotated[int, Field(strict=True, ge=1, le=10_000_000)] = Field(
        default=100_000, description="Beyond so many the oldest are forgotten (timelines)"
    )
    window_s: Seconds = Field(
        default=10, description="How far apart two sides may tell of the beginning of the same call (seconds)"
    )
    grace_s: Seconds = Field(
        default=5, description="How long one side may lag behind before that is a difference (seconds)"
    )
    tolerance_s: Seconds = Field(
        default=2, description="How far apart durations may be before that is a difference (seconds)"
    )
    settle_s: Seconds = Field(
        default=30, description="How long after a call's end the other sides are waited for (seconds)"
    )
    uuid_headers: tuple[Annotated[str, AfterValidator(_header)], ...] = Field(
        default=("X-Call-UUID",), description="SIP headers by which the PBX may name its call (names)"
    )

    @model_validator(mode="after")
    def _ordered(self) -> Timeline:
        if self.settle_s < self.grace_s:
            raise merged_error(None, [(("settle_s",), f"expected at least grace_s ({self.grace_s:g})")])
        return self
