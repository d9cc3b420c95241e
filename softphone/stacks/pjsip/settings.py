"""From our configuration to PJSIP's: the whole of what differs from PJSIP's defaults, and why."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import pjsua2 as pj

from softphone.addresses import SipUri
from softphone.config.model import Media, Sip
from softphone.config.resolved import ResolvedAccount
from softphone.stacks.pjsip.securing import srtp_settings


@dataclass(frozen=True, slots=True)
class StackOptions:
    """What the whole stack shares. `clock_rate_hz` is the mixer's rate; `instance` a URN (RFC 5626 section 4.1)."""

    sip: Sip
    media: Media
    max_calls: int
    clock_rate_hz: int
    instance: str = ""


_TRICKLE = {
    "off": pj.PJ_ICE_SESS_TRICKLE_DISABLED,
    "half": pj.PJ_ICE_SESS_TRICKLE_HALF,
    "full": pj.PJ_ICE_SESS_TRICKLE_FULL,
}
_SESSION_TIMER = {
    "off": pj.PJSUA_SIP_TIMER_INACTIVE,
    "supported": pj.PJSUA_SIP_TIMER_OPTIONAL,
    "required": pj.PJSUA_SIP_TIMER_REQUIRED,
    "always": pj.PJSUA_SIP_TIMER_ALWAYS,
}
_RELIABLE = {
    "off": pj.PJSUA_100REL_NOT_USED,
    "supported": pj.PJSUA_100REL_OPTIONAL,
    "required": pj.PJSUA_100REL_MANDATORY,
}


def endpoint_config(options: StackOptions) -> Any:
    """Endpoint settings: one SIP worker, one media worker, no Python in the media path."""
    config = pj.EpConfig()
    config.logConfig.level = config.logConfig.consoleLevel = 0
    config.logConfig.msgLogging = 0
    ua = config.uaConfig
    ua.threadCnt = 1
    ua.mainThreadOnly = False
    ua.maxCalls = options.max_calls + 8  # room to answer "busy" beyond the limit
    ua.userAgent = options.sip.user_agent
    _media(config.medConfig, options)
    return config


def _media(config: Any, options: StackOptions) -> None:
    buffer = options.media.jitter_buffer
    config.clockRate = config.sndClockRate = options.clock_rate_hz
    config.audioFramePtime = 20
    config.quality = 4  # speexdsp: half the cost of the default, no audible loss on speech
    config.noVad = True
    config.threadCnt = 1
    config.maxMediaPorts = min(4000, 4 * options.max_calls + 64)
    config.jbDiscardAlgo = pj.PJMEDIA_JB_DISCARD_STATIC  # the default drops frames on a clean path
    config.jbInit = buffer.prefetch_ms or -1
    config.jbMinPre = buffer.min_ms
    config.jbMaxPre = buffer.max_ms
    config.jbMax = buffer.capacity_ms
    config.ecTailLen = 0
    # Never stop the mixer's clock: by default it stops a second after the last call, and PJSIP does not count a call
    # that nothing is connected to, so that the next call loses its clock, its RTP and its digits
    config.sndAutoCloseTime = -1


def transport_config(address: str, port: int) -> Any:
    """A SIP transport (UDP, TCP or TLS) on an address of ours."""
    config = pj.TransportConfig()
    config.port = port
    config.boundAddress = bound(address)
    return config


def bind_address(options: StackOptions, version: int) -> str:
    """Our address of an IP version, '' if that is not to be used."""
    return next((each for each in options.sip.bind if (":" in each) == (version == 6)), "")


def bound(address: str) -> str:
    """An address to bind to as PJSIP wants it: '' for all."""
    return "" if address in ("0.0.0.0", "::") else address


def tls_config(address: str, account: ResolvedAccount, port: int) -> Any:
    """A TLS transport that judges certificates as this account wants."""
    config = transport_config(address, port)
    tls = config.tlsConfig
    tls.verifyServer = account.tls.verify
    tls.CaListFile = str(account.tls.ca_file) if account.tls.ca_file else SYSTEM_CA_FILE
    tls.proto = pj.PJ_SSL_SOCK_PROTO_TLS1_2 | pj.PJ_SSL_SOCK_PROTO_TLS1_3
    tls.msecTimeout = 10_000
    return config


SYSTEM_CA_FILE = "/etc/ssl/certs/ca-certificates.crt"


@dataclass(frozen=True, slots=True)
class Way:
    """How an account's requests leave. `transport`: PJSIP's number of the transport; `local`: our address, or ''.

    `version`: 4 or 6, of SIP and so of media: PBXs that speak SIP over one of them speak RTP over the same.
    `pin`: the number under which the account's first hop is pinned; `fresh` is turned over to make PJSIP forget the
    REGISTER that is under way. `alias`: with wss, what we are called where an address would stand.
    """

    transport: int
    local: str
    pin: int
    version: int = 4
    fresh: bool = False
    alias: str = ""


