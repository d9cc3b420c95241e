"""How an account's media gets through NAT on PJSIP, and what came of it for a call (see native/src/nat.hpp)."""

from __future__ import annotations

from typing import Any

import pjsua2 as pj

from softphone.config.nat import AccountNat
from softphone.config.resolved import ResolvedAccount
from softphone.stacks.base import MediaPath, MediaServers
from softphone.stacks.pjsip.settings import SYSTEM_CA_FILE

_ICE_STATES = {"running": "completed", "failed": "failed"}


def install(servers: MediaServers) -> None:
    """For the whole of PJSIP: once after `libInit`, and again when `gather_s` changes."""
    pj.installNat(round(servers.gather_s * 1000))


def use(account_id: int, settings: ResolvedAccount, servers: MediaServers) -> None:
    """Gives PJSIP's account the rest: the servers, and what pjsua2 does not offer. Counts from the next call on."""
    pj.setAccountNat(account_id, _native(settings.nat, servers))


def _native(wanted: AccountNat, servers: MediaServers) -> Any:
    nat = pj.AccountNat()
    nat.session = wanted.media == "ice"
    nat.symmetric = wanted.symmetric_rtp
    nat.keepAliveSec = wanted.rtp_keepalive_s
    if wanted.media in ("stun", "ice") and servers.stun is not None:
        nat.stunAddress, nat.stunPort = servers.stun.host, servers.stun.port
    if wanted.media in ("turn", "ice"):
        _relay(nat, servers)
    return nat


def _relay(nat: Any, servers: MediaServers) -> None:
    turn = servers.turn
    if servers.relay is None or turn is None:
        return
    nat.turnAddress, nat.turnPort = servers.relay.host, servers.relay.port
    nat.turnTransport = turn.transport
    nat.turnUser, nat.turnPassword = turn.username, turn.password.reveal()
    nat.tlsName = turn.tls_name
    nat.tlsCaFile = str(turn.tls.ca_file or SYSTEM_CA_FILE)
    nat.tlsVerify = turn.tls.verify


def call_id_of(call: Any) -> str:
    """The Call-ID of a call that still asks the servers: its INVITE is not out, so it has told of no state yet."""
    try:
        return str(call.getInfo().callIdString)
    except pj.Error:
        return ""


def path_of(call_id: int, media_index: int) -> MediaPath:
    """The way that a call's media takes now. Any thread that PJSIP knows."""
    found = pj.icePath(call_id, media_index)
    if not found.state:
        return MediaPath()
    ice = _ICE_STATES.get(found.state, "negotiating") if found.session else ""
    if ice in ("negotiating", "failed"):
        return MediaPath(ice)
    return MediaPath(ice, found.localType, found.localAddress, found.remoteType, found.remoteAddress)
