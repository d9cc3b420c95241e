"""What a lab can be told before it starts."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from softphone.errors import UsageError
from softphone.lab.service_options import ServiceOptions, TenantOptions, WebhookOptions

Algorithm = Literal["MD5", "SHA-256"]


@dataclass(frozen=True)
class SipTimers:
    """RFC 3261 section 17.1.1.1. A test that wants time-outs soon makes them smaller."""

    t1_s: float = 0.5
    t2_s: float = 4.0
    t4_s: float = 5.0

    @property
    def timeout_s(self) -> float:
        """64*T1: the life of a transaction (timers B, F, H, J, L, M)."""
        return 64 * self.t1_s


@dataclass(frozen=True)
class LabOptions:
    """The lab's settings. Every port 0 means: a free one.

    `passwords` names the SIP password per extension where it must be known beforehand; the others are random.
    """

    # the tenant
    domain: str = "pbx.lab.test"
    extensions: tuple[str, ...] = ("901", "902", "903", "904")
    disabled: tuple[str, ...] = ("909",)
    passwords: dict[str, str] = field(default_factory=dict)
    api_token: str = field(default="", repr=False)
    domain_uuid: str = ""
    refresh_token: str = field(default="", repr=False)
    user_uuid: str = ""
    webhook: WebhookOptions | None = None

    # more tenants, and what the service is like to all of them
    tenants: tuple[TenantOptions, ...] = ()
    service: ServiceOptions = field(default_factory=ServiceOptions)

    # where it listens
    host: str = "127.0.0.1"  # an address, IPv4 or IPv6; media goes through the same
    api_port: int = 0
    api_https: bool = False
    sip_port: int = 0  # UDP and TCP
    sip_tls_port: int = 0
    sip_wss_port: int = 0
    sip_ws_port: int | None = None  # SIP over WebSocket without TLS; None: not served
    ws_frames: Literal["text", "binary"] = "text"  # what the lab sends; it takes both
    ws_ping_s: float = 30.0  # a phone that leaves a ping unanswered until the next one is cut off; 0: no pings
    state_dir: Path | None = None  # CA certificate, token; a temporary folder that is removed, by default

    # the registrar
    # One challenge each, in this order. MD5 alone is what hosted PBXs send, and what every phone knows: Debian's
    # baresip gives up when any other is named, even beside it.
    algorithms: tuple[Algorithm, ...] = ("MD5",)
    nonce_ttl_s: float = 300.0
    authenticate_calls: bool = True
    min_expires_s: int = 10
    max_expires_s: int = 7200
    default_expires_s: int = 3600
    rewrite_contact: bool = True  # over UDP: reach a phone where its REGISTER came from, not where Contact says

    # calls
    timers: SipTimers = field(default_factory=SipTimers)
    no_answer_s: float = 60.0
    media: Literal["relay", "direct"] = "relay"
    srtp: Literal["optional", "mandatory", "off"] = "optional"
    refer: bool = True  # phones may transfer; else REFER gets 501
    call_uuid_header: str = ""  # a header of this name carries the call_uuid in each INVITE of the PBX
    voicemail: bool = False  # calls to an extension that nobody takes go to its mailbox, instead of being refused
    mwi: bool = False  # phones are told of their messages by NOTIFY, unasked
    # numbers (and, for click-to-call, SIP URIs) beyond the PBX, and what answers there: a service or an extension; "*"
    # stands for every other one
    outside: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        domains = [tenant.domain for tenant in self.all_tenants]
        if len(set(domains)) < len(domains):
            raise UsageError(f"two tenants of the lab have the same domain: {', '.join(domains)}")
        for tenant in self.all_tenants:
            both = set(tenant.extensions) & set(tenant.disabled)
            if both:
                raise UsageError(f"extension {sorted(both)[0]} is named both as enabled and as disabled")
        if not self.algorithms:
            raise UsageError("the lab needs at least one digest algorithm (MD5, SHA-256)")

    def call_headers(self, call_uuid: str) -> list[tuple[str, str]]:
        """What every INVITE of the PBX carries besides its own headers."""
        return [(self.call_uuid_header, call_uuid)] if self.call_uuid_header else []

    @property
    def all_tenants(self) -> tuple[TenantOptions, ...]:
        """The tenant of these options, then the others."""
        first = TenantOptions(
            self.domain,
            uuid=self.domain_uuid,
            extensions=self.extensions,
            disabled=self.disabled,
            passwords=self.passwords,
            api_token=self.api_token,
            refresh_token=self.refresh_token,
            user_uuid=self.user_uuid,
            webhook=self.webhook,
        )
        return (first, *self.tenants)
