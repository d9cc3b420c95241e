"""Accounts as the engine takes them: every question of who, where and how is answered."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from softphone.addresses import HostPort
from softphone.config.accounts import (
    DEFAULT_PORTS,
    DEFAULT_SUITES,
    Account,
    AccountSettings,
    Audio,
    Codec,
    Dtmf,
    DtmfDetect,
    IncomingRule,
    Limits,
    Outbound,
    Reliable,
    Replaces,
    SessionTimer,
    Srtp,
    SrtpKeying,
    SrtpSuite,
    Tls,
    Transfers,
    Transport,
)
from softphone.config.nat import AccountNat
from softphone.config.secrets import Secret
from softphone.config.sound import Intercom, Ringer

Origin = Literal["static", "provider"]


@dataclass(frozen=True, kw_only=True)
class ResolvedAccount:
    """One address of record that this phone is.

    Two are equal when the engine would treat them alike; `entry`, the index in `accounts:`, does not count.
    """

    username: str
    domain: str
    password: Secret
    auth_username: str
    display_name: str = ""
    origin: Origin = "static"
    entry: int = field(default=0, compare=False)

    transport: Transport = "tls"
    port: int = DEFAULT_PORTS["tls"]
    srv: bool = False
    """Whether DNS (SRV) may say where the first hop is: no port was configured."""
    websocket_path: str = "/"
    registrar: tuple[HostPort, ...] = ()
    outbound_proxy: HostPort | None = None
    tls: Tls = Tls()
    expires_s: int = 3600
    outbound: Outbound = "auto"
    register: bool = True
    srtp: Srtp = "off"
    srtp_suites: tuple[SrtpSuite, ...] = DEFAULT_SUITES
    srtp_keying: SrtpKeying = "sdes"
    codecs: tuple[Codec, ...] = ("opus", "g722", "pcma", "pcmu")
    dtmf: Dtmf = "auto"
    dtmf_detect: DtmfDetect = "auto"
    max_calls: int = 8
    limits: Limits = Limits()
    rtcp_xr: bool = False
    incoming: tuple[IncomingRule, ...] = ()
    dnd_code: int = 486
    transfers: Transfers = "refuse"
    replaces: Replaces = "accept"
    session_timer: SessionTimer = "supported"
    session_expires_s: int = 1800
    reliable_provisional: Reliable = "supported"
    audio: Audio = Audio()
    ringer: Ringer | None = None
    intercom: Intercom = Intercom()
    nat: AccountNat = AccountNat()
    headers: Mapping[str, str] = field(default_factory=dict, hash=False)

    @property
    def id(self) -> str:
        """`user@domain`, the account's name everywhere."""
        return f"{self.username}@{self.domain}"

    @property
    def first_hops(self) -> tuple[HostPort, ...]:
        """Where requests are sent first, in the order of preference; port 0: by SRV, or `port`."""
        return (self.outbound_proxy,) if self.outbound_proxy else self.registrar or (HostPort(self.domain),)


def with_settings(
    settings: AccountSettings,
    *,
    username: str,
    domain: str,
    password: Secret,
    auth_username: str = "",
    display_name: str = "",
    origin: Origin = "static",
    entry: int = 0,
) -> ResolvedAccount:
    """Joins who an account is with how its configuration entry says it should be a phone."""
    if settings.transport == "wss":
        settings = as_webrtc(settings)
    return ResolvedAccount(
        username=username,
        domain=domain,
        password=password,
        auth_username=auth_username or username,
        display_name=display_name,
        origin=origin,
        entry=entry,
        transport=settings.transport,
        port=settings.port or DEFAULT_PORTS[settings.transport],
        srv=settings.port is None and settings.transport != "wss",
        websocket_path=settings.websocket_path,
        registrar=settings.registrar,
        outbound_proxy=settings.outbound_proxy,
        tls=settings.tls,
        expires_s=settings.expires_s,
        outbound=settings.outbound,
        register=settings.register_,
        srtp=settings.srtp,
        srtp_suites=settings.srtp_suites,
        srtp_keying=settings.srtp_keying,
        codecs=settings.codecs,
        dtmf=settings.dtmf,
        dtmf_detect=settings.dtmf_detect,
        max_calls=settings.max_calls,
        limits=settings.limits,
        rtcp_xr=settings.rtcp_xr,
        incoming=settings.incoming,
        dnd_code=settings.dnd_code,
        transfers=settings.transfers,
        replaces=settings.replaces,
        session_timer=settings.session_timer,
        session_expires_s=settings.session_expires_s,
        reliable_provisional=settings.reliable_provisional,
        audio=settings.audio,
        ringer=settings.ringer,
        intercom=settings.intercom,
        nat=settings.nat,
        headers=dict(settings.headers),
    )


WEBRTC: Mapping[str, object] = {"srtp": "mandatory", "srtp_keying": "dtls", "media": "ice"}
"""What a wss account has that says nothing else: media as a WebRTC peer wants it (RFC 8834, RFC 8445)."""


def as_webrtc(settings: AccountSettings) -> AccountSettings:
    """These settings with WEBRTC where they say nothing."""
    told, nat = settings.model_fields_set, settings.nat
    if "media" not in nat.model_fields_set:
        nat = nat.model_copy(update={"media": WEBRTC["media"]})
    media = {key: WEBRTC[key] for key in ("srtp", "srtp_keying") if key not in told}
    return settings.model_copy(update={"nat": nat, **media})


def static_account(entry: Account, index: int) -> ResolvedAccount | None:
    """The account of a static entry; None for a pulled one."""
    if entry.username is None or entry.password is None or entry.domain is None:
        return None
    return with_settings(
        entry,
        username=entry.username,
        domain=entry.domain,
        password=entry.password,
        auth_username=entry.auth_username or "",
        display_name=entry.display_name,
        entry=index,
    )


@dataclass(frozen=True)
class Difference:
    """What a reload means for the running accounts. `changed` holds the new form."""

    added: tuple[ResolvedAccount, ...] = ()
    changed: tuple[ResolvedAccount, ...] = ()
    removed: tuple[ResolvedAccount, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.added or self.changed or self.removed)


def diff(old: Iterable[ResolvedAccount], new: Iterable[ResolvedAccount]) -> Difference:
    """Compares two lists by account id; order does not matter."""
    before = {account.id: account for account in old}
    after = {account.id: account for account in new}
    return Difference(
        added=tuple(account for id_, account in after.items() if id_ not in before),
        changed=tuple(acc for id_, acc in after.items() if id_ in before and acc != before[id_]),
        removed=tuple(account for id_, account in before.items() if id_ not in after),
    )
