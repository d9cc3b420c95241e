"""`provider:`, the hosted PBX's service: where its parts are, and what they know us by."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Annotated
from urllib.parse import urlsplit
from uuid import UUID

from pydantic import AfterValidator, Field, model_validator

from softphone.config.problems import merged_error
from softphone.config.secrets import Secret
from softphone.config.types import ExistingFile, Line, Seconds, SecondsOrZero, Strict, is_host

LIVE_EXTENSION_DIGITS = 9


def _api_url(value: str) -> str:
    try:
        parts = urlsplit(value)
        valid = parts.scheme in {"http", "https"} and is_host(parts.hostname or "") and parts.port != 0
    except ValueError:
        valid = False
    if not valid or parts.query or parts.fragment or parts.username or parts.password:
        raise ValueError("expected an address such as https://api.kavkom.com, without user, query or fragment")
    return value.rstrip("/")


def _uuid4(value: str) -> str:
    try:
        parsed = UUID(value)
    except ValueError:
        parsed = UUID(int=0)
    if parsed.version != 4:
        raise ValueError(f"expected the domain's UUID (version 4, as the PBX shows it), got {value[:60]!r}")
    return str(parsed)


def is_loopback(host: str) -> bool:
    """Whether this host name or address is this machine."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def is_live_extension(extension: str) -> bool:
    """Whether the live service can be asked for this extension: it takes whole numbers only, without leading zero."""
    fit = extension.isascii() and extension.isdecimal() and len(extension) <= LIVE_EXTENSION_DIGITS
    return fit and str(int(extension)) == extension


def _live_extensions(values: tuple[str, ...]) -> tuple[str, ...]:
    for value in values:
        if not is_live_extension(value):
            raise ValueError(f"the live service knows extensions as plain numbers such as 1001, not {value[:60]!r}")
    return tuple(dict.fromkeys(values))


ApiUrl = Annotated[str, AfterValidator(_api_url)]


class Live(Strict):
    """What the PBX says of calls, as it happens: a WebSocket, and the short-lived access tokens that it needs."""

    refresh_token: Secret = Field(
        description="The long-lived token that access tokens are made from ({env}, {file} or {credential})"
    )
    user_uuid: Secret = Field(description="The user whose token it is ({env}, {file} or {credential})")
    application: Line = Field(default="softphone", min_length=1, description="What the service is told who asks (text)")
    extensions: Annotated[tuple[str, ...], AfterValidator(_live_extensions)] = Field(
        default=(),
        description="Whose calls to follow; empty: of all accounts that are pulled and have a number (extensions)",
    )
    liveness_s: Seconds = Field(
        default=90, description="Without a sign of life for so long the connection is made anew (seconds)"
    )


class Provider(Strict):
    """The PBX's service, for accounts that are pulled from it, for orders and for live events."""

    api_url: ApiUrl = Field(
        default="https://api.kavkom.com", description="Address of the PBX API: extensions, calls (URL)"
    )
    billing_url: ApiUrl = Field(
        default="https://client.kavkom.com", description="Address of the billing API: orders of lines and numbers (URL)"
    )
    live_url: ApiUrl = Field(
        default="https://live.kavkom.com",
        description="Address of the live service: access tokens; call events come by WebSocket from there (URL)",
    )
    domain_uuid: Annotated[str, AfterValidator(_uuid4)] = Field(
        description="The customer's domain, shown where the API token is made (UUID version 4)"
    )
    token: Secret = Field(description="API token ({env}, {file} or {credential})")
    refresh_s: SecondsOrZero = Field(
        default=300, description="How often the extension list is read again; 0: at start and on command only (seconds)"
    )
    timeout_s: Seconds = Field(default=10, description="Longest wait for one complete answer of the API (seconds)")
    page_size: Annotated[int, Field(strict=True, ge=1, le=5000)] = Field(
        default=5000, description="Extensions asked for in one request (1 to 5000)"
    )
    ca_file: ExistingFile | None = Field(
        default=None, description="PEM file of the authorities to trust instead of the system's own (path)"
    )
    allow_http: bool = Field(
        default=False,
        description="Allow http:// to another machine, where anyone on the way reads the token (true or false)",
    )
    live: Live | None = Field(
        default=None, description="What the PBX says of calls, as it happens; default: not asked for"
    )

    @property
    def secrets(self) -> tuple[Secret, ...]:
        """All that must not be seen."""
        return (self.token, self.live.refresh_token, self.live.user_uuid) if self.live else (self.token,)

    @property
    def urls_in_clear(self) -> tuple[str, ...]:
        """The keys of the addresses on the way to which anyone can read the token."""
        return tuple(name for name in ("api_url", "billing_url", "live_url") if _in_clear(getattr(self, name)))

    @property
    def token_in_clear(self) -> bool:
        """Whether anyone between here and the service can read a token."""
        return bool(self.urls_in_clear)

    @model_validator(mode="after")
    def _token_stays_private(self) -> Provider:
        if self.urls_in_clear and not self.allow_http:
            text = "http:// would send the token readable to another machine; use https://, or set allow_http: true"
            raise merged_error(None, [((name,), text) for name in self.urls_in_clear])
        return self


def _in_clear(url: str) -> bool:
    parts = urlsplit(url)
    return parts.scheme == "http" and not is_loopback(parts.hostname or "")