def account_config(account: ResolvedAccount, options: StackOptions, way: Way) -> Any:
    """An account."""
    config = pj.AccountConfig()
    config.idUri = _identity(account)
    _registration(config.regConfig, account)
    if account.transport == "wss":
        _websocket(config, account, options, way)
    # Both mean the account's own route, since there is no other; PJSIP drops its registration client when it changes
    config.regConfig.proxyUse = _ACCOUNT_ROUTE | (_COMMON_ROUTE if way.fresh else 0)
    sip = config.sipConfig
    sip.transportId = way.transport
    sip.proxies.append(route(account, way.pin))
    for algorithm in (pj.PJSIP_AUTH_ALGORITHM_MD5, pj.PJSIP_AUTH_ALGORITHM_SHA256):
        sip.authCreds.append(_credential(account, algorithm))
    _call_settings(config.callConfig, account)
    config.mwiConfig.enabled = False
    nat = config.natConfig
    _nat(nat, account)
    nat.udpKaIntervalSec = math.ceil(options.sip.keepalive_s)
    # PJSIP's own way to learn the port of a connection looks the domain's name up, on our thread, and connects there
    nat.contactUseSrcPort = 0
    nat.sdpNatRewriteUse = 0
    nat.sipOutboundUse = int(account.outbound != "off")
    nat.sipOutboundInstanceId = f"<{options.instance}>" if options.instance else ""
    _account_media(config.mediaConfig, account, options, way)
    return config


_ALWAYS = 2  # also where only the port differs, and for private addresses


def _nat(config: Any, account: ResolvedAccount) -> None:
    """What PJSIP's own account configuration holds of NAT; the rest is in nat.py."""
    nat = account.nat
    config.sipStunUse = config.mediaStunUse = pj.PJSUA_STUN_USE_DISABLED  # PJSIP would look names up while calls wait
    config.iceEnabled = nat.media != "off"  # also for stun and turn: this transport asks the servers without blocking
    config.iceTrickle = _TRICKLE[nat.trickle if nat.media == "ice" else "off"]
    config.iceAggressiveNomination = nat.nomination == "aggressive"
    config.iceAlwaysUpdate = False  # only where the agreed address is not the one in the SDP (RFC 8839 section 4.4)
    config.contactRewriteUse = _ALWAYS if nat.contact_rewrite and account.transport != "wss" else 0
    config.viaRewriteUse = int(account.transport != "wss")


def _websocket(config: Any, account: ResolvedAccount, options: StackOptions, way: Way) -> None:
    """Contact as RFC 7118 has it: a name that leads nowhere, since there is no way to us but our connection."""
    outbound = account.outbound != "off"
    uri = SipUri(way.alias, account.username, params={"transport": "ws"} | ({"ob": ""} if outbound else {}))
    config.sipConfig.contactForced = f"<{uri}>"
    if outbound and options.instance:
        config.regConfig.contactParams = f';reg-id=1;+sip.instance="<{options.instance}>"'
        supported = pj.SipHeader()
        supported.hName, supported.hValue = "Supported", "path, outbound"
        config.regConfig.headers.append(supported)
    config.mediaConfig.rtcpMuxEnabled = True


_COMMON_ROUTE, _ACCOUNT_ROUTE = 1, 2  # PJSUA_REG_USE_OUTBOUND_PROXY, PJSUA_REG_USE_ACC_PROXY


def _identity(account: ResolvedAccount) -> str:
    uri = SipUri(account.domain, account.username)
    quoted = account.display_name.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{quoted}" <{uri}>' if quoted else f"<{uri}>"


def _registration(config: Any, account: ResolvedAccount) -> None:
    config.registrarUri = str(SipUri(account.domain)) if account.register else ""
    config.registerOnAdd = False
    config.timeoutSec = account.expires_s
    config.delayBeforeRefreshSec = max(2, min(60, account.expires_s // 10))
    config.retryIntervalSec = 0  # the engine decides when to try again
    config.disableRegOnModify = True
    config.dropCallsOnFail = False


def _call_settings(config: Any, account: ResolvedAccount) -> None:
    config.timerUse = _SESSION_TIMER[account.session_timer]
    config.timerSessExpiresSec = account.session_expires_s
    config.prackUse = _RELIABLE[account.reliable_provisional]


def tls_name(account: ResolvedAccount) -> str:
    """The name that goes into SNI and that the certificate must carry."""
    return account.tls.server_name or account.domain


def pjsip_transport(account: ResolvedAccount) -> str:
    """How PJSIP speaks SIP for this account: over TCP to our own end of its WebSocket."""
    return "tcp" if account.transport == "wss" else account.transport


def route(account: ResolvedAccount, pin: int) -> str:
    """The first hop as a route that stays out of the message.

    Its host is the TLS name. Its port is none: with the name it is what the real address and port are pinned under.
    """
    uri = SipUri(tls_name(account), "", pin, params={"transport": pjsip_transport(account), "lr": "", "hide": ""})
    return f"<{uri}>"


def _credential(account: ResolvedAccount, algorithm: int) -> Any:
    credential = pj.AuthCredInfo(
        "digest", account.domain, account.auth_username, pj.PJSIP_CRED_DATA_PLAIN_PASSWD, account.password.reveal()
    )
    credential.algoType = algorithm
    return credential


def _account_media(config: Any, account: ResolvedAccount, options: StackOptions, way: Way) -> None:
    srtp_settings(config, account)
    config.rtcpXrEnabled = account.rtcp_xr
    rtp = config.transportConfig
    ports = options.media.rtp_ports
    rtp.port = ports.first
    rtp.portRange = ports.last - ports.first
    rtp.randomizePort = True  # else all accounts try the same ports first, and give up after a hundred
    rtp.boundAddress = bound(bind_address(options, way.version))
    rtp.publicAddress = rtp.boundAddress or way.local
    config.ipv6Use = pj.PJSUA_IPV6_ENABLED_USE_IPV6_ONLY if way.version == 6 else pj.PJSUA_IPV6_DISABLED
