"""The configuration as a validated model. Every key has its unit in its name, a default and a description.

`config.example.yaml` shows all of it; a test compares the two. Build it with `softphone.config.load`, or in a program
with `Config.model_validate({...})`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field, model_validator

from softphone import __version__
from softphone.config.accounts import Account
from softphone.config.nat import Nat
from softphone.config.places import default_socket
from softphone.config.problems import Found, merged_error
from softphone.config.provider import Live, Provider
from softphone.config.sound import EchoCancel, JitterBuffer, Media, Opus, Ringer, RtpPorts, Talk
from softphone.config.trace import Hep, Trace
from softphone.config.types import (
    BindAddresses,
    ConfigPath,
    ExistingFile,
    FileMode,
    Line,
    LocalPort,
    Seconds,
    SecondsOrZero,
    Strict,
)
from softphone.config.web import Web
from softphone.config.webhook import SipCredentials, Timeline, Webhook

__all__ = [
    "Account",
    "Calls",
    "Config",
    "Control",
    "EchoCancel",
    "Hep",
    "JitterBuffer",
    "Live",
    "Log",
    "Media",
    "Nat",
    "Opus",
    "Provider",
    "Quality",
    "Ringer",
    "RtpPorts",
    "Sip",
    "SipCredentials",
    "Talk",
    "Timeline",
    "Trace",
    "Web",
    "Webhook",
]


class Sip(Strict):
    """The SIP side of this process, shared by all accounts."""

    bind: BindAddresses = Field(
        default=("0.0.0.0", "::"),
        description="Local address for SIP and media, or one of IPv4 and one of IPv6; 0.0.0.0 and ::: all of that kind"
        " (IP address)",
    )
    udp_port: LocalPort = Field(default=0, description="Local UDP port; 0: any free one")
    tcp_port: LocalPort = Field(default=0, description="Local TCP port; 0: any free one")
    tls_port: LocalPort = Field(default=0, description="Local TLS port; 0: any free one")
    user_agent: Line = Field(default=f"softphone/{__version__}", description="What the phone calls itself (text)")
    keepalive_s: SecondsOrZero = Field(
        default=15, description="Pause between keep-alive packets on an idle link; 0: none (seconds)"
    )
    retry_min_s: Seconds = Field(
        default=2, description="First pause before a failed registration is tried again (seconds)"
    )
    retry_max_s: Seconds = Field(
        default=60, description="Longest pause between tries; it doubles up to here; over wss at most 10 (seconds)"
    )
    probe_s: SecondsOrZero = Field(
        default=20, description="Pause between OPTIONS that prove the link to the registrar; 0: none (seconds)"
    )
    probe_timeout_s: Seconds = Field(
        default=8, description="Without an answer for so long the link is dead and is made anew (seconds)"
    )

    instance_id: UUID | None = Field(
        default=None,
        description="Who this phone is to registrars, whatever its address (RFC 5626); default: made of this machine's"
        " id and `control.socket` (UUID)",
    )
    register_timeout_s: Seconds = Field(
        default=8,
        description="Longest wait for the answer to REGISTER; then the next registrar is tried, if there is one"
        " (seconds)",
    )
    failback_s: SecondsOrZero = Field(
        default=300,
        description="While another registrar than the preferred one is in use: pause between looks for that one;"
        " 0: stay (seconds)",
    )

    @model_validator(mode="after")
    def _ordered(self) -> Sip:
        if self.retry_min_s > self.retry_max_s:
            raise merged_error(None, [(("retry_max_s",), f"expected at least retry_min_s ({self.retry_min_s:g})")])
        return self


class Calls(Strict):
    """Limits for all calls together."""

    max_calls: Annotated[int, Field(strict=True, ge=1, le=1000)] = Field(
        default=100, description="Calls of all accounts at once; further callers hear busy (calls)"
    )
    ring_timeout_s: Seconds = Field(
        default=60, description="An outgoing call that nobody answers is cancelled after this (seconds)"
    )
    answer_timeout_s: Seconds = Field(
        default=120, description="An incoming call that nobody answers is refused with 480 after this (seconds)"
    )
    max_duration_s: SecondsOrZero = Field(
        default=0, description="Longest connected call, then it is hung up; 0: no limit (seconds)"
    )
    media_silent_s: SecondsOrZero = Field(
        default=10,
        description="Tell when no sound has arrived for so long, unless the call is held; 0: do not (seconds)",
    )
    media_timeout_s: SecondsOrZero = Field(
        default=60,
        description="Hang up when neither RTP nor RTCP has arrived for so long in a call that is not held; 0: never"
        " (seconds)",
    )
    hold_music: ExistingFile | None = Field(
        default=None, description="Sound file that the far end hears while we hold it; none: silence (path)"
    )
    follow_redirects: bool = Field(
        default=False, description="Call on where a 3xx answer leads, at most 5 times (true or false)"
    )
    drain_s: SecondsOrZero = Field(
        default=30, description="At stop, calls may go on for so long before they are hung up (seconds)"
    )


class Quality(Strict):
    """How calls sound, by estimate (E-model): when to tell."""

    mos_limit: Annotated[float, Field(ge=0, le=4.5)] = Field(
        default=3.1,
        description="Tell when the estimated MOS falls below this; 3.1: most listeners are dissatisfied; 0: do not"
        " (1 to 4.5)",
    )
    window_s: Annotated[float, Field(ge=5, le=300)] = Field(
        default=10, description="The last so many seconds are judged, and shown beside the whole call (seconds)"
    )


class Control(Strict):
    """The local control API: HTTP over a Unix socket."""

    socket: ConfigPath = Field(
        default_factory=default_socket,
        description="The socket; default: $RUNTIME_DIRECTORY/control.sock, else"
        " $XDG_RUNTIME_DIR/softphone/control.sock, else /run/softphone/control.sock (path)",
    )
    group: Line | None = Field(
        default=None, description="Unix group that may use the phone; default: the daemon's own group"
    )
    mode: FileMode = Field(default="0660", description="File mode of the socket (octal, quoted)")
    event_history: Annotated[int, Field(strict=True, ge=0, le=1_000_000)] = Field(
        default=10_000, description="Events kept for clients that come back with Last-Event-ID (events)"
    )

    @property
    def mode_bits(self) -> int:
        """`mode` as the number that chmod takes."""
        return int(self.mode, 8)


class Log(Strict):
    """What the daemon writes about itself. Secrets are never in it."""

    level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="Least severity written: debug, info, warning or error"
    )
    format: Literal["console", "json"] = Field(
        default="console", description="console (for people) or json (for collectors)"
    )


class Config(Strict):
    """The whole configuration."""

    provider: Provider | None = Field(
        default=None, description="The PBX's REST API, for accounts that are pulled from it"
    )
    accounts: tuple[Account, ...] = Field(default=(), description="Who this phone is: any number of accounts")
    sip: Sip = Field(default=Sip(), description="The SIP side of this process, shared by all accounts")
    nat: Nat = Field(default=Nat(), description="Servers that help media through NAT")
    calls: Calls = Field(default=Calls(), description="Limits for all calls together")
    media: Media = Field(default_factory=lambda: Media(), description="Sound: mixer, RTP, codecs, recordings")
    quality: Quality = Field(default=Quality(), description="How calls sound, by estimate: when to tell")
    ringer: Ringer = Field(default=Ringer(), description="How incoming calls are heard before anybody answers them")
    control: Control = Field(default_factory=lambda: Control(), description="The local control API")
    web: Web | None = Field(default=None, description="The page that makes a browser a handset; default: none")
    trace: Trace = Field(default=Trace(), description="SIP messages for finding out what went wrong")
    timeline: Timeline = Field(
        default=Timeline(), description="One timeline per call: what this phone saw, what the PBX said, and the CDR"
    )
    webhook: Webhook | None = Field(default=None, description="What the PBX posts to us; default: we do not listen")
    sip_credentials: SipCredentials | None = Field(
        default=None, description="Gives a page's backend the credentials for SIP.js; default: nobody gets any"
    )
    log: Log = Field(default=Log(), description="What the daemon writes about itself")

    @model_validator(mode="after")
    def _accounts_fit(self) -> Config:
        if found := list(_account_problems(self)):
            raise merged_error(None, found)
        return self


def _account_problems(config: Config) -> Iterator[Found]:
    seen: dict[str, str] = {}
    for index, account in enumerate(config.accounts):
        place = ("accounts", index)
        if account.pulled and config.provider is None:
            yield place, "is pulled from the PBX, which needs `provider:` with `domain_uuid` and `token`"
        missing = {"stun": not config.nat.stun, "turn": config.nat.turn is None}
        if missing.get(account.nat.media):
            yield (*place, "nat", "media"), f"{account.nat.media} needs a server: `{account.nat.media}` in `nat:`"
        names = account.extensions or ()
        for key, name in [("username", account.id)] if account.id else [("extensions", n) for n in names]:
            if name in seen:
                yield (*place, key), f"{name} is already an account: {seen[name]}"
            else:
                seen[str(name)] = f"accounts[{index}]"
