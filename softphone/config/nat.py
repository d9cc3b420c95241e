"""The `nat:` parts of the configuration: the servers that help media through NAT, and how each account uses them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from softphone.config.secrets import Secret
from softphone.config.types import ExistingFile, Host, HostPortField, Line, Seconds, SecondsOrZero, Strict

TurnTransport = Literal["udp", "tcp", "tls"]
MediaNat = Literal["off", "stun", "turn", "ice"]

STUN_PORT = 3478
TURN_PORTS = {"udp": 3478, "tcp": 3478, "tls": 5349}
MAX_STUN_SERVERS = 8


class TurnTls(Strict):
    """How the TURN server's certificate is judged."""

    ca_file: ExistingFile | None = Field(
        default=None, description="PEM file of the authorities to trust instead of the system's own (path)"
    )
    verify: bool = Field(
        default=True,
        description="Refuse a certificate that is not trusted, out of date or of another name (true or false)",
    )
    server_name: Host | None = Field(
        default=None, description="Name the certificate must carry, where it differs from `server` (host name)"
    )


class Turn(Strict):
    """A TURN server (RFC 8656), which relays media for those who cannot be reached."""

    server: HostPortField = Field(
        description="Where it is; the default port is 3478, with transport tls 5349 (host[:port])"
    )
    transport: TurnTransport = Field(default="udp", description="How we speak to it: udp, tcp or tls")
    username: Line = Field(description="User name there (text)")
    password: Secret = Field(description="Password there ({env}, {file} or {credential})")
    tls: TurnTls = Field(default=TurnTls(), description="With transport tls: how its certificate is judged")

    @property
    def port(self) -> int:
        return self.server.port or TURN_PORTS[self.transport]

    @property
    def tls_name(self) -> str:
        """The name that its certificate must carry."""
        return self.tls.server_name or self.server.host


def _not_too_many(value: tuple[object, ...]) -> tuple[object, ...]:
    if len(value) > MAX_STUN_SERVERS:
        raise ValueError(f"expected at most {MAX_STUN_SERVERS} servers")
    return value


class Nat(Strict):
    """Servers that help media through NAT, shared by all accounts."""

    stun: Annotated[tuple[HostPortField, ...], AfterValidator(_not_too_many)] = Field(
        default=(), description="STUN servers, the first that answers is used; default port 3478 (list of host[:port])"
    )
    turn: Turn | None = Field(default=None, description="A TURN server that relays media")
    gather_s: Annotated[float, Field(strict=True, ge=0.1, le=5, allow_inf_nan=False)] = Field(
        default=1, description="Longest wait of a call for these servers; then it goes on without them (seconds)"
    )
    check_s: SecondsOrZero = Field(
        default=60, description="Pause between looks whether they answer; 0: at start and before calls only (seconds)"
    )
    timeout_s: Seconds = Field(
        default=2, description="Without an answer for so long a server counts as dead, and calls leave it out (seconds)"
    )


class AccountNat(Strict):
    """How an account's calls get through NAT."""

    media: MediaNat = Field(
        default="off",
        description="Address for media: off (our own), stun (as STUN sees it), turn (the relay's, always), or ice (all"
        " of them are offered, and the best that works is used)",
    )
    nomination: Literal["regular", "aggressive"] = Field(
        default="regular", description="With ice: regular (RFC 8445), or aggressive (quicker; old peers)"
    )
    trickle: Literal["off", "half", "full"] = Field(
        default="off",
        description="With ice (RFC 8840): off; half: answers do not wait for the servers, if the far end can trickle;"
        " full: offers do not either, for peers that are known to trickle",
    )
    symmetric_rtp: bool = Field(
        default=True,
        description="Send media to where it comes from, whatever the SDP says; never with ice (true or false)",
    )
    rtp_keepalive_s: Annotated[int, Field(strict=True, ge=0, le=600)] = Field(
        default=15, description="Pause between empty RTP packets while we send nothing, as on hold; 0: none (seconds)"
    )
    contact_rewrite: bool = Field(
        default=True,
        description="Register the address that the registrar sees us at, instead of our own (true or false)",
    )
