"""The `web:` part of the configuration: a page in the browser as the handset of this phone."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, model_validator

from softphone.config.problems import merged_error
from softphone.config.secrets import Secret
from softphone.config.types import Address, ExistingFile, Host, LocalPort, Strict, is_host

MIN_TOKEN_CHARS = 16


def _origin(value: str) -> str:
    try:
        parts = urlsplit(value)
        valid = parts.scheme in {"http", "https"} and is_host(parts.hostname or "") and parts.port != 0
    except ValueError:
        valid = False
    if not valid or parts.path not in ("", "/") or parts.query or parts.fragment or parts.username:
        raise ValueError(f"expected an origin such as https://phone.example.com:8443, got {value[:80]!r}")
    return f"{parts.scheme}://{parts.netloc.lower()}"


Origin = Annotated[str, AfterValidator(_origin)]


class Web(Strict):
    """The page that makes a browser a handset. Without `web:` nothing listens."""

    bind: Address = Field(
        default="127.0.0.1",
        description="Address that the page is served at; 127.0.0.1: this machine only, 0.0.0.0 or ::: all of that kind"
        " (IP address)",
    )
    port: LocalPort = Field(default=8443, description="Its TCP port; 0: any free one, see `softphone status`")
    token: Secret = Field(
        description=f"Access token that the page asks for, {MIN_TOKEN_CHARS} characters or more ({{env}}, {{file}} or"
        " {credential})"
    )
    tls: bool = Field(
        default=True, description="HTTPS; false: plain HTTP, which only a loopback address may serve (true or false)"
    )
    certificate: ExistingFile | None = Field(
        default=None, description="Its certificate with the chain; default: one of our own making (PEM file)"
    )
    key: ExistingFile | None = Field(default=None, description="The key of `certificate` (PEM file)")
    names: tuple[Host, ...] = Field(
        default=(),
        description="Further names and addresses that our own certificate is to be good for (list of host names)",
    )
    origins: tuple[Origin, ...] = Field(
        default=(),
        description="Other pages that may use the phone, or our own page's address where a proxy hides it (list of"
        " origins, such as https://phone.example.com)",
    )
    max_sessions: Annotated[int, Field(strict=True, ge=1, le=200)] = Field(
        default=16, description="Pages that may be open at once (1 to 200)"
    )

    @property
    def loopback(self) -> bool:
        return ip_address(self.bind).is_loopback

    @model_validator(mode="after")
    def _safe(self) -> Web:
        found = []
        if not self.tls and not self.loopback:
            found.append((("tls",), f"false on {self.bind} would send the token and all speech readable; use HTTPS"))
        if (self.certificate is None) != (self.key is None):
            missing = "key" if self.key is None else "certificate"
            found.append(((missing,), "`certificate` and `key` belong together: give both, or none"))
        if self.certificate is not None and not self.tls:
            found.append((("certificate",), "is of no use with tls: false"))
        if self.token.readable and len(self.token.reveal()) < MIN_TOKEN_CHARS:
            found.append(
                (("token",), f"expected {MIN_TOKEN_CHARS} characters or more; `openssl rand -hex 24` makes one")
            )
        if found:
            raise merged_error(None, found)
        return self
